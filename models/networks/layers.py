"""Layers that Keras lacks, or has in a slower form."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers, ops

EXACT: dict[str, Any] = {"dtype": "float32"}  # for heads, even if the trunk trains in bfloat16


@keras.saving.register_keras_serializable("agestream")
class BatchNormalization(layers.BatchNormalization):
    """Batch normalization over the channels of images. On TensorFlow it trains with one fused
    kernel, which makes a training step of SSR-Net on a CPU 1.5 times as fast, in bfloat16 twice.
    Weights files order layers by class name: with Keras' name, files fit both layers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(
        self, inputs: KerasTensor, training: bool = False, mask: KerasTensor | None = None
    ) -> KerasTensor:
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + now * (1.0 - self.momentum))
        return y


@keras.saving.register_keras_serializable("agestream")
class Expectation(layers.Layer):
    """Mean (N,) of the classes' values, weighted by their probabilities (N, C)."""

    def __init__(self, values: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [float(value) for value in values]

    def call(self, probabilities: KerasTensor) -> KerasTensor:
        return ops.sum(probabilities * ops.array(self.values, probabilities.dtype), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values}


@keras.saving.register_keras_serializable("agestream")
class PerImageStandardization(layers.Layer):
    """Subtract each image's mean and divide by its standard deviation, for images (N, H, W, C). The
    deviation is at least 1 / √(HWC), so that a uniform image stays finite."""

    def call(self, images: KerasTensor) -> KerasTensor:
        count = float(np.prod(images.shape[1:]))
        centred = images - ops.mean(images, axis=(1, 2, 3), keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(centred), axis=(1, 2, 3), keepdims=True))
        return centred / ops.maximum(deviation, count**-0.5)


@keras.saving.register_keras_serializable("agestream")
class LocalResponseNormalization(layers.Layer):
    """x / (1 + α·Σ x²)^β, summed over `radius` channels on each side (Krizhevsky et al., 2012)."""

    def __init__(
        self, radius: int = 5, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.radius, self.alpha, self.beta = radius, alpha, beta

    def call(self, x: KerasTensor) -> KerasTensor:
        place = np.arange(x.shape[-1])
        near = np.abs(place[:, None] - place) <= self.radius  # (C, C)
        energy = ops.conv(ops.square(x), ops.array(near[None, None], x.dtype))
        return x * ops.power(1.0 + self.alpha * energy, -self.beta)

    def get_config(self) -> dict[str, Any]:
        config = {"radius": self.radius, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **config}

"""Layers that Keras has in a slower form."""

from typing import Any

import keras
from keras import KerasTensor, layers


@keras.saving.register_keras_serializable("agestream")
class BatchNormalization(layers.BatchNormalization):
    """Batch normalization over the channels of images; on TensorFlow it trains by one fused kernel,
    which makes a step of SSR-Net on a processor 1.5 times as fast, in bfloat16 twice. It has the
    name of Keras' layer since weights files are ordered by it: they fit both."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(
        self, inputs: KerasTensor, training: bool = False, mask: KerasTensor | None = None
    ) -> KerasTensor:
        if not training or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + now * (1.0 - self.momentum))
        return y

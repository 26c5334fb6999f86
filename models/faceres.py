"""HSE-FaceRes (Savchenko, SISY 2019): MobileNet (Howard et al., 2017) with age and gender heads.

    image → 3×3 convolution /2 → 13 × (depthwise 3×3 → 1×1 convolution) → mean → 256 → age, male

Batch normalization is folded into the convolutions, as the published weights have it. Age is the
mean of a softmax over 100 classes, one a year.
"""

from typing import Any

import keras
from keras import KerasTensor, layers, ops

AGES = 100
WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
HALVED = (2, 4, 6, 12)  # blocks, counted from 1, whose depthwise convolution has stride 2


@keras.saving.register_keras_serializable("agestream")
class MeanAge(layers.Layer):
    """Mean year (N,) of class probabilities (N, classes); class i stands for year i + `first`."""

    def __init__(self, first: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = first

    def call(self, probabilities: KerasTensor) -> KerasTensor:
        probabilities = ops.cast(probabilities, "float32")
        years = ops.arange(probabilities.shape[-1], dtype="float32") + self.first
        return ops.sum(probabilities * years, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first": self.first}


def build(size: int = 112) -> keras.Model:
    """Images (N, size, size, 3), BGR less 116.779, to a dict of (N,) arrays: "age" in years, "male"
    a probability. 3,484,389 parameters at any size."""
    image = keras.Input((size, size, 3), name="image")
    x = _relu6(layers.Conv2D(32, 3, 2, "same", name="conv")(image))
    for block, width in enumerate(WIDTHS, 1):
        stride = 2 if block in HALVED else 1
        x = _relu6(layers.DepthwiseConv2D(3, stride, "same", name=f"depthwise{block}")(x))
        x = _relu6(layers.Conv2D(width, 1, name=f"pointwise{block}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(256, activation="relu", name="features")(x)
    years = layers.Dense(AGES, activation="softmax", dtype="float32", name="years")(x)
    male = layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
    outputs = {
        "age": MeanAge(dtype="float32", name="age")(years),
        "male": layers.Reshape((), dtype="float32", name="male")(male),
    }
    return keras.Model(image, outputs, name="faceres")


def _relu6(x: KerasTensor) -> KerasTensor:
    return layers.ReLU(6.0)(x)

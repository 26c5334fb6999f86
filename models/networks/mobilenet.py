"""MobileNet (Howard et al., 2017) with the regression head of SSR-Net's comparison.

image → 3×3 convolution /2 → 13 × (depthwise 3×3 → 1×1 convolution) → 1×1×20 → 32 → age
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers

from models.networks.heads import regression
from models.networks.layers import EXACT, BatchNormalization

WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
HALVED = (2, 4, 6, 12)  # blocks, counted from 1, with a depthwise convolution of stride 2


def build(
    outputs: Sequence[str] = ("age", "male"), alpha: float = 0.25, dropout: float = 0.2
) -> keras.Model:
    """MobileNet of width `alpha` on crops (N, 64, 64, 3), BGR 0..255.

    Returns a dict of (N,) arrays: "age" in years and "male", a probability; both are unbounded
    regressions. With the age output alone it has 226,309 parameters at α 0.25, 842,421 at α 0.5.
    """
    image = keras.Input((64, 64, 3), name="image")
    conv = layers.Conv2D(int(32 * alpha), 3, 2, "same", use_bias=False, name="conv1")
    x = _bn_relu6(conv(image), "conv1")  # (32, 32, 32·α)
    for block, width in enumerate(WIDTHS, 1):
        x = _depthwise_separable(x, block, int(width * alpha))  # finally (2, 2, 1024·α)
    heads = {}
    for output in outputs:
        y = layers.Conv2D(20, 1, activation="relu", name=f"{output}_conv")(x)  # (2, 2, 20)
        y = layers.Flatten(name=f"{output}_flat", **EXACT)(y)  # 80
        heads[output] = regression(y, output, dropout)
    return keras.Model(image, heads, name="mobilenet")


def _depthwise_separable(x: KerasTensor, block: int, filters: int) -> KerasTensor:
    stride = 2 if block in HALVED else 1
    x = layers.DepthwiseConv2D(3, stride, "same", use_bias=False, name=f"conv_dw_{block}")(x)
    x = _bn_relu6(x, f"conv_dw_{block}")
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"conv_pw_{block}")(x)
    return _bn_relu6(x, f"conv_pw_{block}")


def _bn_relu6(x: KerasTensor, name: str) -> KerasTensor:
    x = BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)

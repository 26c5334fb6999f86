"""LMTCNN: Lightweight Multi-Task CNN (Lee et al., MIPR 2018): age bracket and gender of Adience.

    image → 7×7 convolution /4 → 2 × (depthwise 3×3 → 1×1 convolution) → 512 → 512 → age, gender

Unlike in the authors' code, batch normalization keeps its statistics for inference, and dropout is
active in training.
"""

from collections.abc import Sequence
from typing import Literal

import keras
from keras import KerasTensor, layers

from models.networks.heads import class_heads
from models.networks.layers import (
    EXACT,
    BatchNormalization,
    LocalResponseNormalization,
    PerImageStandardization,
)

BRACKET_CENTRES = (1.0, 5.0, 10.0, 17.5, 28.5, 40.5, 50.5, 70.0)  # years, of Adience's brackets
MALE_FIRST = (1.0, 0.0)  # values of Adience's gender classes m, f


def build(
    outputs: Sequence[str] = ("age", "male"),
    multiplier: int = 1,
    head: Literal["flatten", "gap"] = "flatten",
    dropout: float = 0.5,
) -> keras.Model:
    """LMTCNN-`multiplier`-1 on crops (N, 227, 227, 3), RGB 0..255.

    7,490,410 parameters, or 7,617,642 with a `multiplier` of 2. The `head` "gap", which is ours,
    replaces the first dense layer, 94 % of the parameters, by global average pooling: 346,474.
    Returns a dict: "nodes" (N, 8), probabilities of the brackets; "age" (N,) years, the mean of
    BRACKET_CENTRES; "male" (N,), a probability.
    """
    image = keras.Input((227, 227, 3), name="image")
    x = PerImageStandardization(name="standard", **EXACT)(image)
    x = layers.Conv2D(96, 7, 4, activation="relu", name="conv1")(x)  # (56, 56, 96)
    x = layers.MaxPooling2D(3, 2, "same", name="pool1")(x)  # (28, 28, 96)
    x = LocalResponseNormalization(name="norm1", **EXACT)(x)
    x = _separable(x, 256 * multiplier, 1, "2")  # (28, 28, 256)
    x = _separable(x, 384, 2, "3")  # (14, 14, 384)
    if head == "gap":
        x = layers.GlobalAveragePooling2D(name="pool3")(x)  # 384
    else:
        x = layers.MaxPooling2D(3, 2, name="pool3")(x)  # (6, 6, 384)
        x = layers.Flatten(name="flat")(x)  # 13824
        x = dense_512(x, "full1", dropout)
    x = dense_512(x, "full2", dropout)
    heads = class_heads(x, outputs, BRACKET_CENTRES, MALE_FIRST)
    return keras.Model(image, heads, name="lmtcnn")


def _separable(x: KerasTensor, filters: int, stride: int, name: str) -> KerasTensor:
    """Depthwise and pointwise convolution, each followed by ReLU, then batch normalization."""
    depthwise = layers.DepthwiseConv2D(
        3, stride, "same", use_bias=False, activation="relu", name=f"depthwise{name}"
    )
    x = BatchNormalization(name=f"depthwise_bn{name}")(depthwise(x))
    pointwise = layers.Conv2D(
        filters, 1, use_bias=False, activation="relu", name=f"pointwise{name}"
    )
    return BatchNormalization(name=f"pointwise_bn{name}")(pointwise(x))


def dense_512(x: KerasTensor, name: str, dropout: float) -> KerasTensor:
    """Dense layer of 512 with Levi and Hassner's initialization: small weights, biases of 1."""
    small = keras.initializers.RandomNormal(stddev=0.005)
    dense = layers.Dense(
        512, activation="relu", kernel_initializer=small, bias_initializer="ones", name=name
    )
    return layers.Dropout(dropout, name=f"{name}_drop")(dense(x))

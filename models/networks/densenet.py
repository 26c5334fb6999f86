"""DenseNet (Huang et al., CVPR 2017) with the regression head of SSR-Net's comparison.

Three dense blocks: every layer takes the feature maps of all earlier layers of its block and adds
`growth` maps; transitions halve the size.
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers

from models.networks.heads import regression
from models.networks.layers import EXACT, BatchNormalization

BLOCKS = 3
EPSILON = 1.1e-5  # in the authors' batch normalization


def build(
    outputs: Sequence[str] = ("age", "male"),
    depth: int = 13,
    growth: int = 12,
    dropout: float = 0.2,
) -> keras.Model:
    """DenseNet of `depth` = 3·L + 4 on crops (N, 64, 64, 3), BGR 0..255.

    Returns a dict of (N,) arrays: "age" in years and "male", a probability; both are unbounded
    regressions. With the age output alone it has 108,377 parameters at depth 13 and 242,009 at 19.
    """
    image = keras.Input((64, 64, 3), name="image")
    x = layers.Conv2D(2 * growth, 3, padding="same", use_bias=False, name="conv")(image)
    for block in range(1, BLOCKS + 1):
        for layer in range(1, (depth - 4) // BLOCKS + 1):
            new = _composite(x, growth, 3, f"block{block}", layer)
            x = layers.Concatenate(name=f"block{block}_concat{layer}")([x, new])
        if block < BLOCKS:
            x = _composite(x, x.shape[-1], 1, "transition", block)
            x = layers.AveragePooling2D(2, 2, name=f"transition_pool{block}")(x)  # 32, 16
    x = BatchNormalization(epsilon=EPSILON, name="bn")(x)
    x = layers.ReLU(name="relu")(x)  # (16, 16, 132) or (16, 16, 204)
    x = layers.GlobalAveragePooling2D(name="pool", **EXACT)(x)
    heads = {}
    for output in outputs:
        y = layers.Dense(128, activation="relu", name=f"{output}_dense", **EXACT)(x)
        heads[output] = regression(y, output, dropout)
    return keras.Model(image, heads, name="densenet")


def _composite(x: KerasTensor, filters: int, kernel: int, part: str, number: int) -> KerasTensor:
    """The paper's H: batch normalization, ReLU, convolution."""
    x = BatchNormalization(epsilon=EPSILON, name=f"{part}_bn{number}")(x)
    x = layers.ReLU(name=f"{part}_relu{number}")(x)
    name = f"{part}_conv{number}"
    return layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=name)(x)

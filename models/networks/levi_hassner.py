"""Age and Gender Classification using CNNs (Levi and Hassner, CVPR Workshops 2015).

One network per output: three convolutions, two dense layers of 512 and a softmax over the eight age
brackets of Adience, or over the two genders.
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers

from models.networks.heads import class_heads
from models.networks.layers import EXACT, LocalResponseNormalization, PerImageStandardization
from models.networks.lmtcnn import BRACKET_CENTRES, MALE_FIRST, dense_512


def build(outputs: Sequence[str] = ("age", "male"), dropout: float = 0.5) -> keras.Model:
    """Levi and Hassner's networks side by side on crops (N, 227, 227, 3), RGB 0..255.

    8,859,144 parameters for the age, 8,856,066 for the gender. Returns a dict: "nodes" (N, 8),
    probabilities of the brackets; "age" (N,) years, their mean; "male" (N,), a probability.
    """
    image = keras.Input((227, 227, 3), name="image")
    x = PerImageStandardization(name="standard", **EXACT)(image)
    heads: dict[str, KerasTensor] = {}
    for output in outputs:
        heads |= class_heads(_features(x, output, dropout), [output], BRACKET_CENTRES, MALE_FIRST)
    return keras.Model(image, heads, name="levi_hassner")


def _features(x: KerasTensor, output: str, dropout: float) -> KerasTensor:
    x = layers.Conv2D(96, 7, 4, activation="relu", name=f"{output}_conv1")(x)  # (56, 56, 96)
    x = layers.MaxPooling2D(3, 2, name=f"{output}_pool1")(x)  # (27, 27, 96)
    x = LocalResponseNormalization(name=f"{output}_norm1", **EXACT)(x)
    x = layers.Conv2D(256, 5, padding="same", activation="relu", name=f"{output}_conv2")(x)
    x = layers.MaxPooling2D(3, 2, name=f"{output}_pool2")(x)  # (13, 13, 256)
    x = LocalResponseNormalization(name=f"{output}_norm2", **EXACT)(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name=f"{output}_conv3")(x)
    x = layers.MaxPooling2D(3, 2, name=f"{output}_pool3")(x)  # (6, 6, 384)
    x = layers.Flatten(name=f"{output}_flat")(x)  # 13824
    x = dense_512(x, f"{output}_full1", dropout)
    return dense_512(x, f"{output}_full2", dropout)

"""Age and Gender Classification using CNNs (Levi and Hassner, CVPR Workshops 2015).

A network for each task: three convolutions, two layers of 512 and a softmax over the eight age
brackets of Adience, or the two genders.
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers

from models.networks.heads import class_heads
from models.networks.layers import EXACT, LocalResponseNormalization, PerImageStandardization
from models.networks.lmtcnn import MALE_FIRST, MIDDLES, full


def build(outputs: Sequence[str] = ("age", "male"), dropout: float = 0.5) -> keras.Model:
    """Levi and Hassner's networks side by side on crops (N, 227, 227, 3), RGB 0..255.

    8,859,144 parameters for the age, 8,856,066 for the gender. Returns a dict: "nodes" (N, 8) over
    the brackets, "age" (N,) years, "male" (N,) a probability.
    """
    image = keras.Input((227, 227, 3), name="image")
    x = PerImageStandardization(name="standard", **EXACT)(image)
    heads: dict[str, KerasTensor] = {}
    for output in outputs:
        heads |= class_heads(_features(x, output, dropout), [output], MIDDLES, MALE_FIRST)
    return keras.Model(image, heads, name="levi_hassner")


def _features(x: KerasTensor, task: str, dropout: float) -> KerasTensor:
    x = layers.Conv2D(96, 7, 4, activation="relu", name=f"{task}_conv1")(x)  # (56, 56, 96)
    x = layers.MaxPooling2D(3, 2, name=f"{task}_pool1")(x)  # (27, 27, 96)
    x = LocalResponseNormalization(name=f"{task}_norm1", **EXACT)(x)
    x = layers.Conv2D(256, 5, padding="same", activation="relu", name=f"{task}_conv2")(x)
    x = layers.MaxPooling2D(3, 2, name=f"{task}_pool2")(x)  # (13, 13, 256)
    x = LocalResponseNormalization(name=f"{task}_norm2", **EXACT)(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name=f"{task}_conv3")(x)
    x = layers.MaxPooling2D(3, 2, name=f"{task}_pool3")(x)  # (6, 6, 384)
    x = layers.Flatten(name=f"{task}_flat")(x)  # 13824
    x = full(x, f"{task}_full1", dropout)
    return full(x, f"{task}_full2", dropout)

"""C3AE: Exploring the Limits of Compact Model for Age Estimation (Zhang et al., CVPR 2019).

    three context crops → one trunk of five convolutions for all → W1: softmax over the ages
    0, 10, …, 110 → Dense 1 → age

The training target of W1 are the two bins next to the age, weighted so that their mean is the age.
"""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers, ops

from models.networks.layers import EXACT, BatchNormalization

CROPS = 3
AGE_BINS = tuple(range(0, 111, 10))  # years


def build(outputs: Sequence[str] = ("age", "male"), se: bool = True) -> keras.Model:
    """C3AE on crops (N, 64, 64, 9): the outer, middle and inner crop along the channels.

    With the age output alone it has 53,993 parameters, or 48,633 without squeeze-and-excitation
    blocks (`se`). The paper counts 32 more for a bias of conv1, which the authors' code leaves out,
    and a W1 for one crop. Returns a dict: "nodes" (N, 12), the output of W1; "age" (N,) years;
    "male" (N,), a probability.
    """
    image = keras.Input((64, 64, 3 * CROPS), name="image")
    x = layers.Reshape((64, 64, CROPS, 3), name="crops")(image)
    x = layers.Permute((3, 1, 2, 4), name="apart")(x)  # (3, 64, 64, 3)
    x = ops.reshape(x, (-1, 64, 64, 3))  # one batch: same statistics
    x = _trunk(x, se)  # (4, 4, 32)
    x = ops.reshape(x, (-1, CROPS * 4 * 4 * 32))  # 1536
    heads = {}
    if "age" in outputs:
        bins = layers.Dense(len(AGE_BINS), activation="softmax", name="W1", **EXACT)(x)
        years = keras.initializers.Constant([[float(year)] for year in AGE_BINS])
        age = layers.Dense(1, kernel_initializer=years, name="pred", **EXACT)(bins)
        heads["nodes"] = layers.Identity(name="nodes", **EXACT)(bins)
        heads["age"] = layers.Reshape((), name="age", **EXACT)(age)
    if "male" in outputs:
        male = layers.Dense(1, activation="sigmoid", name="gender", **EXACT)(x)
        heads["male"] = layers.Reshape((), name="male", **EXACT)(male)
    return keras.Model(image, heads, name="c3ae")


def _trunk(x: KerasTensor, se: bool) -> KerasTensor:
    """conv1 to conv5 of the paper, with valid padding: 62, 29, 12, 4 pixels a side."""
    for block in (1, 2, 3, 4):
        x = layers.Conv2D(32, 3, use_bias=block > 1, name=f"conv{block}")(x)
        x = BatchNormalization(name=f"bn{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        if block < 4:
            x = layers.AveragePooling2D(2, 2, name=f"pool{block}")(x)  # 31, 14, 6
        x = _squeeze_excite(x, block) if se else x
    x = layers.Conv2D(32, 1, name="conv5")(x)
    return _squeeze_excite(x, 5) if se else x


def _squeeze_excite(x: KerasTensor, block: int) -> KerasTensor:
    """Squeeze-and-excitation: scale the channels by gates of their means (Hu et al., CVPR 2018)."""
    filters = x.shape[-1]
    s = layers.GlobalAveragePooling2D(name=f"squeeze{block}")(x)
    s = layers.Dense(filters // 2, activation="relu", name=f"reduce{block}")(s)
    s = layers.Dense(filters, activation="sigmoid", name=f"excite{block}")(s)
    s = layers.Reshape((1, 1, filters), name=f"gates{block}")(s)
    return layers.Multiply(name=f"scale{block}")([x, s])

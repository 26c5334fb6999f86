"""HSE-FaceRes (Savchenko, SISY 2019): MobileNet (Howard et al., 2017) with age and gender heads.

    image → 3×3 convolution /2 → 13 × (depthwise 3×3 → 1×1 convolution) → mean → 256 → age, male

Batch normalization is folded into the convolutions, as in the published weights. Age is the mean
of a softmax over 100 classes, one per year.
"""

import keras
from keras import KerasTensor, layers

from models.networks.layers import EXACT, Expectation
from models.networks.mobilenet import HALVED, WIDTHS

AGES = 100
OFFSET = -116.779  # added to B, G and R: minus the mean of G, see models.upstream.faceres_files


def build(size: int = 128) -> keras.Model:
    """HSE-FaceRes on crops (N, size, size, 3), BGR + OFFSET: 3,484,389 parameters at any size.

    Returns a dict of (N,) arrays: "age" in years, 0 to 99; "male", a probability.
    """
    image = keras.Input((size, size, 3), name="image")
    x = _relu6(layers.Conv2D(32, 3, 2, "same", name="conv")(image))
    for block, width in enumerate(WIDTHS, 1):
        stride = 2 if block in HALVED else 1
        x = _relu6(layers.DepthwiseConv2D(3, stride, "same", name=f"depthwise{block}")(x))
        x = _relu6(layers.Conv2D(width, 1, name=f"pointwise{block}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(256, activation="relu", name="features")(x)
    years = layers.Dense(AGES, activation="softmax", name="years", **EXACT)(x)
    male = layers.Dense(1, activation="sigmoid", name="probability", **EXACT)(x)
    outputs = {
        "age": Expectation(range(AGES), name="age", **EXACT)(years),
        "male": layers.Reshape((), name="male", **EXACT)(male),
    }
    return keras.Model(image, outputs, name="faceres")


def _relu6(x: KerasTensor) -> KerasTensor:
    return layers.ReLU(6.0)(x)

"""InceptionV3 (Szegedy et al., CVPR 2016) as in Age-Gender-Predictor (Agendernet).

image → InceptionV3 → mean → softmax over 101 ages, softmax over 2 genders
"""

from collections.abc import Sequence

import keras

from models.networks.heads import class_heads
from models.networks.mobilenetv2 import FEMALE_FIRST, YEARS


def build(outputs: Sequence[str] = ("age", "male")) -> keras.Model:
    """InceptionV3 on crops (N, 140, 140, 3), BGR -1..1: 22,013,831 parameters.

    Returns a dict: "nodes" (N, 101), probabilities of the ages; "age" (N,) years, their mean;
    "male" (N,), a probability.
    """
    image = keras.Input((140, 140, 3), name="image")
    trunk = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(140, 140, 3), pooling="avg", name="trunk"
    )
    heads = class_heads(trunk(image), outputs, YEARS, FEMALE_FIRST)  # of (2048,)
    return keras.Model(image, heads, name="inceptionv3")

"""MobileNetV2 (Sandler et al., CVPR 2018) as in Age-Gender-Predictor (Agendernet).

image → MobileNetV2 → mean → softmax over 101 ages, softmax over 2 genders
"""

from collections.abc import Sequence

import keras

from models.networks.heads import class_heads

YEARS = range(101)
MOMENTUM = 0.99  # of the moving statistics: Keras' 0.999 takes many epochs to follow
FEMALE_FIRST = (0.0, 1.0)  # values of Agendernet's gender classes F, M


def build(outputs: Sequence[str] = ("age", "male")) -> keras.Model:
    """MobileNetV2 on crops (N, 96, 96, 3), BGR -1..1: 2,389,927 parameters.

    Returns a dict: "nodes" (N, 101), probabilities of the ages; "age" (N,) years, their mean;
    "male" (N,), a probability.
    """
    image = keras.Input((96, 96, 3), name="image")
    trunk = keras.applications.MobileNetV2(
        (96, 96, 3), include_top=False, weights=None, pooling="avg", name="trunk"
    )
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    heads = class_heads(trunk(image), outputs, YEARS, FEMALE_FIRST)  # of (1280,)
    return keras.Model(image, heads, name="mobilenetv2")

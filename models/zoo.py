"""The architectures by name, and their weights as Keras models."""

from collections.abc import Callable

import keras

from models import faceres, ssrnet
from models.spec import Manifest

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "faceres": faceres.build,
    "ssrnet": ssrnet.build,
}


def load_keras(manifest: Manifest) -> keras.Model:
    """The model with its trained weights, on whichever back end Keras runs."""
    model = ARCHITECTURES[manifest.architecture](**manifest.config)
    model.load_weights(manifest.file("keras"))
    return model

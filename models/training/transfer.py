"""Transfer learning: start from the weights of another model, freeze layers."""

import keras

from models.errors import ModelError
from models.training.pretrained import Pretrained
from models.zoo import load_keras

# Config entries that change the meaning of weights, with the values that training uses
EXPECTED = {"male_is": 1, "lambda_local": 1.0, "lambda_d": 1.0, "stage_num": [3, 3, 3]}


def load_init(model: keras.Model, init: Pretrained) -> None:
    """Set the weights of a network to those of the start.

    A file (.h5), as Keras publishes them, holds the weights of the network's trunk if it has one,
    otherwise those of the network. Raises ModelError if they do not fit.
    """
    if init.manifest is not None:
        for name, ours in EXPECTED.items():
            if (theirs := init.manifest.config.get(name, ours)) != ours:
                raise ModelError(
                    f"--init: {init.name} has {name} {theirs}, {model.name} {ours}: its weights "
                    "would mean something else"
                )
        copy_weights(model, load_keras(init.manifest))
        return
    names = [layer.name for layer in model.layers]
    try:
        (model.get_layer("trunk") if "trunk" in names else model).load_weights(init.name)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"--init: {init.name} does not fit {model.name}: {reason}") from None


def copy_weights(model: keras.Model, source: keras.Model) -> None:
    """Copy weights between layers of the same name.

    A network with separate trunks for age and gender takes a joint trunk's layer ("conv" for
    "age_conv") if there is none of its own name. Raises ModelError for a layer without a source of
    the same shapes.
    """
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    for layer in model.layers:
        given = layers.get(layer.name) or layers.get(layer.name.partition("_")[2])
        if not layer.weights:
            continue
        if given is None or [w.shape for w in given.weights] != [w.shape for w in layer.weights]:
            raise ModelError(
                f"--init: {source.name} has no layer that fits layer {layer.name}: give another "
                "model"
            )
        layer.set_weights(given.get_weights())


def freeze(model: keras.Model, last: str) -> None:
    """Freeze the layers up to `last`, a layer's name or a number of layers, and train the others; a
    trunk counts with its own layers. Raises ModelError if there is no such layer, or none to
    train."""
    layers = _flat(model)
    names = [layer.name for layer in layers]
    if not last.isdecimal() and last not in names:
        raise ModelError(f"--freeze {last}: {model.name} has no such layer; it has {names}")
    count = int(last) if last.isdecimal() else names.index(last) + 1
    for k, layer in enumerate(layers):
        layer.trainable = k >= count
    if not model.trainable_variables:
        raise ModelError(f"--freeze {last} leaves no layer of {model.name} to train: freeze less")


def _flat(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers, a trunk replaced by its own layers without their input."""
    nested = [_flat(x)[1:] if isinstance(x, keras.Model) else [x] for x in model.layers]
    return [layer for part in nested for layer in part]

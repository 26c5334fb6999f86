"""Weight files of Keras 2 (.h5), read as arrays: none of their code is run.

Keras numbers the layers of a kind that have no name of their own, in the order in which they were
made: "conv2d_1", or "conv2d" in later versions, or any number in a long session. The readers of the
families, `*_files`, say which layer of ours each is; here they are found and compared.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from models.errors import ModelError

Layers = dict[str, dict[str, np.ndarray]]  # layer -> "kernel", "bias", "gamma", … -> array


def keras2_layers(path: Path) -> Layers:
    """The layers with weights of a file, of the weights alone or of a whole model; the layers of a
    model within the model are taken out of it. Raises ModelError where it is no such file."""
    layers: Layers = {}
    if not path.is_file():
        raise ModelError(f"{path} does not exist: give an .h5 file of weights")
    try:
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            for group in _texts(root.attrs["layer_names"]):
                weights = _texts(root[group].attrs["weight_names"])  # "conv2d_1/kernel:0"
                inner = {re.split("[/:]", weight)[-3] for weight in weights}
                for weight in weights:
                    layer, kind = re.split("[/:]", weight)[-3:-1]
                    arrays = layers.setdefault(layer if len(inner) > 1 else group, {})
                    if (kind := kind.removeprefix("depthwise_")) in arrays:
                        raise ModelError(f"{path} has two layers named {layer}")
                    arrays[kind] = np.asarray(root[group][weight])
    except (OSError, KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a weights file of Keras 2 (.h5): {error}") from None
    return layers


def model_config(path: Path) -> str:
    """The description (JSON) in the file of a whole model; "" beside weights alone."""
    with h5py.File(path) as file:
        return "".join(_texts([file.attrs.get("model_config", "")]))


def _texts(values: Sequence[Any]) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def numbered(kind: str, ours: Sequence[str], theirs: Mapping[str, Any]) -> dict[str, str]:
    """Our name -> theirs for the layers of a kind in the order of their numbers, for as many as
    there are."""
    numbers = [re.fullmatch(rf"{kind}(?:_(\d+))?", layer) for layer in theirs]
    ordered = sorted((int(match[1] or 0), match[0]) for match in numbers if match)
    return {our: their for our, (_, their) in zip(ours, ordered, strict=False)}


def fitted(model: Any, names: dict[str, str], theirs: Layers, path: Path, family: str) -> Layers:
    """The file's arrays under the names of a Keras model's layers; `names` tells theirs. Raises
    ModelError with the layer and both shapes where they are not those of the model."""
    for layer in model.layers:
        for variable in layer.weights:
            wanted = f"{layer.name} takes {variable.name} {tuple(variable.shape)}"
            if layer.name not in names or names[layer.name] not in theirs:
                raise ModelError(f"{path} does not fit {family}: it has no layer where {wanted}")
            array = theirs[names[layer.name]].get(variable.name)
            if array is None or array.shape != tuple(variable.shape):
                has = f"no {variable.name}" if array is None else f"{variable.name} {array.shape}"
                raise ModelError(
                    f"{path} does not fit {family}: its layer {names[layer.name]} has {has} "
                    f"where {wanted}"
                )
            if not np.isfinite(array).all():
                raise ModelError(f"{path}: {variable.name} of {names[layer.name]} is not finite")
    unused = sorted(set(theirs) - set(names.values()))
    if unused:
        raise ModelError(f"{path} does not fit {family}, which has no layer {', '.join(unused)}")
    return {layer.name: theirs[names[layer.name]] for layer in model.layers if layer.weights}


def assign(model: Any, layers: Layers, prefix: str = "") -> None:
    """Give a Keras model's layers, named with a prefix, these arrays."""
    for layer, arrays in layers.items():
        for variable in model.get_layer(prefix + layer).weights:
            variable.assign(arrays[variable.name])

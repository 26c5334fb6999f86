"""Read weights files of Keras 2 (.h5) as arrays, without running code from them.

Keras 2 numbers unnamed layers of a kind in the order of their creation, from "conv2d_1", in later
versions from "conv2d", or from any number in a long session. The modules `*_files` map our layers'
names to these names, one module per architecture; this module finds the layers and compares shapes.
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
    """Name -> arrays of the layers with weights, from a file of weights or of a full model. Layers
    of a nested model come without the name of that model. Raises ModelError if the file is missing
    or damaged, or has two layers of one name."""
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
    """The configuration (JSON) in the file of a full model; "" if the file has weights only."""
    with h5py.File(path) as file:
        return "".join(_texts([file.attrs.get("model_config", "")]))


def _texts(values: Sequence[Any]) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def numbered(kind: str, ours: Sequence[str], theirs: Mapping[str, Any]) -> dict[str, str]:
    """Our name -> theirs: pair our layers with the file's numbered layers of a kind, in order. The
    longer of the two lists is cut."""
    numbers = [re.fullmatch(rf"{kind}(?:_(\d+))?", layer) for layer in theirs]
    ordered = sorted((int(match[1] or 0), match[0]) for match in numbers if match)
    return {our: their for our, (_, their) in zip(ours, ordered, strict=False)}


def fitted(model: Any, names: dict[str, str], theirs: Layers, path: Path, family: str) -> Layers:
    """The file's arrays under the names of the Keras model's layers. `names`: our name -> theirs.
    Raises ModelError, with the layer and both shapes, if an array is missing, superfluous, not
    finite or of another shape than in the model."""
    for layer in model.layers:
        for variable in layer.weights:
            expected = f"{layer.name} takes {variable.name} {tuple(variable.shape)}"
            if layer.name not in names or names[layer.name] not in theirs:
                raise ModelError(f"{path} does not fit {family}: it has no layer where {expected}")
            array = theirs[names[layer.name]].get(variable.name)
            if array is None or array.shape != tuple(variable.shape):
                has = f"no {variable.name}" if array is None else f"{variable.name} {array.shape}"
                raise ModelError(
                    f"{path} does not fit {family}: its layer {names[layer.name]} has {has} "
                    f"where {expected}"
                )
            if not np.isfinite(array).all():
                raise ModelError(f"{path}: {variable.name} of {names[layer.name]} is not finite")
    unused = sorted(set(theirs) - set(names.values()))
    if unused:
        raise ModelError(f"{path} does not fit {family}, which has no layer {', '.join(unused)}")
    return {layer.name: theirs[names[layer.name]] for layer in model.layers if layer.weights}


def assign(model: Any, layers: Layers, prefix: str = "") -> None:
    """Set the weights of the Keras model's layers PREFIX + NAME."""
    for layer, arrays in layers.items():
        for variable in model.get_layer(prefix + layer).weights:
            variable.assign(arrays[variable.name])

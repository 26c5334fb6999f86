"""Weight files of the SSR-Net authors (Keras 2, .h5), read as arrays: none of their code is run."""

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from models.spec import ModelError

Layers = dict[str, dict[str, np.ndarray]]  # layer -> "kernel", "bias", "gamma", … -> array

# Layers of models.ssrnet in the order in which the authors' code makes them: Keras numbers the
# layers of a kind that have no name of their own.
NUMBERED = {
    "conv2d": [f"{stream}_conv{block}" for stream in "xs" for block in (1, 2, 3, 4)]
    + [f"{stream}_tap{stage}" for stage in (1, 2, 3) for stream in "sx"],
    "batch_normalization": [f"{stream}_bn{block}" for stream in "xs" for block in (1, 2, 3, 4)],
    "dense": [f"{name}{stage}" for stage in (1, 2, 3) for name in ("s_mix", "x_mix", "feature")],
}
NAMED = {
    "p": r"pred\w*_stage([123])",
    "eta": r"local_delta_stage([123])",
    "delta_s": r"delta_s([123])",
}
OUTPUTS = {"pred_age_stage1": "age", "pred_stage1": "male"}


@dataclass(frozen=True)
class SsrnetFile:
    """One SSR-Net: its arrays under the names of models.ssrnet."""

    output: str | None  # "age", "male" or None where the file does not tell
    stage_num: list[int]
    layers: Layers


def read_ssrnet(path: Path) -> SsrnetFile:
    """Read a file and fit it to models.ssrnet. Raises ModelError naming the layer that does not."""
    theirs = keras2_layers(path)

    from models import ssrnet  # seconds: after what can be refused without it

    names = their_names(list(theirs))
    stages = [theirs[names[p]] for p in ("p1", "p2", "p3") if p in names]
    stage_num = [len(stage["bias"]) for stage in stages if "bias" in stage]
    if len(stage_num) < 3:  # no SSR-Net: let the usual one say where it differs
        stage_num = [3, 3, 3]
    for layer in ssrnet.build(("age",), stage_num=stage_num).layers:
        for variable in layer.weights:
            wanted = f"{layer.name} takes {variable.name} {tuple(variable.shape)}"
            if layer.name not in names:
                raise ModelError(f"{path} does not fit SSR-Net: it has no layer where {wanted}")
            array = theirs[names[layer.name]].get(variable.name)
            if array is None or array.shape != tuple(variable.shape):
                has = f"no {variable.name}" if array is None else f"{variable.name} {array.shape}"
                raise ModelError(
                    f"{path} does not fit SSR-Net: its layer {names[layer.name]} has {has} "
                    f"where {wanted}"
                )
    unused = sorted(set(theirs) - set(names.values()))
    if unused:
        raise ModelError(f"{path} does not fit SSR-Net, which has no layer {', '.join(unused)}")
    layers = {ours: theirs[name] for ours, name in names.items()}
    return SsrnetFile(OUTPUTS.get(names["p1"]), stage_num, layers)


def their_names(layers: list[str]) -> dict[str, str]:
    """Name in models.ssrnet -> name in the file, for as many as there are."""
    names: dict[str, str] = {}
    for kind, ours in NUMBERED.items():
        # the first is "conv2d_1", or "conv2d" in later versions, or any number in a long session
        numbers = [re.fullmatch(rf"{kind}(?:_(\d+))?", layer) for layer in layers]
        numbered = sorted((int(match[1] or 0), match[0]) for match in numbers if match)
        names |= {our: their for our, (_, their) in zip(ours, numbered, strict=False)}
    for our, pattern in NAMED.items():
        stages = [re.fullmatch(pattern, layer) for layer in layers]
        names |= {our + match[1]: match[0] for match in stages if match}
    return names


def keras2_layers(path: Path) -> Layers:
    """The layers with weights of a Keras 2 .h5 file, of the weights alone or of a whole model."""

    def texts(values: np.ndarray) -> list[str]:
        return [v.decode() if isinstance(v, bytes) else str(v) for v in values]

    if not path.is_file():
        raise ModelError(f"{path} does not exist: give an .h5 file of SSR-Net weights")
    layers = {}
    try:
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            for layer in texts(root.attrs["layer_names"]):
                weights = texts(root[layer].attrs["weight_names"])  # "conv2d_1/kernel:0"
                if weights:
                    arrays = {re.split("[/:]", w)[-2]: np.asarray(root[layer][w]) for w in weights}
                    layers[layer] = arrays
    except (OSError, KeyError, IndexError) as error:
        raise ModelError(f"{path} is not a weights file of Keras 2 (.h5): {error}") from None
    return layers

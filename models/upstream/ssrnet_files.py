"""SSR-Net files of its authors (Keras 2): their names for networks.ssrnet's layers."""

import re
from dataclasses import dataclass
from pathlib import Path

from models.networks import ssrnet
from models.upstream.keras2 import Layers, fitted, numbered

# layers of networks.ssrnet in the order in which the authors' code creates them
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
    """One SSR-Net file with its arrays under the names of networks.ssrnet."""

    output: str | None  # "age", "male" or None if its layers do not say
    stage_num: list[int]
    layers: Layers


def read_ssrnet(path: Path, theirs: Layers) -> SsrnetFile:
    """Fit a file's layers to networks.ssrnet. Raises ModelError if a layer does not fit."""
    names = their_names(theirs)
    stages = [theirs[names[p]] for p in ("p1", "p2", "p3") if p in names]
    stage_num = [len(stage["bias"]) for stage in stages if "bias" in stage]
    if len(stage_num) < 3:  # not an SSR-Net: `fitted` names the difference
        stage_num = [3, 3, 3]
    layers = fitted(ssrnet.build(("age",), stage_num=stage_num), names, theirs, path, "SSR-Net")
    return SsrnetFile(OUTPUTS.get(names["p1"]), stage_num, layers)


def their_names(layers: Layers) -> dict[str, str]:
    """Name in networks.ssrnet -> name in the file, for the layers that the file has."""
    names: dict[str, str] = {}
    for kind, ours in NUMBERED.items():
        names |= numbered(kind, ours, layers)
    for our, pattern in NAMED.items():
        stages = [re.fullmatch(pattern, layer) for layer in layers]
        names |= {our + match[1]: match[0] for match in stages if match}
    return names

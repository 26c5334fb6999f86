"""DenseNet files of the SSR-Net authors (Keras 2): their names for networks.densenet's layers."""

import re
from typing import Any

from models.networks.densenet import BLOCKS
from models.upstream.keras2 import Layers, numbered

HEAD = {"age_feat": "feat_a", "age_pred": "pred_a"}


def read_densenet(theirs: Layers) -> tuple[dict[str, Any], dict[str, str]]:
    """`build`'s arguments, and our layers' names -> theirs. The file has 3·L convolutions in its
    blocks, one before them and two in transitions; the first has 2·growth filters."""
    convs = sum(re.fullmatch(r"conv2d(_\d+)?", layer) is not None for layer in theirs)
    each = max((convs - BLOCKS) // BLOCKS, 1)
    composites = []
    for block in range(1, BLOCKS + 1):
        composites += [f"block{block}_{{}}{layer}" for layer in range(1, each + 1)]
        composites += [f"transition_{{}}{block}"] if block < BLOCKS else []
    names = numbered("conv2d", ["conv", *(c.format("conv") for c in composites)], theirs)
    norms = [*(c.format("bn") for c in composites), "bn"]
    names |= numbered("batch_normalization", norms, theirs)
    names |= numbered("dense", ["age_dense"], theirs) | HEAD
    first = theirs.get(names.get("conv", ""), {}).get("kernel")
    growth = 12 if first is None else first.shape[-1] // 2
    return {"outputs": ["age"], "depth": 3 * each + 4, "growth": growth}, names

"""C3AE files of github.com/StevenBanama/C3AE (Keras 2): their names for networks.c3ae's layers."""

from typing import Any

from models.upstream.keras2 import Layers, numbered

CONVS = [f"conv{k}" for k in range(1, 6)]
GATES = [f"{name}{k}" for k in range(1, 6) for name in ("reduce", "excite")]


def read_c3ae(theirs: Layers) -> tuple[dict[str, Any], dict[str, str]]:
    """`build`'s arguments, and our layers' names -> theirs. W1 is named, or is the last numbered
    dense layer; squeeze-and-excitation blocks add ten numbered dense layers."""
    dense = numbered("dense", [*GATES, "W1"], theirs)
    se = len(dense) > 1
    if not se:
        dense = numbered("dense", ["W1"], theirs)
    names = numbered("conv2d", CONVS, theirs) | {name: name for name in CONVS if name in theirs}
    names |= numbered("batch_normalization", [f"bn{k}" for k in range(1, 5)], theirs)
    names |= dense | ({"W1": "W1"} if "W1" in theirs else {}) | {"pred": "age"}
    return {"outputs": ["age"], "se": se}, names

"""MobileNet files of the SSR-Net authors (Keras 2): their names for networks.mobilenet's layers."""

from typing import Any

from models.networks.mobilenet import WIDTHS
from models.upstream.keras2 import Layers, numbered

BLOCKS = [f"conv_{kind}_{k}" for k in range(1, len(WIDTHS) + 1) for kind in ("dw", "pw")]
TRUNK = [name + part for name in ("conv1", *BLOCKS) for part in ("", "_bn")]
HEAD = {"age_feat": "feat_a", "age_pred": "pred_a"}


def read_mobilenet(theirs: Layers) -> tuple[dict[str, Any], dict[str, str]]:
    """`build`'s arguments, and our layers' names -> theirs."""
    widest = theirs.get(BLOCKS[-1], {}).get("kernel")
    alpha = 1.0 if widest is None else widest.shape[-1] / WIDTHS[-1]
    names = {name: name for name in TRUNK} | HEAD | numbered("conv2d", ["age_conv"], theirs)
    return {"outputs": ["age"], "alpha": alpha}, names

"""Models that a training starts from or distils, loaded once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ModelError
from models.manifest import SUFFIXES, Manifest, load_manifest, load_weights, sha256


@dataclass(frozen=True)
class Pretrained:
    """A model by the name that the user gave: a shipped model, a manifest (.json) or, for a start,
    a file of weights (.h5)."""

    name: str
    sha256: str  # of its weights
    data: dict[str, Any]  # data sets that it was trained on, as in a manifest
    manifest: Manifest | None  # None for a file of weights

    def require_manifest(self) -> Manifest:
        """The manifest. Raises ModelError for a file of weights, which has none."""
        if self.manifest is None:
            raise ModelError(f"{self.name} is a file of weights: give a model's name or its .json")
        return self.manifest


def load_teacher(name: str) -> Pretrained:
    """A model whose predictions can be distilled. Raises ModelError if it has no manifest."""
    manifest = load_manifest(name)
    return Pretrained(name, manifest.digest, manifest.data, manifest)


def load_pretrained(name: str) -> Pretrained:
    """A model or a file of weights to start from. Raises ModelError if it cannot be read.

    The training data of a file are those in the manifest beside it, and none if there is no such
    manifest.
    """
    if not name.endswith(".h5"):
        return load_teacher(name)
    path = Path(name).resolve()
    try:
        digest = sha256(path)
    except OSError as error:
        raise ModelError(f"--init: cannot read {name}: {error.strerror}") from None
    beside = path.with_name(f"{path.name.removesuffix(SUFFIXES['keras'])}.json")
    data = load_weights(path).data if beside.is_file() else {}
    return Pretrained(name, digest, data, None)

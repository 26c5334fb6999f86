"""The origin of trained weights, for their manifest: data sets, start and teachers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from models.datasets.chips import describe
from models.errors import ModelError
from models.training.config import Training

DIGITS = 12  # hexadecimal digits that are kept of a sha256


def describe_data(paths: Sequence[Path]) -> dict[str, Any]:
    """The manifest's entries for the data sets, by file name, in the order given. Raises ModelError
    if two different data sets have the same name."""
    data: dict[str, Any] = {}
    for path in paths:
        entry, name = describe(path), path.resolve().name
        if data.setdefault(name, entry) != entry:
            raise ModelError(f"--data: two data sets are named {name}: rename one")
    return data


def all_training_data(training: Training, data: dict[str, Any]) -> dict[str, Any]:
    """The data sets of the start and those of this training. Raises ModelError if two different
    data sets have the same name."""
    start = training.init
    if start is None:
        return data
    for name in start.data.keys() & data.keys():
        if start.data[name].get("sha256") != data[name]["sha256"]:
            raise ModelError(
                f"--data: {start.name} was trained on a different {name}: rename this one"
            )
    return start.data | data


def refuse_test_data(training: Training, data: dict[str, Any]) -> None:
    """Raise ModelError if the start or a teacher was trained on one of these data sets, whose faces
    a cross-validation tests."""
    tested = {entry["sha256"]: name for name, entry in data.items()}
    for model in training.pretrained:
        for entry in model.data.values():
            if name := tested.get(entry.get("sha256")):
                raise ModelError(
                    f"{model.name} was trained on {name}, so on faces that would be tested: remove "
                    "it from --init and --teachers"
                )


def origin(training: Training, command: str) -> str:
    """The manifest's origin: the command, the back end and seed, and the start and teachers with
    the hashes of their weights, since a name may refer to other weights later."""
    parts = [command, f"Keras on {keras.backend.backend()}, seed {training.seed}"]
    starts = () if training.init is None else (training.init,)
    for role, models in (("start", starts), ("teacher", training.teachers)):
        parts += [f"{role} {model.name} (sha256 {model.sha256[:DIGITS]})" for model in models]
    return "; ".join(parts)

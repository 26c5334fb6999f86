"""Distillation: the predictions of teachers, as soft targets for the network in training."""

import hashlib
from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from models.crops.align import central_crop
from models.datasets.chips import Chips, cache_folder
from models.errors import ModelError
from models.files import atomic_write
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest
from models.training.pretrained import Pretrained

BATCH = 64  # faces that a teacher estimates together
SoftTargets = tuple[np.ndarray, np.ndarray]  # ages (N,) in years, probabilities of male (N,)


def distill(
    teachers: Sequence[Pretrained], chips: Chips, rows: np.ndarray, outputs: Container[str]
) -> SoftTargets:
    """The teachers' mean predictions for these rows of the chips; for all other rows the middle of
    the age label, and the gender label.

    `outputs` are those of the network in training. Raises ModelError if a teacher lacks one.
    """
    for teacher in teachers:
        _check(teacher.name, teacher.require_manifest(), outputs)
    ages, male_probs = (chips.age_low + chips.age_high) / 2, chips.male.copy()
    predictions = [teacher_predictions(t.require_manifest(), chips, rows) for t in teachers]
    ages[rows], male_probs[rows] = np.mean(predictions, axis=0)
    return ages, male_probs


def _check(name: str, manifest: Manifest, outputs: Container[str]) -> None:
    """Raise ModelError if the teacher lacks an output or cannot take chips."""
    for output in ("age", "male"):
        if output in outputs and output not in manifest.outputs:
            raise ModelError(f"--teachers: {name} has no output {output!r}: choose another")
    if manifest.input.align == "box":
        raise ModelError(f"--teachers: {name} takes crops by the box, not chips: choose another")


def teacher_predictions(manifest: Manifest, chips: Chips, rows: np.ndarray) -> np.ndarray:
    """A teacher's ages in years and probabilities of male (2, N) float32 for these rows, each the
    mean over a face and its mirror image. Kept in the cache folder, since they take minutes."""
    manifest = replace(manifest, flip_tta=True, calibration={})
    parts = [slice(start, start + BATCH) for start in range(0, len(rows), BATCH)]
    weights = sorted(entry["sha256"] for entry in manifest.files.values())
    digest = hashlib.blake2b(f"{manifest.input.cache_key} {weights}".encode(), digest_size=8)
    for part in parts:
        digest.update(chips.images[rows[part]].tobytes())
    path = cache_folder() / f"{manifest.name}-{digest.hexdigest()}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    predictions = np.zeros((2, len(rows)), np.float32)
    with Estimator(manifest, choose_device("auto")) as estimator:
        for part in tqdm(parts, f"teacher {manifest.name}", unit="batch"):
            crops = [central_crop(image, estimator.input) for image in chips.images[rows[part]]]
            predictions[:, part] = estimator.predict(np.stack(crops))
    with atomic_write(path) as unfinished:
        np.save(unfinished, predictions)
    return predictions

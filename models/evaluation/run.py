"""Run a model on labelled pictures through the live detector and aligner."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from tqdm import tqdm

from models.crops.align import context_crops, crop_faces
from models.crops.context import middle_crop
from models.crops.spec import CHIP, InputSpec
from models.datasets.faces import largest_face
from models.datasets.labels import Pictures, Sample
from models.datasets.splits import splits_with_picture
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluation.metrics import Results
from models.inference.calibration import age_range
from models.inference.estimator import Estimator

BATCH = 64  # pictures that are read, detected and estimated together
SHEET_SIZE = 128  # pixels of a crop on the sheet of the worst errors
Crop = tuple[np.ndarray, bool]  # (size, size, depth) uint8 BGR; whether a face was found


def evaluate(
    estimator: Estimator, pictures: Pictures, samples: list[Sample], detector: Mtcnn | None
) -> Results:
    """Predictions for the largest face of each sample's picture, beside the labels.

    A picture without a face is resized as a whole to a crop, and so is every picture if there is
    no detector. Pictures that cannot be decoded have no row.
    """
    rows, face_found, batches = [], [], []
    for start, crops in _crops(pictures, samples, detector, estimator.input):
        readable = [(start + i, crop) for i, crop in enumerate(crops) if crop is not None]
        if readable:
            rows += [row for row, _ in readable]
            face_found += [found for _, (_, found) in readable]
            batches.append(estimator.predict_all(np.stack([crop for _, (crop, _) in readable])))
    ages, male_probs, bins = (
        _joined(batches, name, len(rows)) for name in ("age", "male", "nodes")
    )
    labels = [samples[row] for row in rows]
    low, high = age_range(estimator.manifest.calibration, ages)
    return Results(
        rows=np.array(rows, int),
        ages=np.array([s.age for s in labels], float),
        label_low=np.array([s.age_low for s in labels], float),
        label_high=np.array([s.age_high for s in labels], float),
        males=np.array([s.male for s in labels], float),
        races=np.array([s.race for s in labels], str),
        predicted_ages=ages,
        male_probs=male_probs,
        range_low=low,
        range_high=high,
        face_found=np.array(face_found, bool),
        bin_probs=bins if bins.ndim == 2 else bins[:, None],
    )


def _joined(batches: list[dict[str, np.ndarray]], output: str, count: int) -> np.ndarray:
    """An output for all `count` rows, nan if the model has no such output."""
    if not batches or output not in batches[0]:
        return np.full(count, np.nan)
    return np.concatenate([batch[output] for batch in batches]).astype(float)


def _crops(
    pictures: Pictures, samples: list[Sample], detector: Mtcnn | None, spec: InputSpec
) -> Iterator[tuple[int, list[Crop | None]]]:
    """Batches of crops, each with the row of its first sample; None for a picture that cannot be
    decoded."""

    def crop(sample: Sample) -> Crop | None:
        image = pictures.image(sample)
        if image is None:
            return None
        if detector is not None:
            face = largest_face(detector, image)
            if len(face):
                return crop_faces(image, face.boxes, face.points, spec)[0], True
        return whole_picture(image, spec), False

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(samples), desc=pictures.path.name, unit="picture") as progress,
    ):
        for start in range(0, len(samples), BATCH):
            batch = samples[start : start + BATCH]
            yield start, list(pool.map(crop, batch))
            progress.update(len(batch))


def whole_picture(image: np.ndarray, spec: InputSpec) -> np.ndarray:
    """A whole picture (H, W, 3) uint8 BGR resized to a crop (size, size, depth); for context crops
    the picture counts as the chip."""
    if spec.align == "context":
        return context_crops(whole_picture(image, CHIP), spec.size)
    shrunk = min(image.shape[:2]) >= 2 * spec.size  # as in models.crops.align.warp
    method = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR
    return cv2.resize(image, (spec.size, spec.size), interpolation=method)


def larger_crops(
    rows: list[int],
    pictures: Pictures,
    samples: list[Sample],
    detector: Mtcnn | None,
    spec: InputSpec,
) -> list[np.ndarray]:
    """The network's crops of these rows of the samples, but SHEET_SIZE pixels large: (S, S, 3)
    uint8 BGR. The pictures must be decodable."""
    chosen = [samples[row] for row in rows]
    batches = _crops(pictures, chosen, detector, replace(spec, size=SHEET_SIZE))
    return [middle_crop(found[0]) for _, batch in batches for found in batch if found is not None]


def select_samples(pictures: Pictures, split: str, limit: int | None) -> list[Sample]:
    """The samples of a split, or `limit` of them at equal distances. Raises ModelError if the split
    is empty."""
    samples = [s for s in pictures.samples if s.split == split]
    if not samples:
        splits = ", ".join(repr(s) for s in sorted({s.split for s in pictures.samples}))
        raise ModelError(f"{pictures.path} has no split {split!r}: choose --split from {splits}")
    if limit is not None and limit < len(samples):
        samples = [samples[i * len(samples) // limit] for i in range(limit)]
    return samples


def count_repeated(pictures: Pictures, split: str) -> dict[str, int]:
    """ "pictures" of a split that are byte-identical to one in another split, "of" so many."""
    splits = [sample.split for sample in pictures.samples]
    shared = [len(found) > 1 for found in splits_with_picture(splits, pictures.digests())]
    in_split = [twice for twice, own in zip(shared, splits, strict=True) if own == split]
    return {"pictures": sum(in_split), "of": len(in_split)}

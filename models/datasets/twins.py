"""Near twins: pictures of which a train split, of their own data set or of another one, has a copy
that is resized, cut, recompressed, toned or mirrored."""

import csv
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from models.datasets.chips import Columns, Images, MappedImages, cached_chips
from models.errors import ModelError
from models.files import atomic_write

FACE = slice(26, 102)  # pixels of a chip: the face, without the margin, where chips are cut off
SKETCH, DETAIL = 32, 48  # pixels, sides of the lines that find a twin and of those that prove it
BLUR, CONTRAST_BLUR = 0.047, 0.094  # of the side, sigmas: lines remain, light and tone go
NOISE = 2.0  # grey levels that are no contrast
LIKELY, CANDIDATES = 0.6, 2  # correlation of two sketches, and how many of a face are looked at
# Correlation of details. In the val splits of UTKFace, All-Age-Faces and FairFace, all pairs above
# are one photo or photos of one moment; the most similar photos of two people reach 0.88.
TWIN = 0.9
STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)  # of the alignment of two faces
MAX_STRETCH, MAX_SHIFT = 0.2, 8.0  # shares and pixels: a larger change is no alignment of two chips
BATCH = 512  # sketches that are compared together


@dataclass(frozen=True)
class Twin:
    """A picture of the examined split and the most similar picture of a train split."""

    file: str
    twin_data: str  # the data set of the twin
    twin: str  # its file
    similarity: float  # correlation of their details, TWIN to 1


def find_twins(data: Path, split: str, train: Sequence[Path]) -> list[Twin]:
    """The pictures of a split of `data` with a near twin in the train split of a data set `train`.

    Faces are compared as aligned chips; pictures without a face are left out. Raises ModelError if
    a data set cannot be used, or if its train split were compared with itself.
    """
    if split == "train" and data.resolve() in {path.resolve() for path in train}:
        raise ModelError(f"{data}: its train split would be its own twin, choose another --split")
    chips, files = _of_split(*cached_chips(data), split)
    own = {mirrored: sketches(chips, mirrored) for mirrored in (False, True)}
    found: dict[str, Twin] = {}
    for path in train:
        others, names = _of_split(*cached_chips(path), "train")
        known = sketches(others)
        for mirrored, queries in own.items():
            pairs = likely_pairs(queries, known)
            for (row, other), similarity in zip(
                pairs, similarities(chips, others, pairs, mirrored), strict=True
            ):
                twin = Twin(files[row], str(path), names[other], round(similarity, 3))
                best = found.get(twin.file)
                if similarity >= TWIN and (best is None or best.similarity < twin.similarity):
                    found[twin.file] = twin
    return sorted(found.values(), key=lambda twin: -twin.similarity)


def sketches(chips: Images, mirrored: bool = False) -> np.ndarray:
    """The lines of faces: chips (N, 128, 128, 3) uint8 BGR to (N, SKETCH²) float32 of norm 1, whose
    products are correlations."""
    found = np.empty((len(chips), SKETCH * SKETCH), np.float32)
    for row in range(len(chips)):
        found[row] = face_lines(chips[row], SKETCH, mirrored).ravel()
    found -= found.mean(1, keepdims=True)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6))


def face_lines(chip: np.ndarray, side: int, mirrored: bool) -> np.ndarray:
    """The face in a chip (128, 128, 3) uint8 BGR: lines (side, side) float32 of equal contrast."""
    face = np.ascontiguousarray(chip[FACE, FACE][:, :: -1 if mirrored else 1])
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    lines = small - cv2.GaussianBlur(small, (0, 0), BLUR * side)
    contrast = cv2.GaussianBlur(lines * lines, (0, 0), CONTRAST_BLUR * side)
    return np.asarray(lines / (np.sqrt(contrast) + NOISE), np.float32)


def likely_pairs(queries: np.ndarray, known: np.ndarray) -> list[tuple[int, int]]:
    """Rows of sketches (N, D) and (M, D) that may be twins: the CANDIDATES most similar ones."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(queries), BATCH):
        products = queries[start : start + BATCH] @ known.T
        for _ in range(min(CANDIDATES, len(known))):
            best = products.argmax(1)
            rows = np.arange(len(best))
            likely = np.flatnonzero(products[rows, best] >= LIKELY)
            pairs += zip((start + likely).tolist(), best[likely].tolist(), strict=True)
            products[rows, best] = -1
    return pairs


def similarities(
    chips: Images, others: Images, pairs: Sequence[tuple[int, int]], mirrored: bool
) -> Iterator[float]:
    """For each pair of rows, the correlation of the two faces once the one lies on the other."""

    def similarity(pair: tuple[int, int]) -> float:
        face = face_lines(chips[pair[0]], DETAIL, mirrored)
        other = face_lines(others[pair[1]], DETAIL, False)
        start, whole = np.eye(2, 3, dtype=np.float32), np.ones(face.shape, np.uint8)
        try:
            found, warp = cv2.findTransformECC(
                face, other, start, cv2.MOTION_AFFINE, STEPS, whole, 3
            )
        except cv2.error:  # it does not converge
            return 0.0
        stretch, shift = np.abs(warp[:, :2] - np.eye(2)).max(), np.abs(warp[:, 2]).max()
        return float(found) if stretch < MAX_STRETCH and shift < MAX_SHIFT else 0.0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(similarity, pairs)


def write_twins(twins: Sequence[Twin], path: Path) -> None:
    """Write one row per twin to a CSV file."""
    with (
        atomic_write(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Twin))
        table.writerows(map(astuple, twins))


def _of_split(chips: np.ndarray, labels: Columns, split: str) -> tuple[Images, list[str]]:
    """The chips of a split and the names of their files."""
    rows = np.flatnonzero(labels["splits"] == split)
    return MappedImages([(chips, rows)]), labels["files"][rows].tolist()

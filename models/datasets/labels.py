"""Labelled pictures: the schema of `labels.csv` beside `images/`, in a zip or a folder, and the
face that a picture is about.

Columns: file, split, age, gender, and where known race, age_bin ("20-29", "more than 70"), subject
(a person's id) and fold (0, 1, … of a cross-validation). Age or gender may be empty.
"""

import csv
import io
import math
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.detection.mtcnn import Detections, Mtcnn
from models.errors import ModelError
from models.manifest import sha256

OLDEST = 116.0  # years, the oldest face of UTKFace
# of Adience: years, the first and the last of each
BRACKETS = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))
MIN_FACE = 20.0  # pixels, for pictures of data sets, which are small
# what reading a file or a zip's member may raise: damaged, encrypted, not allowed, no UTF-8
UNREADABLE = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Sample:
    """One row of labels.csv. An age known as a range has its ends, an unknown one 0..OLDEST."""

    file: str
    split: str
    age_low: float
    age_high: float
    male: float  # 1, 0, or nan where unknown
    race: str
    subject: str = ""  # whose face it is, "" where unknown
    fold: int | None = None  # of the data set's own cross-validation

    @property
    def age(self) -> float:
        """Years, nan where not known exactly."""
        return self.age_low if self.age_low == self.age_high else float("nan")


class Pictures:
    """Read a data set's labels and pictures. Raises ModelError where it is not in the schema."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self._zip = None
        elif zipfile.is_zipfile(path):
            self._zip = open_zip(path)
        elif path.exists():
            raise ModelError(f"{path} is neither a folder nor a zip file with labels.csv")
        else:
            raise ModelError(f"{path} does not exist: give a zip or folder with labels.csv")
        try:
            text = self._bytes("labels.csv").decode("utf-8-sig")
        except (KeyError, FileNotFoundError):
            raise ModelError(f"{path} has no labels.csv beside images/") from None
        except UNREADABLE as error:
            raise ModelError(f"{path}: labels.csv cannot be read: {error}") from None
        rows = csv.DictReader(io.StringIO(text, newline=""), restval="")
        missing = {"file", "split"} - set(rows.fieldnames or ())
        if missing:
            raise ModelError(f"{path}: labels.csv has no column {' and '.join(sorted(missing))}")
        try:
            self.samples = [_sample(r, f"{path}: labels.csv line {rows.line_num}") for r in rows]
        except csv.Error as error:
            line = f"{path}: labels.csv line {rows.line_num + 1}"
            raise ModelError(f"{line} is damaged: {error}") from None
        if not self.samples:
            raise ModelError(f"{path}: labels.csv has no rows")

    def image(self, sample: Sample) -> np.ndarray | None:
        """The picture (H, W, 3) uint8 BGR, or None where it cannot be decoded."""
        try:
            data = self._bytes(f"images/{sample.file}")
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except (KeyError, cv2.error, *UNREADABLE):
            return None

    def digests(self) -> list[str]:
        """What is alike for the samples whose pictures are, byte for byte: size and checksum of a
        zip's member; of a file the size, or where others are as large the sha256."""
        names = [f"images/{sample.file}" for sample in self.samples]
        if self._zip is not None:
            found = {each.filename: f"{each.file_size} {each.CRC}" for each in self._zip.infolist()}
        else:
            paths = {name: self.path / name for name in names}
            sizes = {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
            times = Counter(sizes.values())
            found = {
                name: sha256(paths[name]) if times[size] > 1 else str(size)
                for name, size in sizes.items()
            }
        return [found.get(name, name) for name in names]

    def _bytes(self, name: str) -> bytes:
        if self._zip is None:
            return (self.path / name).read_bytes()
        return self._zip.read(name)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Raises ModelError where it is damaged."""
    try:
        return zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise ModelError(f"{path} is a damaged zip: {error}") from None


def _sample(row: dict[str, str], where: str) -> Sample:
    age, age_bin, gender = (row.get(name, "").strip() for name in ("age", "age_bin", "gender"))
    try:
        low, high = label_range(age, age_bin)
    except ValueError:
        raise ModelError(f"{where}: age {age or age_bin!r} is not understood") from None
    male = {"male": 1.0, "female": 0.0, "": float("nan")}.get(gender.lower())
    if male is None:
        raise ModelError(f"{where}: gender {gender!r} is neither male, female nor empty")
    race, subject, fold = (row.get(name, "").strip() for name in ("race", "subject", "fold"))
    if fold and not fold.isdecimal():
        raise ModelError(f"{where}: fold {fold!r} is not a whole number from 0 on")
    number = int(fold) if fold else None
    return Sample(row["file"], row["split"], low, high, male, race, subject, number)


def label_range(age: str, age_bin: str) -> tuple[float, float]:
    """("34", "") -> 34, 34; ("", "20-29") -> 20, 30; ("", "more than 70") -> 70, OLDEST. Raises
    ValueError."""
    if age:
        low = high = float(age)
    elif age_bin.startswith("more than"):
        low, high = float(age_bin.split()[-1]), OLDEST
    elif age_bin:
        first, last = age_bin.split("-")
        low, high = float(first), float(last) + 1
    else:
        low, high = 0.0, OLDEST
    if not 0 <= low <= high < math.inf:
        raise ValueError(f"{low}..{high} are no ages")
    return low, high


def largest_face(detector: Mtcnn, image: np.ndarray) -> Detections:
    """The largest face of a picture, settled, as one row, or no row."""
    found = detector.detect(image)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    return detector.refine_once(image, found[np.argsort(-sides.prod(axis=1), kind="stable")[:1]])

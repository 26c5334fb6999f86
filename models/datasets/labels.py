"""Read labelled pictures: `labels.csv` beside `images/`, in a zip or a folder.

Columns: file and split; optional and possibly empty: age (years), age_bin ("20-29", "more than
70"), gender ("male", "female"), race, subject (id of a person) and fold (0, 1, … of a
cross-validation).
"""

import math
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.datasets.tables import Table
from models.errors import ModelError
from models.manifest import sha256

OLDEST = 116.0  # years, the oldest face of UTKFace
# Errors from reading a file or a zip member: damaged, encrypted, not permitted, not UTF-8
UNREADABLE = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Sample:
    """One row of labels.csv. An exact age has age_low = age_high, an unknown age 0 and OLDEST."""

    file: str
    split: str
    age_low: float  # years
    age_high: float  # years
    male: float  # 1, 0, or nan if unknown
    race: str  # "" if unknown
    subject: str = ""  # id of the person, "" if unknown
    fold: int | None = None  # of the data set's own cross-validation

    @property
    def age(self) -> float:
        """Exact age in years, nan if it is a range or unknown."""
        return self.age_low if self.age_low == self.age_high else float("nan")


class Pictures:
    """The samples and pictures of a data set."""

    def __init__(self, path: Path) -> None:
        """Read labels.csv. Raises ModelError if the data set or labels.csv cannot be used."""
        self.path = path
        if not path.exists():
            raise ModelError(f"{path} does not exist: give a zip or folder with labels.csv")
        if not (path.is_dir() or zipfile.is_zipfile(path)):
            raise ModelError(f"{path} is neither a folder nor a zip file with labels.csv")
        self._zip = None if path.is_dir() else open_zip(path)
        self.samples = self._read_samples()

    def _read_samples(self) -> list[Sample]:
        path = self.path
        try:
            text = self._bytes("labels.csv").decode("utf-8-sig")
        except (KeyError, FileNotFoundError):
            raise ModelError(f"{path} has no labels.csv beside images/") from None
        except UNREADABLE as error:
            raise ModelError(f"{path}: labels.csv cannot be read: {error}") from None
        rows = Table(text, f"{path}: labels.csv")
        rows.check({"file", "split"})
        samples = [_sample(row, rows.place) for row in rows]
        if not samples:
            raise ModelError(f"{path}: labels.csv has no rows")
        return samples

    def image(self, sample: Sample) -> np.ndarray | None:
        """The picture (H, W, 3) uint8 BGR, or None if it is missing or cannot be decoded."""
        try:
            data = self._bytes(f"images/{sample.file}")
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except (KeyError, cv2.error, *UNREADABLE):
            return None

    def digests(self) -> list[str]:
        """One text per sample, equal for byte-identical pictures and cheap to compute.

        For a zip member: size and CRC-32. For a file: its size, or its sha256 if several files have
        that size. For a missing picture: its name.
        """
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
    """Open a zip to read. Raises ModelError if it is damaged."""
    try:
        return zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise ModelError(f"{path} is a damaged zip: {error}") from None


def _sample(row: dict[str, str], where: str) -> Sample:
    age, age_bin, gender = (row.get(name, "") for name in ("age", "age_bin", "gender"))
    try:
        low, high = label_range(age, age_bin)
    except ValueError:
        raise ModelError(f"{where}: age {age or age_bin!r} is not a number of years") from None
    male = {"male": 1.0, "female": 0.0, "": float("nan")}.get(gender.lower())
    if male is None:
        raise ModelError(f"{where}: gender {gender!r} is neither male, female nor empty")
    race, subject, fold = (row.get(name, "") for name in ("race", "subject", "fold"))
    if fold and not fold.isdecimal():
        raise ModelError(f"{where}: fold {fold!r} is not a whole number of at least 0")
    number = int(fold) if fold else None
    return Sample(row["file"], row["split"], low, high, male, race, subject, number)


def label_range(age: str, age_bin: str) -> tuple[float, float]:
    """Lowest and highest age in years of the columns age and age_bin: ("34", "") -> 34, 34;
    ("", "20-29") -> 20, 30; ("", "more than 70") -> 70, OLDEST; ("", "") -> 0, OLDEST. Raises
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
        raise ValueError(f"{low} to {high} is not a range of ages")
    return low, high

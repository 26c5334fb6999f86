"""Aligned face chips of data sets. Training reads them from a cache on disk, which the live
detector and aligner fill once per data set."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from models.crops.align import crop_faces
from models.crops.spec import CHIP, GEOMETRY_VERSION
from models.datasets.faces import MIN_FACE, largest_face
from models.datasets.labels import OLDEST, Pictures
from models.datasets.splits import in_later_split
from models.detection.mtcnn import Mtcnn
from models.manifest import listed_sha256, sha256

Columns = dict[str, np.ndarray]  # name -> (N,), one value per face
LABELS = ("age_low", "age_high", "male", "splits", "subjects", "folds")  # fields of Chips
BATCH = 64  # pictures that are read and aligned together


class Images(Protocol):
    """Images (N, S, S, 3) uint8 BGR, indexed by a row or by an array of rows (M,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Chips:
    """Aligned faces of one or more data sets with their labels, one row per face."""

    images: Images  # (N, 128, 128, 3) uint8 BGR, crops of spec CHIP
    age_low: np.ndarray  # (N,) float32, years; equal to age_high if the age is exact
    age_high: np.ndarray  # (N,) float32, years
    male: np.ndarray  # (N,) float32, 1, 0, or nan if unknown
    splits: np.ndarray  # (N,) str
    subjects: np.ndarray  # (N,) str, "" if unknown
    folds: np.ndarray  # (N,) int, -1 if unknown

    def __len__(self) -> int:
        return len(self.male)

    @property
    def age_known(self) -> np.ndarray:
        """(N,) bool: whether the label limits the age at all."""
        return np.asarray(self.age_high - self.age_low < OLDEST)


class MappedImages:
    """Rows of several memory-mapped arrays, as one array (N, 128, 128, 3) uint8."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """`parts` are pairs of images (M, 128, 128, 3), mapped from disk, and rows of them."""
        self._files = [images for images, _ in parts]
        self._places = [(k, row) for k, (_, rows) in enumerate(parts) for row in rows.tolist()]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The image of a row (128, 128, 3), or a copy of several rows (M, 128, 128, 3)."""
        if np.ndim(rows) == 0:
            k, row = self._places[rows]
            return np.asarray(self._files[k][row])
        return np.stack([self[row] for row in rows])


def load_chips(paths: Sequence[Path], *splits: str) -> Chips:
    """The chips of all data sets, in these splits or in all if none is given. The first call for a
    data set detects and aligns its faces. Raises ModelError if a data set cannot be used."""
    return _load([(path, splits) for path in paths])


def training_chips(paths: Sequence[Path]) -> Chips:
    """The chips of the train splits, then those of the val splits.

    A data set that is given twice has its train faces twice and its val faces once. A face is left
    out if a later split of its data set contains a byte-identical picture. Raises ModelError.
    """
    val = [(path, ("val",)) for path in unique_data_sets(paths).values()]

    def not_in_later_split(labels: Columns) -> np.ndarray:
        columns = (labels[name].tolist() for name in ("splits", "digests"))
        return ~np.array(in_later_split(*columns), bool)

    return _load([*((path, ("train",)) for path in paths), *val], not_in_later_split)


def distinct_chips(paths: Sequence[Path]) -> Chips:
    """The chips of all splits, without repeated pictures: of byte-identical pictures of a data set
    only the first, so that no face is both trained on and tested. Raises ModelError."""

    def first_of_its_kind(labels: Columns) -> np.ndarray:
        firsts = np.unique(labels["digests"], return_index=True)[1]
        return np.isin(np.arange(len(labels["digests"])), firsts)

    return _load([(path, ()) for path in paths], first_of_its_kind)


def _load(
    parts: Sequence[tuple[Path, tuple[str, ...]]],
    keep: Callable[[Columns], np.ndarray] | None = None,
) -> Chips:
    """The faces in these splits (all, if empty) for which the mask (N,) of `keep` is true. With
    several data sets, subjects are renamed to "SET-SUBJECT"."""
    images, columns = [], []
    sets = {path: cached_chips(path) for path, _ in parts}
    if len(sets) > 1:
        for path, (_, labels) in sets.items():
            people, name = labels["subjects"].tolist(), path.resolve().name
            labels["subjects"] = np.array([f"{name}-{p}" if p else "" for p in people], str)
    for path, splits in parts:
        chips, labels = sets[path]
        in_split = np.isin(labels["splits"], splits or labels["splits"])
        rows = np.flatnonzero(in_split & keep(labels) if keep else in_split)
        images.append((chips, rows))
        columns.append({name: labels[name][rows] for name in LABELS})
    joined = {name: np.concatenate([each[name] for each in columns]) for name in LABELS}
    return Chips(MappedImages(images), **joined)


def cached_chips(path: Path) -> tuple[np.ndarray, Columns]:
    """Chips (M, 128, 128, 3) uint8, mapped from disk, and label columns (N,) of a data set of M
    pictures, in which N faces were found. The cache does not store subjects, folds and digests;
    they are read from the data set. Raises ModelError."""
    pictures = Pictures(path)
    folder = cache_folder() / f"{path.stem}-{_fingerprint(pictures)}"
    if not (folder / "labels.npz").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{path.stem}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as unfinished:
            _fill_cache(pictures, Path(unfinished))
            shutil.rmtree(folder, ignore_errors=True)
            Path(unfinished).rename(folder)
    with np.load(folder / "labels.npz", allow_pickle=False) as labels:
        columns = dict(labels)
    people = {s.file: (s.subject, -1 if s.fold is None else s.fold) for s in pictures.samples}
    found = [people[file] for file in columns["files"]]
    columns["subjects"] = np.array([subject for subject, _ in found], str)
    columns["folds"] = np.array([fold for _, fold in found], int)
    digests = {s.file: d for s, d in zip(pictures.samples, pictures.digests(), strict=True)}
    columns["digests"] = np.array([digests[file] for file in columns["files"]], str)
    return np.load(folder / "chips.npy", mmap_mode="r"), columns


def describe(path: Path) -> dict[str, Any]:
    """A manifest's entry for a data set: "sha256" of its files, and "faces" found in each split.
    Raises ModelError."""
    splits, counts = np.unique(cached_chips(path)[1]["splits"], return_counts=True)
    faces = dict(zip(splits.tolist(), counts.tolist(), strict=True))
    return {"sha256": data_set_sha256(path), "faces": faces}


def data_set_sha256(path: Path) -> str:
    """The sha256 of a zip, or of labels.csv and the pictures in a folder. Raises ModelError if the
    path is not a data set."""
    pictures = Pictures(path)
    return listed_sha256(path, _files(pictures)) if path.is_dir() else sha256(path)


def unique_data_sets(paths: Sequence[Path]) -> dict[str, Path]:
    """The data sets by their sha256: copies and other spellings of a path count as one. Raises
    ModelError."""
    return {data_set_sha256(path): path for path in dict.fromkeys(paths)}


def cache_folder() -> Path:
    """The folder of all caches: $AGESTREAM_CACHE, or agestream in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("AGESTREAM_CACHE", home / "agestream"))


def _files(pictures: Pictures) -> list[str]:
    """Files of a data set in a folder: labels.csv and the pictures in it that exist."""
    images = sorted({f"images/{sample.file}" for sample in pictures.samples})
    return ["labels.csv", *(name for name in images if os.path.isfile(pictures.path / name))]


def _fingerprint(pictures: Pictures) -> str:
    """A hash of the files' sizes and modification times, which is much faster than of contents."""
    path = pictures.path
    first, *images = _files(pictures) if path.is_dir() else [""]
    stats = {name: (path / name).stat() for name in (first, *images)}
    text = f"{stats[first].st_size} {stats[first].st_mtime_ns} {CHIP.cache_key} {GEOMETRY_VERSION}"
    text += "".join(f"\n{stats[n].st_size} {stats[n].st_mtime_ns} {n}" for n in images)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


def _fill_cache(pictures: Pictures, folder: Path) -> None:
    """Write chips.npy and labels.npz, with one row per picture in which a face is found."""
    samples = pictures.samples
    chips = np.lib.format.open_memmap(
        folder / "chips.npy", "w+", np.uint8, (len(samples), CHIP.size, CHIP.size, 3)
    )
    found: list[int] = []
    for row, chip in enumerate(_align_all(pictures)):
        if chip is not None:
            chips[len(found)] = chip
            found.append(row)
    kept = [samples[row] for row in found]
    columns: dict[str, Any] = {
        "files": np.array([s.file for s in kept]),
        "splits": np.array([s.split for s in kept]),
        "age_low": np.array([s.age_low for s in kept], np.float32),
        "age_high": np.array([s.age_high for s in kept], np.float32),
        "male": np.array([s.male for s in kept], np.float32),
    }
    np.savez(folder / "labels.npz", allow_pickle=False, **columns)


def _align_all(pictures: Pictures) -> Iterator[np.ndarray | None]:
    """The chip of each picture's largest face, None if there is no face."""
    detector = Mtcnn(MIN_FACE, video=False)

    def align(image: np.ndarray | None) -> np.ndarray | None:
        if image is None:
            return None
        face = largest_face(detector, image)
        return crop_faces(image, face.boxes, face.points, CHIP)[0] if len(face) else None

    title = f"aligning {pictures.path.name}"
    images = (pictures.image(s) for s in tqdm(pictures.samples, title, unit="picture"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in _batches(images, BATCH):
            yield from pool.map(align, batch)


def _batches(items: Iterator[Any], count: int) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    yield batch

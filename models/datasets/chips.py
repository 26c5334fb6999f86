"""Aligned chips of data sets: a cache, filled once per data set with the live detector and aligner,
from which training reads."""

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
from models.datasets.labels import MIN_FACE, OLDEST, Pictures, largest_face
from models.datasets.splits import in_later_split
from models.detection.mtcnn import Mtcnn
from models.manifest import listed_sha256, sha256

Columns = dict[str, np.ndarray]  # name -> (N,), a value a face
LABELS = ("age_low", "age_high", "male", "splits", "subjects", "folds")  # columns of Chips


class Images(Protocol):
    """Pictures (N, S, S, 3) uint8 BGR: one by its number, those of an array of numbers (M,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Chips:
    """Aligned faces of one or more data sets with their labels, one row each."""

    images: Images  # (N, 128, 128, 3), geometry CHIP
    age_low: np.ndarray  # (N,) float32, years
    age_high: np.ndarray  # (N,) float32, years
    male: np.ndarray  # (N,) float32, 1, 0 or nan
    splits: np.ndarray  # (N,) str
    subjects: np.ndarray  # (N,) str, "" where unknown
    folds: np.ndarray  # (N,) int, -1 where unknown

    def __len__(self) -> int:
        return len(self.male)

    @property
    def age_known(self) -> np.ndarray:
        """(N,) bool: whether the label tells anything of the age."""
        return self.age_high - self.age_low < OLDEST


class MappedImages:
    """Rows of images that stay on disk, of several files as if of one array (N, 128, 128, 3)."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Pairs of images, mapped from disk, and of rows of them."""
        self._files = [images for images, _ in parts]
        self._places = [(k, row) for k, (_, rows) in enumerate(parts) for row in rows.tolist()]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """One image by its number, or those of an array of numbers (M,) as a copy."""
        if np.ndim(rows) == 0:
            k, row = self._places[rows]
            return self._files[k][row]
        return np.stack([self[row] for row in rows])


def load_chips(paths: Sequence[Path], *splits: str) -> Chips:
    """The chips of these splits, or of all, of all data sets; detected and aligned at the first
    call."""
    return _loaded([(path, splits) for path in paths])


def training_chips(paths: Sequence[Path]) -> Chips:
    """The faces to train on, those of a data set that is named twice twice, then the faces to
    watch, each once; without those whose picture a later split of their data set holds too, byte
    for byte."""
    watched = [(path, ("val",)) for path in by_digest(paths).values()]

    def kept(labels: Columns) -> np.ndarray:
        columns = (labels[name].tolist() for name in ("splits", "digests"))
        return ~np.array(in_later_split(*columns), bool)

    return _loaded([*((path, ("train",)) for path in paths), *watched], kept)


def different_chips(paths: Sequence[Path]) -> Chips:
    """The chips of all splits, of pictures that a data set holds twice, byte for byte, the first:
    else a face would be trained on and tested."""

    def kept(labels: Columns) -> np.ndarray:
        firsts = np.unique(labels["digests"], return_index=True)[1]
        return np.isin(np.arange(len(labels["digests"])), firsts)

    return _loaded([(path, ()) for path in paths], kept)


def _loaded(
    parts: Sequence[tuple[Path, tuple[str, ...]]],
    kept: Callable[[Columns], np.ndarray] | None = None,
) -> Chips:
    """The faces of these splits, or of all, and of those the ones that are `kept`: a mask (N,). Of
    several data sets a known subject is named "SET-SUBJECT"."""
    images, columns = [], []
    sets = {path: cached_chips(path) for path, _ in parts}
    if len(sets) > 1:
        for path, (_, labels) in sets.items():
            people, name = labels["subjects"].tolist(), path.resolve().name
            labels["subjects"] = np.array([f"{name}-{p}" if p else "" for p in people], str)
    for path, splits in parts:
        chips, labels = sets[path]
        wanted = np.isin(labels["splits"], splits or labels["splits"])
        rows = np.flatnonzero(wanted & kept(labels) if kept else wanted)
        images.append((chips, rows))
        columns.append([labels[name][rows] for name in LABELS])
    return Chips(MappedImages(images), *map(np.concatenate, zip(*columns, strict=True)))


def cached_chips(path: Path) -> tuple[np.ndarray, Columns]:
    """Chips (M, 128, 128, 3), mapped from disk, and label columns (N,) of the N ≤ M faces found in
    a set. Subjects, folds and digests are no part of the cache: they are read from the set."""
    pictures = Pictures(path)
    folder = cache_folder() / f"{path.stem}-{_fingerprint(pictures)}"
    if not (folder / "labels.npz").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{path.stem}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as place:
            _fill_cache(pictures, Path(place))
            shutil.rmtree(folder, ignore_errors=True)
            Path(place).rename(folder)
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
    """What a manifest says of a data set: the hash of what it is made of and the faces that were
    found in each split."""
    splits, counts = np.unique(cached_chips(path)[1]["splits"], return_counts=True)
    faces = dict(zip(splits.tolist(), counts.tolist(), strict=True))
    return {"sha256": digest(path), "faces": faces}


def digest(path: Path) -> str:
    """The sha256 of what a data set is made of. Raises ModelError where it is none."""
    pictures = Pictures(path)
    return listed_sha256(path, _files(pictures)) if path.is_dir() else sha256(path)


def by_digest(paths: Sequence[Path]) -> dict[str, Path]:
    """The data sets, each once, however its path is spelled and however many copies there are."""
    return {digest(path): path for path in dict.fromkeys(paths)}


def cache_folder() -> Path:
    """$AGESTREAM_CACHE, or agestream in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("AGESTREAM_CACHE", home / "agestream"))


def _files(pictures: Pictures) -> list[str]:
    """What a data set in a folder is made of: labels.csv and the pictures it names that exist."""
    images = sorted({f"images/{sample.file}" for sample in pictures.samples})
    return ["labels.csv", *(name for name in images if os.path.isfile(pictures.path / name))]


def _fingerprint(pictures: Pictures) -> str:
    """Of sizes and times of change, which are read in no time."""
    path = pictures.path
    first, *images = _files(pictures) if path.is_dir() else [""]
    stats = {name: (path / name).stat() for name in (first, *images)}
    text = f"{stats[first].st_size} {stats[first].st_mtime_ns} {CHIP.cache_key} {GEOMETRY_VERSION}"
    text += "".join(f"\n{stats[n].st_size} {stats[n].st_mtime_ns} {n}" for n in images)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _fill_cache(pictures: Pictures, folder: Path) -> None:
    samples = pictures.samples
    chips = np.lib.format.open_memmap(
        folder / "chips.npy", "w+", np.uint8, (len(samples), CHIP.size, CHIP.size, 3)
    )
    found: list[int] = []
    for row, chip in enumerate(_chips(pictures)):
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


def _chips(pictures: Pictures) -> Iterator[np.ndarray | None]:
    detector = Mtcnn(MIN_FACE, video=False)

    def chip(image: np.ndarray | None) -> np.ndarray | None:
        if image is None:
            return None
        face = largest_face(detector, image)
        return crop_faces(image, face.boxes, face.points, CHIP)[0] if len(face) else None

    title = f"aligning {pictures.path.name}"
    images = (pictures.image(s) for s in tqdm(pictures.samples, title, unit="picture"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in _batches(images, 64):
            yield from pool.map(chip, batch)


def _batches(items: Iterator[Any], count: int) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    yield batch

"""Copies of pictures in other splits and data sets, each made from one face."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets.twins import TWIN, Twin, find_twins, similarities, write_twins
from models.errors import ModelError

FACE = (slice(0, 256), slice(96, 352))  # of the photo


def write_set(folder: Path, rows: Mapping[str, tuple[str, np.ndarray | bytes]]) -> Path:
    """A data set in a folder, of files with their split and picture."""
    (folder / "images").mkdir(parents=True)
    lines = [f"{name},{split},30,female" for name, (split, _) in rows.items()]
    (folder / "labels.csv").write_text("\n".join(["file,split,age,gender", *lines]) + "\n")
    for name, (_, image) in rows.items():
        data = image if isinstance(image, bytes) else cv2.imencode(".png", image)[1].tobytes()
        (folder / "images" / name).write_bytes(data)
    return folder


@pytest.fixture
def portrait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> np.ndarray:
    """A picture of a face, and a cache of its own."""
    monkeypatch.setenv("AGESTREAM_CACHE", str(tmp_path / "cache"))
    return np.ascontiguousarray(astronaut[FACE])


def toned(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    lighter = np.asarray(255 * (grey / 255) ** 0.7, np.uint8)
    return cv2.cvtColor(lighter, cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes(),
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda image: cv2.resize(image, None, fx=2, fy=2),
        lambda image: image[20:, 15:-5],
        lambda image: image[:, ::-1],
        toned,
    ],
    ids=["the same", "recompressed", "smaller", "larger", "cut", "mirrored", "toned"],
)
def test_a_copy_in_the_train_split_of_another_set_is_a_twin(
    tmp_path: Path, portrait: np.ndarray, change: Callable[[np.ndarray], np.ndarray | bytes]
) -> None:
    tested = write_set(tmp_path / "tested", {"a.png": ("test", portrait)})
    blank = np.full((90, 120, 3), 70, np.uint8)
    copy = change(portrait)
    train = write_set(tmp_path / "train", {"blank.png": ("train", blank), "b.x": ("train", copy)})
    (twin,) = find_twins(tested, "test", [train])
    assert (twin.file, twin.twin_data, twin.twin) == ("a.png", str(train), "b.x")
    assert TWIN <= twin.similarity <= 1


def test_twins_are_searched_in_train_splits_alone(tmp_path: Path, portrait: np.ndarray) -> None:
    rows = {"a.png": ("test", portrait), "b.png": ("val", portrait), "c.png": ("test", portrait)}
    assert not find_twins(write_set(tmp_path / "set", rows), "test", [tmp_path / "set"])


def test_within_a_set_and_across_sets_the_closest_twin_counts(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    small = cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    rows = {"a.png": ("test", portrait), "small.png": ("train", small)}
    tested = write_set(tmp_path / "tested", rows)
    other = write_set(tmp_path / "other", {"same.png": ("train", portrait)})
    assert [each.twin for each in find_twins(tested, "test", [tested])] == ["small.png"]
    (twin,) = find_twins(tested, "test", [tested, other])
    assert twin == Twin("a.png", str(other), "same.png", 1.0)


def test_other_faces_are_no_twins(astronaut: np.ndarray) -> None:
    """Faces whose light and outline are equal and whose features differ."""
    rng = np.random.default_rng(0)
    shared = cv2.GaussianBlur(cv2.resize(astronaut[FACE], (128, 128)), (0, 0), 12).astype(float)
    own = [
        cv2.resize(rng.normal(0, 40, (16, 16, 3)), (128, 128), interpolation=cv2.INTER_CUBIC)
        for _ in range(20)
    ]
    chips = np.clip(shared + own, 0, 255).astype(np.uint8)
    pairs = [(k, k + 1) for k in range(19)]
    assert max(similarities(chips, chips, pairs, mirrored=False)) < TWIN - 0.1
    same = [(k, k) for k in range(20)]
    assert min(similarities(chips, chips, same, mirrored=False)) == pytest.approx(1, abs=1e-3)


def test_a_train_split_is_not_compared_with_itself(tmp_path: Path, portrait: np.ndarray) -> None:
    data = write_set(tmp_path / "set", {"a.png": ("train", portrait)})
    with pytest.raises(ModelError, match="would be its own twin, choose another --split"):
        find_twins(data, "train", [data])


def test_a_data_set_without_train_faces_has_no_twins(tmp_path: Path, portrait: np.ndarray) -> None:
    tested = write_set(tmp_path / "tested", {"a.png": ("test", portrait)})
    blank = np.full((90, 120, 3), 70, np.uint8)
    assert not find_twins(tested, "test", [write_set(tmp_path / "t", {"b.png": ("train", blank)})])


def test_twins_are_written_as_a_table(tmp_path: Path) -> None:
    write_twins([Twin("ü,1.png", "other.zip", "b.png", 0.95)], tmp_path / "twins.csv")
    lines = (tmp_path / "twins.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["file,twin_data,twin,similarity", '"ü,1.png",other.zip,b.png,0.95']

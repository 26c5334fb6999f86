"""The cache of aligned chips, and the manifest entry of a data set."""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.crops.spec import CHIP, GEOMETRY_VERSION
from models.datasets import chips
from models.datasets.chips import (
    cache_folder,
    describe,
    distinct_chips,
    load_chips,
    training_chips,
)
from models.datasets.labels import Pictures
from models.evaluation.run import count_repeated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> Path:
    """A data set of one face, a.png, in a folder, and a cache of its own."""
    monkeypatch.setenv("AGESTREAM_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "set"
    (made / "images").mkdir(parents=True)
    (made / "labels.csv").write_text("file,split,age,gender\na.png,train,34,female\n")
    cv2.imwrite(str(made / "images" / "a.png"), astronaut[0:256, 96:352])
    return made


def test_another_picture_under_the_same_name_is_another_chip(
    folder: Path, astronaut: np.ndarray
) -> None:
    first = load_chips([folder]).images[0]
    np.testing.assert_array_equal(load_chips([folder]).images[0], first)
    cv2.imwrite(str(folder / "images" / "a.png"), astronaut[0:256, 96:352] // 2)
    assert load_chips([folder]).images[0].mean() == pytest.approx(first.mean() / 2, rel=0.05)


def test_a_picture_that_comes_later_is_found(folder: Path) -> None:
    image = folder / "images" / "a.png"
    image.rename(folder / "a.png")
    assert len(load_chips([folder])) == 0
    (folder / "a.png").rename(image)
    assert len(load_chips([folder])) == 1


def test_a_file_that_is_no_part_of_the_data_set_changes_nothing(folder: Path) -> None:
    load_chips([folder])
    kept, entry = sorted(cache_folder().iterdir()), describe(folder)
    (folder / "images" / "Thumbs.db").write_bytes(b"1")
    assert describe(folder) == entry
    assert sorted(cache_folder().iterdir()) == kept


def test_a_manifest_tells_a_changed_picture(folder: Path, astronaut: np.ndarray) -> None:
    first = describe(folder)
    assert first["faces"] == {"train": 1}
    digests = [hashlib.sha256((folder / n).read_bytes()) for n in ("labels.csv", "images/a.png")]
    listing = "{}  labels.csv\n{}  images/a.png\n".format(*(d.hexdigest() for d in digests))
    assert first["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
    cv2.imwrite(str(folder / "images" / "a.png"), astronaut[0:256, 90:352])
    assert describe(folder)["sha256"] != first["sha256"]


def test_chips_of_a_zip_go_by_its_own_size_and_time_and_by_what_measures_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.parent / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("labels.csv", "images/a.png"):
            archive.write(folder / name, name)
    os.utime(path, ns=(0, 123_000_000_000))
    assert describe(path)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    keys = [
        f"{path.stat().st_size} 123000000000 {CHIP.cache_key} {GEOMETRY_VERSION + more}"
        for more in (0, 1)
    ]
    names = [f"set-{hashlib.sha256(key.encode()).hexdigest()[:12]}" for key in keys]
    assert [made.name for made in cache_folder().iterdir()] == names[:1]
    monkeypatch.setattr(chips, "GEOMETRY_VERSION", GEOMETRY_VERSION + 1)
    describe(path)
    assert {made.name for made in cache_folder().iterdir()} == set(names)


@pytest.fixture(params=["folder", "zip"])
def twins(folder: Path, astronaut: np.ndarray, request: pytest.FixtureRequest) -> Path:
    """Faces by age: 1, 2 and 3 are one picture in train, val and test, 4 and 5 another in train and
    val, 6 and 7 a third twice in train; all are as large."""
    rows, files = ["file,split,age", "none.png,train,8", "none.png,test,8"], "abcdefg"
    splits = ("train", "val", "test", "train", "val", "train", "train")
    for age, (file, split) in enumerate(zip(files, splits, strict=True), start=1):
        rows.append(f"{file}.png,{split},{age}")
        top = {"a": 0, "d": 1, "f": 2}[max(first for first in "adf" if first <= file)]
        picture = cv2.imencode(".png", astronaut[top : 256 + top, 96:352])[1].tobytes()
        (folder / "images" / f"{file}.png").write_bytes(picture.ljust(200_000, b"\0"))
    (folder / "labels.csv").write_text("\n".join(rows))
    if request.param == "folder":
        return folder
    path = folder.parent / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("labels.csv", *(f"images/{name}.png" for name in files)):
            archive.write(folder / name, name)
    return path


def test_a_face_in_a_later_split_is_in_neither_train_nor_val(twins: Path) -> None:
    found = training_chips([twins, twins])
    assert found.age_low.tolist() == [6, 7, 6, 7, 5]
    assert found.splits.tolist() == ["train"] * 4 + ["val"]
    assert distinct_chips([twins]).age_low.tolist() == [1, 4, 6]
    assert load_chips([twins]).age_low.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_people_of_two_data_sets_are_not_taken_for_each_other(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,split,subject\na.png,train,001\nb.png,val,\n")
    shutil.copy(folder / "images" / "a.png", folder / "images" / "b.png")
    shutil.copytree(folder, folder.parent / "other")
    assert load_chips([folder]).subjects.tolist() == ["001", ""]
    both = load_chips([folder, folder.parent / "other"])
    assert both.subjects.tolist() == ["set-001", "", "other-001", ""]


def test_pictures_of_a_split_that_others_hold_are_counted(twins: Path) -> None:
    counted = [count_repeated(Pictures(twins), split) for split in ("train", "val", "test")]
    assert counted == [
        {"pictures": 3, "of": 5},
        {"pictures": 2, "of": 2},
        {"pictures": 2, "of": 2},
    ]

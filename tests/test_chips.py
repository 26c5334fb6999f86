"""The cache of aligned chips, and what a manifest says of a data set."""

import hashlib
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets import chips
from models.datasets.chips import cache_folder, describe, load_chips
from models.spec import CHIP, MEASURED


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
    kept, told = sorted(cache_folder().iterdir()), describe(folder)
    (folder / "images" / "Thumbs.db").write_bytes(b"1")
    assert describe(folder) == told
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
    with zipfile.ZipFile(path, "w") as file:
        for name in ("labels.csv", "images/a.png"):
            file.write(folder / name, name)
    os.utime(path, ns=(0, 123_000_000_000))
    assert describe(path)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    keys = [f"{path.stat().st_size} 123000000000 {CHIP} {MEASURED + more}" for more in (0, 1)]
    names = [f"set-{hashlib.sha256(key.encode()).hexdigest()[:12]}" for key in keys]
    assert [made.name for made in cache_folder().iterdir()] == names[:1]
    monkeypatch.setattr(chips, "MEASURED", MEASURED + 1)
    describe(path)
    assert {made.name for made in cache_folder().iterdir()} == set(names)

"""Faces lost by size and turn: the photos that are made, and the whole command."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.bench import photos
from demo.bench.photos import photo_of, shuffled

RNG = np.random.default_rng(0)


def test_a_photo_has_its_size_and_turn_and_grain() -> None:
    picture = np.full((60, 90, 3), 100, np.uint8)
    picture[:, :45] = 20
    assert (photo_of(picture, 0, 0, RNG) == picture).all()
    assert (photo_of(picture, 0, 90, RNG) == cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)).all()
    turned = photo_of(picture, 0.24, 180, RNG, grain=5.0)
    assert turned.shape == (400, 600, 3)
    left, right = turned[:, :280].astype(float), turned[:, 320:].astype(float)
    assert left.mean() == pytest.approx(99.5, abs=0.2)  # whole gray levels, rounded down
    assert left[..., 0].std() == pytest.approx(5.0, abs=0.1)
    assert right.mean() == pytest.approx(19.5, abs=0.2)
    assert photo_of(picture, 0.24, 30, RNG).shape == (400, 600, 3)


def test_shuffled_tiles_keep_their_pixels_but_not_their_places() -> None:
    picture = np.arange(48 * 60 * 3, dtype=np.uint32).reshape(48, 60, 3)  # tiles of 8
    mixed = shuffled(picture, np.random.default_rng(0))
    assert mixed.shape == (48, 56, 3)
    assert np.isin(mixed, picture[:, :56]).all()
    assert len(np.unique(mixed)) == mixed.size
    assert (mixed[0, 1] - mixed[0, 0] == 3).all()
    assert (mixed != picture[:, :56]).any(axis=2).mean() > 0.9


@pytest.fixture
def folder(tmp_path: Path, astronaut: np.ndarray) -> Path:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "face.png"), astronaut[20:220, 120:330])
    (tmp_path / "labels.csv").write_text(
        "file,split\nface.png,val\nmissing.png,val\nno.png,train\n"
    )
    return tmp_path


def test_the_command_prints_what_each_look_finds(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--data", str(folder), "--megapixels", "0", "--turns", "0", "-90"]
    assert photos.main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    found = [(r["face"], r["degrees"], r["pictures"], r["first"], r["all"]) for r in rows]
    assert found == [(True, 0, 1, 1, 1), (True, -90, 1, 0, 1), (False, 0, 1, 0, 0)]
    assert rows[0]["all_ms"] is None
    assert rows[1]["all_ms"] > rows[1]["first_ms"]
    assert photos.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].split()[1:6] == ["-", "-90°", "1", "0.0%", "100.0%"]
    assert printed[3].split()[1:6] == ["-", "none", "1", "0.0%", "0.0%"]


@pytest.mark.parametrize(
    ("split", "words"), [("train", "no picture of split 'train'"), ("dev", "no split 'dev'")]
)
def test_a_mistake_is_one_line(
    split: str, words: str, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert photos.main(["--data", str(folder), "--split", split]) == 2
    assert words in capsys.readouterr().err

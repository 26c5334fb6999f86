from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.errors import UserError
from demo.images import letterbox, letterbox_scale, save_image


@pytest.mark.parametrize(
    ("shape", "placed"),
    [((100, 50, 3), (2.0, 100, 0)), ((50, 100, 3), (3.0, 0, 25)), ((400, 600, 3), (0.5, 0, 0))],
)
def test_an_image_is_as_large_as_it_fits_and_centred_on_black(shape, placed):
    scale, left, top = letterbox_scale(shape, 200, 300)
    assert (scale, left, top) == placed
    fitted = letterbox(np.full(shape, 200, np.uint8), 200, 300)
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    assert fitted.shape == (200, 300, 3)
    assert (fitted[top : top + height, left : left + width] == 200).all()
    assert np.count_nonzero(fitted) == 3 * height * width


def test_an_image_that_would_vanish_keeps_a_pixel():
    assert np.count_nonzero(letterbox(np.full((1, 1000, 3), 9, np.uint8), 10, 10)) == 30


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_an_image_is_saved_without_loss_where_its_format_has_none(tmp_path, astronaut, name):
    save_image(tmp_path / name, astronaut)
    assert (cv2.imread(str(tmp_path / name)) == astronaut).all()


@pytest.mark.parametrize("name", ["face.jfif", "face"])
def test_a_photo_without_a_suffix_of_its_own_is_written_as_jpeg(tmp_path, astronaut, name):
    save_image(tmp_path / name, astronaut)
    assert (tmp_path / name).read_bytes().startswith(b"\xff\xd8\xff")


def test_a_picture_too_large_for_its_format_is_one_clear_line(tmp_path):
    path, wide = tmp_path / "a.webp", np.zeros((2, 20_000, 3), np.uint8)
    with pytest.raises(UserError, match=r"a\.webp: its format does not take 20000x2 pixels"):
        save_image(path, wide)


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(UserError, match=r"cannot write .*none/a\.png: No such file or directory"):
        save_image(Path(tmp_path / "none" / "a.png"), image)


@pytest.mark.parametrize("name", ["M\udcfcller.png", "a.j\udcfc", "\udcfc", "a\n.webp"])
def test_a_picture_is_saved_under_a_name_that_is_no_text(tmp_path, astronaut, name):
    save_image(tmp_path / name, astronaut)
    image = cv2.imdecode(np.fromfile(tmp_path / name, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == astronaut.shape

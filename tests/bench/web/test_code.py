"""Numbers in pictures."""

import base64
import shutil
import time

import cv2
import numpy as np
import pytest

from demo.bench.web.browser import NAMES, Window, opened
from demo.bench.web.code import COUNT, READER, CodedCamera, draw, read
from demo.sources.live import LiveSource

NUMBERS = [0, 1, 0b1010_1010_1010_1010, 30_000, COUNT - 1]


def coded(number: int, size: tuple[int, int] = (480, 640), noise: int = 60) -> np.ndarray:
    """A picture of noise that holds a number."""
    image = np.random.default_rng(number).integers(90, 90 + noise, (*size, 3)).astype(np.uint8)
    draw(image, number)
    return image


def through_jpeg(image: np.ndarray, width: int, quality: int = 80) -> np.ndarray:
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


@pytest.mark.parametrize("width", [320, 480, 640])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_survives_scaling_and_jpeg(number: int, width: int) -> None:
    assert read(through_jpeg(coded(number), width)) == number


def test_a_number_fills_half_of_the_first_rows_and_no_more() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    draw(image, 12_345)
    changed = (image != 90).any(axis=2)
    assert changed[:16, :320].all()
    assert not changed[16:].any()
    assert not changed[:, 320:].any()


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_a_picture_of_one_colour_holds_no_number(shade: int) -> None:
    assert read(np.full((480, 640, 3), shade, np.uint8)) is None


def test_a_flipped_cell_is_noticed() -> None:
    image = coded(30_000)
    image[:16, 3 * 16 : 4 * 16] = 255 - image[:16, 3 * 16 : 4 * 16]
    assert read(image) is None


def test_a_camera_counts_its_pictures_and_notes_when_it_had_them(clip) -> None:
    camera = CodedCamera(str(clip), 1, 25)
    start = time.time()
    with LiveSource(str(clip), lambda: camera, give_up=0) as source:
        numbers = [read(frame.image) for frame in source]
    known = [number for number in numbers if number is not None]
    assert numbers == sorted(set(known))
    assert len(known) >= 5
    assert known[-1] < len(camera.moments) <= camera.due == 25
    assert start <= camera.moments[0] < camera.moments[-1] <= time.time()
    assert np.diff(camera.moments).mean() == pytest.approx(1 / 25, rel=0.2)


@pytest.mark.browser
def test_a_page_reads_the_same_numbers(tmp_path) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not any(map(shutil.which, NAMES)):
        pytest.skip("Chromium is not installed")
    pictures = [through_jpeg(coded(number), width) for number in NUMBERS for width in (320, 640)]
    pictures.append(np.full((480, 640, 3), 90, np.uint8))
    jpegs = [
        base64.b64encode(cv2.imencode(".jpg", each)[1].tobytes()).decode() for each in pictures
    ]
    ask = """async (jpegs) => {
      const found = [];
      for (const jpeg of jpegs) {
        const bytes = Uint8Array.from(atob(jpeg), (c) => c.charCodeAt(0));
        found.push(numberOf(await createImageBitmap(new Blob([bytes], {type: "image/jpeg"}))));
      }
      return found;
    }"""
    blank = tmp_path / "blank.html"
    blank.write_text("<!DOCTYPE html><title>blank</title>")
    with opened(blank.as_uri(), f"(() => {{{READER}}})();", Window(300, 200)) as page:
        found = page.evaluate(ask, jpegs)
    assert found == [number for number in NUMBERS for _ in range(2)] + [None]

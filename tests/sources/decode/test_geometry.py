import gc
import io
import math
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from demo.sources.decode.frames import to_bgr
from demo.sources.decode.geometry import AS_STORED, Turn, turn_of_matrix, upright

PICTURE = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)  # 0 1 2 above 3 4 5


def matrix(a: float, b: float, c: float, d: float) -> np.ndarray:
    """A display matrix as FFmpeg gives it."""
    linear = [round(65536 * part) for part in (a, b, 0, c, d, 0, 0, 0)]
    return np.array([*linear, 1 << 30], np.int32)


def turned(degrees: float) -> np.ndarray:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return matrix(cos, sin, -sin, cos)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
        ((-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),
        ((1, 0, 0, -1), [[3, 4, 5], [0, 1, 2]]),
        ((-1, 0, 0, -1), [[5, 4, 3], [2, 1, 0]]),
        ((0, 1, 1, 0), [[0, 3], [1, 4], [2, 5]]),
        ((0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),
        ((0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),
        ((0, -1, -1, 0), [[5, 2], [4, 1], [3, 0]]),
        ((0, 2, -2, 0), [[3, 0], [4, 1], [5, 2]]),
    ],
)
def test_a_display_matrix_turns_and_mirrors_the_picture(parts, expected):
    turn = turn_of_matrix(matrix(*parts))
    assert turn is not None
    assert upright(PICTURE, turn)[..., 0].tolist() == expected


@pytest.mark.parametrize(
    "invalid",
    [matrix(0, 0, 0, 0), matrix(1, 0, 0, 0), matrix(1, 1, 1, 1), matrix(1, 0.4, 0, 1),
     matrix(1, 0, 1, 0), turned(13), turned(-30), turned(45), turned(100)],
)  # fmt: skip
def test_an_invalid_matrix_and_an_odd_angle_are_no_turn(invalid):
    assert turn_of_matrix(invalid) is None


def test_an_angle_close_to_a_quarter_turn_counts_as_one():
    assert turn_of_matrix(turned(1)) == AS_STORED
    assert turn_of_matrix(turned(89)) == Turn(transposed=True, mirrored=True)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0)), (5, (0, 0)), (6, (0, -1)),
     (7, (-1, -1)), (8, (-1, 0))],
)  # fmt: skip
def test_motion_jpeg_with_exif_is_upright(orientation, corner):
    image, exif, content = np.zeros((48, 96, 3), np.uint8), Image.Exif(), io.BytesIO()
    image[:16, :32] = 255
    exif[0x0112] = orientation
    Image.fromarray(image).save(content, "JPEG", exif=exif)
    with av.open(io.BytesIO(content.getvalue()), format="mjpeg") as container:
        picture = to_bgr(next(container.decode(video=0)), 1.0)
    assert picture.shape == ((96, 48, 3) if orientation >= 5 else (48, 96, 3))
    bright = {(y, x) for y in (0, -1) for x in (0, -1) if picture[y, x].mean() > 128}
    assert bright == {corner}


def test_a_frame_leaves_memory_as_soon_as_it_is_an_image(clip: Path):
    gc.disable()
    try:
        with av.open(str(clip)) as container:
            decoded = next(container.decode(video=0))
            decoded.opaque = held = Held()
            gone = weakref.ref(held)
            to_bgr(decoded, 1.0)
            del decoded, held
            assert gone() is None
    finally:
        gc.enable()


class Held:
    """Something that a frame holds."""

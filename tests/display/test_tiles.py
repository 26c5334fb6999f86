import numpy as np
import pytest

from demo.display.tiles import LINE_GRAY, grid, letterbox_faces, tile_shape
from demo.frames import Faces
from demo.images import letterbox


@pytest.mark.parametrize(
    ("count", "shape"),
    [(2, (540, 960)), (3, (540, 960)), (4, (540, 960)), (5, (360, 640)), (16, (270, 480))],
)
def test_tiles_are_as_large_as_the_mosaic_allows(count, shape):
    assert tile_shape(count) == shape


def test_three_tiles_fill_two_rows_and_one_place_is_black():
    tiles = [np.full((4, 6, 3), k, np.uint8) for k in (10, 20, 30)]
    mosaic = grid(tiles)
    assert mosaic.shape == (8, 12, 3)
    assert mosaic[::4, ::6, 0].tolist() == [[10, 20], [30, 0]]
    assert mosaic[3].min() == mosaic[:, 5].min() == mosaic[3].max() == LINE_GRAY
    assert grid(tiles[:1]) is tiles[0]


def test_a_picture_and_its_faces_are_letterboxed_alike():
    image = np.zeros((100, 50, 3), np.uint8)
    image[40:60, 20:30] = 255
    fitted = letterbox(image, 200, 300)
    assert fitted.shape == (200, 300, 3)
    boxes = np.array([[20, 40, 30, 60]], np.float32)
    faces = Faces.detected(boxes, np.ones(1, np.float32), np.tile(boxes[:, None, :2], (1, 5, 1)))
    moved = letterbox_faces(faces, image.shape, 200, 300)
    assert moved.boxes.tolist() == [[140, 80, 160, 120]]
    assert moved.points[0, 0].tolist() == [140, 80]
    left, top, right, bottom = moved.boxes[0].astype(int)
    assert fitted[top + 2 : bottom - 2, left + 2 : right - 2].min() > 200
    assert fitted[: top - 2].max() == fitted[:, : left - 2].max() == 0

"""The pictures of several sources side by side, as tiles of one size."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from demo.frames import Faces
from demo.images import letterbox_scale

MOSAIC_WIDTH = 1920  # pixels, of all tiles together
MAX_TILES = 16
LINE_GRAY = 70


def tile_shape(count: int) -> tuple[int, int]:
    """Height and width of one of `count` tiles, 16:9, even."""
    width = MOSAIC_WIDTH // _columns(count)
    return round(width * 9 / 32) * 2, width


def grid(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Tiles (h, w, 3) row by row with lines between them; a single tile as it is."""
    if len(tiles) == 1:
        return tiles[0]
    columns = _columns(len(tiles))
    blank = np.zeros_like(tiles[0])
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.hstack(filled[k : k + columns]) for k in range(0, len(filled), columns)]
    mosaic = np.vstack(rows)
    for k in range(1, columns):
        mosaic[:, k * blank.shape[1] - 1] = LINE_GRAY
    for k in range(1, len(rows)):
        mosaic[k * blank.shape[0] - 1] = LINE_GRAY
    return mosaic


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def letterbox_faces(faces: Faces, shape: tuple[int, ...], height: int, width: int) -> Faces:
    """The faces of an image of `shape` at their places in its letterboxed picture."""
    scale, left, top = letterbox_scale(shape, height, width)
    corner = np.array([left, top], np.float32)
    boxes = faces.boxes * np.float32(scale) + np.tile(corner, 2)
    return replace(faces, boxes=boxes, points=faces.points * np.float32(scale) + corner)

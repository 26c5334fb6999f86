"""Pictures of several sources side by side, and one size for pictures of many."""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from demo.frames import Faces

WIDTH = 1920  # pixels of all tiles together
MOST = 16  # sources
LINE = 70  # gray


def tile_shape(count: int) -> tuple[int, int]:
    """Height and width of one of `count` tiles, 16:9, even."""
    width = WIDTH // _columns(count)
    return round(width * 9 / 32) * 2, width


def grid(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """All tiles (h, w, 3), row by row, with lines between them; a single one as it is."""
    if len(tiles) == 1:
        return tiles[0]
    columns = _columns(len(tiles))
    blank = np.zeros_like(tiles[0])
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.hstack(filled[k : k + columns]) for k in range(0, len(filled), columns)]
    mosaic = np.vstack(rows)
    for k in range(1, columns):
        mosaic[:, k * blank.shape[1] - 1] = LINE
    for k in range(1, len(rows)):
        mosaic[k * blank.shape[0] - 1] = LINE
    return mosaic


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def letterbox(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image (H, W, 3) as large as it can be within a size, its aspect kept, on black."""
    scale, left, top = _placing(image.shape, height, width)
    inner = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    fitted = np.zeros((height, width, 3), np.uint8)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=way
    )
    return fitted


def letterbox_faces(faces: Faces, shape: tuple[int, ...], height: int, width: int) -> Faces:
    """The faces of an image of `shape` where `fit` puts them."""
    scale, left, top = _placing(shape, height, width)
    corner = np.array([left, top], np.float32)
    boxes = faces.boxes * np.float32(scale) + np.tile(corner, 2)
    return replace(faces, boxes=boxes, points=faces.points * np.float32(scale) + corner)


def _placing(shape: tuple[int, ...], height: int, width: int) -> tuple[float, int, int]:
    """Scale and the left upper corner, in pixels."""
    scale = min(height / shape[0], width / shape[1])
    left, top = (width - round(shape[1] * scale)) // 2, (height - round(shape[0] * scale)) // 2
    return scale, left, top

"""The image pyramid of MTCNN. All levels except the largest are packed into one image, an atlas,
since every call of P-Net costs as much as a small level."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CELL = 12  # pixels, receptive field of P-Net
STRIDE = 2  # pixels between P-Net's cells
SCALE_STEP = 0.709  # between levels, as published: 1 / √2


@dataclass(frozen=True, eq=False)
class Atlas:
    """Pyramid levels packed into one image without overlap."""

    height: int  # pixels
    width: int
    sizes: np.ndarray  # (L, 2) int, width and height of the levels
    corners: np.ndarray  # (L, 2) int, x and y of the levels' upper left corners
    level_of_cell: np.ndarray  # (1, rows, columns) int8, level of each P-Net cell; -1 = none


def scales(height: int, width: int, min_face: float) -> list[float]:
    """Scales that shrink faces of `min_face` pixels and more to CELL pixels. Every level contains
    at least one cell; the `mtcnn` package makes smaller levels and then fails on the frame."""
    found = []
    scale = CELL / min_face
    while int(min(height, width) * scale) >= CELL:
        found.append(scale)
        scale *= SCALE_STEP
    return found


@lru_cache(maxsize=8)
def atlases(height: int, width: int, min_face: float) -> list[Atlas]:
    """The pyramid of an image: one atlas with the largest level, one with all others. Fewer if the
    pyramid has fewer levels."""
    sizes = [(int(width * s), int(height * s)) for s in scales(height, width, min_face)]
    return [_packed(levels) for levels in (sizes[:1], sizes[1:]) if levels]


def cells_along(pixels: int) -> int:
    """Number of P-Net cells along an image side."""
    return (pixels - 1) // STRIDE - 4


def _packed(sizes: list[tuple[int, int]]) -> Atlas:
    """Pack levels (width, height), largest first, into columns as high as the first level."""
    full = _even(sizes[0][1])
    corners, right, x, y = [], 0, 0, 0
    for width, height in sizes:
        if y + height > full:
            x, y = right, 0
        corners.append((x, y))
        y, right = y + _even(height), max(right, x + _even(width))
    levels = np.full((1, cells_along(full), cells_along(right)), -1, np.int8)
    for level, ((x, y), (width, height)) in enumerate(zip(corners, sizes, strict=True)):
        top, left = y // STRIDE, x // STRIDE
        levels[0, top : top + cells_along(height), left : left + cells_along(width)] = level
    return Atlas(full, right, np.array(sizes), np.array(corners), levels)


def _even(pixels: int) -> int:
    """The next multiple of STRIDE."""
    return -(-pixels // STRIDE) * STRIDE

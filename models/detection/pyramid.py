"""The image pyramid of MTCNN. Its levels but the largest lie side by side in one picture, since a
call of P-Net costs as much as a small level."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CELL = 12  # pixels, P-Net's field of view
STRIDE = 2  # pixels between its cells
STEP = 0.709  # 1 / √2, as published


@dataclass(frozen=True, eq=False)
class Sheet:
    """Levels of the pyramid in one picture."""

    height: int  # pixels
    width: int
    sizes: np.ndarray  # (L, 2) int, width and height of the levels
    corners: np.ndarray  # (L, 2) int, x and y of their upper left corners
    parts: np.ndarray  # (1, rows, columns) int8, level of each cell of P-Net; -1 = none


def scales(height: int, width: int, min_face: float) -> list[float]:
    """Scales that bring faces of `min_face` pixels and more to P-Net's cell; every level holds at
    least one cell (the `mtcnn` package asks for smaller ones and then loses the frame)."""
    found = []
    scale = CELL / min_face
    while int(min(height, width) * scale) >= CELL:
        found.append(scale)
        scale *= STEP
    return found


@lru_cache(maxsize=8)
def sheets(height: int, width: int, min_face: float) -> list[Sheet]:
    """The largest level, and all others, of the pyramid of a picture; less where it has less."""
    sizes = [(int(width * s), int(height * s)) for s in scales(height, width, min_face)]
    return [_sheet(part) for part in (sizes[:1], sizes[1:]) if part]


def cells_along(pixels: int) -> int:
    """P-Net's cells along a side of a picture."""
    return (pixels - 1) // STRIDE - 4


def _sheet(sizes: list[tuple[int, int]]) -> Sheet:
    """Levels, largest first, in columns as high as the first, each under one that leaves room."""
    full = _even(sizes[0][1])
    corners, right, x, y = [], 0, 0, 0
    for width, height in sizes:
        if y + height > full:
            x, y = right, 0
        corners.append((x, y))
        y, right = y + _even(height), max(right, x + _even(width))
    parts = np.full((1, cells_along(full), cells_along(right)), -1, np.int8)
    for level, ((x, y), (width, height)) in enumerate(zip(corners, sizes, strict=True)):
        top, left = y // STRIDE, x // STRIDE
        parts[0, top : top + cells_along(height), left : left + cells_along(width)] = level
    return Sheet(full, right, np.array(sizes), np.array(corners), parts)


def _even(pixels: int) -> int:
    return -(-pixels // STRIDE) * STRIDE

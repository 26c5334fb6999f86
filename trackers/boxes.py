"""Geometry of axis-aligned boxes."""

import numpy as np


def iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every box of `boxes_a` with every box of `boxes_b`.

    Boxes are (N, 4) and (M, 4) xyxy; the result is (N, M) float64 in [0, 1]. A box without area
    has an IoU of 0 with every box, itself included.
    """
    a = np.asarray(boxes_a, dtype=np.float64)[:, None]  # (N, 1, 4)
    b = np.asarray(boxes_b, dtype=np.float64)[None]  # (1, M, 4)
    top_left = np.maximum(a[..., :2], b[..., :2])  # (N, M, 2)
    bottom_right = np.minimum(a[..., 2:], b[..., 2:])  # (N, M, 2)
    overlaps = area(np.concatenate([top_left, bottom_right], axis=-1))  # (N, M)
    unions = area(a) + area(b) - overlaps
    return np.asarray(np.divide(overlaps, unions, out=np.zeros_like(overlaps), where=unions > 0))


def area(boxes: np.ndarray) -> np.ndarray:
    """Return the areas (...) of boxes (..., 4) xyxy; 0 where a side is not positive."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])

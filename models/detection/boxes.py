"""Boxes (N, 4) xyxy: squared, grown, and reduced to the best of those that overlap."""

import numpy as np


def square(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) grown about their centres to squares of their longer side, as float64."""
    boxes = np.asarray(boxes, np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def nms(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, over_smaller: bool = False
) -> np.ndarray:
    """Non-maximum suppression: rows kept, best score first. A box goes if any better one overlaps
    it, kept or not, as in the `mtcnn` package. Overlap is intersection over union, or over the
    smaller of both boxes."""
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].astype(np.float32).T
    width = np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1)
    height = np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)  # (N, N)
    area = shared.diagonal()
    whole = np.minimum(area[:, None], area) if over_smaller else area[:, None] + area - shared
    beaten = np.triu(shared > threshold * whole, k=1).any(axis=0)
    return order[~beaten]


def grow(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Boxes (N, 4) scaled about their centres."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.hstack([centres - factor * half, centres + factor * half])

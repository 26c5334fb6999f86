"""Operations on boxes (N, 4) xyxy: squares, scaling and non-maximum suppression."""

import numpy as np


def square(boxes: np.ndarray) -> np.ndarray:
    """Squares (N, 4) float64 about the centres of the boxes, with the boxes' longer sides."""
    boxes = np.asarray(boxes, np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def nms(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, over_smaller: bool = False
) -> np.ndarray:
    """Non-maximum suppression: the rows that are kept (K,), best score first.

    A box is suppressed if any box with a better score, kept or not, overlaps it by more than the
    threshold, as in the `mtcnn` package. Overlap is intersection over union or, with
    `over_smaller`, intersection over the smaller of the two areas.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].astype(np.float32).T
    width = np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1)
    height = np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1)
    intersection = np.maximum(width, 0) * np.maximum(height, 0)  # (N, N)
    area = intersection.diagonal()
    if over_smaller:
        reference = np.minimum(area[:, None], area)
    else:
        reference = area[:, None] + area - intersection
    suppressed = np.triu(intersection > threshold * reference, k=1).any(axis=0)
    return np.asarray(order[~suppressed])


def grow(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Boxes (N, 4) scaled by the factor about their centres."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.hstack([centres - factor * half, centres + factor * half])

"""How far a crop can be trusted: large enough, frontal, inside the picture, surely a face."""

import numpy as np

from demo.frames import Faces

EYES_APART = (6.0, 20.0)  # pixels: worth nothing, worth all
TURNED = (1.0, 0.3)  # nose off the eyes' middle, in eye distances: worth nothing, worth all
SCORE = (0.7, 0.95)


def qualities(faces: Faces, width: int, height: int) -> np.ndarray:
    """Weights (N,) float32, 0..1, of the faces' crops from a frame of this size in pixels."""
    left, right, nose = faces.points[:, 0], faces.points[:, 1], faces.points[:, 2]
    axis = right - left
    apart = np.linalg.norm(axis, axis=1)
    safe = np.maximum(apart, 1e-3)
    off = np.abs(((nose - (left + right) / 2) * axis).sum(axis=1)) / safe**2
    quality = _ramp(apart, EYES_APART) * _ramp(off, TURNED) * _ramp(faces.scores, SCORE)
    quality *= _share_inside(faces.points, safe, width, height)
    return np.asarray(quality, np.float32)


def _share_inside(points: np.ndarray, apart: np.ndarray, width: int, height: int) -> np.ndarray:
    """Part of the face square, about the points' middle, that lies in the frame."""
    half = apart[:, None]  # the face is about two eye distances wide
    centres = points.mean(axis=1)
    low = np.clip(centres - half, 0, [width, height])
    high = np.clip(centres + half, 0, [width, height])
    share: np.ndarray = (high - low).prod(axis=1) / (2 * apart) ** 2
    return share


def _ramp(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """0 at the first end, 1 at the second, linear between."""
    share: np.ndarray = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
    return share

"""Quality of a face crop, as a weight: size, pose, visibility, detection score, sharpness."""

import cv2
import numpy as np

from demo.frames import Faces
from models.crops.context import middle_crop

# each pair: the value with quality 0, the value with quality 1
EYES_APART = (6.0, 20.0)  # pixels
TURNED = (1.0, 0.3)  # offset of the nose from the middle of the eyes, in eye distances
SCORE = (0.7, 0.95)
SHARP = (0.004, 0.018)  # second-derivative variance, as a share of the gray-level variance
GRAIN = 64  # pixels, size of the crop in which sharpness is measured
FLAT = 25.0  # gray-level variance of a picture without contrast


def qualities(faces: Faces, width: int, height: int) -> np.ndarray:
    """Weights (N,) float32, 0..1, of the crops of faces in a frame of this size in pixels."""
    left, right, nose = faces.points[:, 0], faces.points[:, 1], faces.points[:, 2]
    axis = right - left
    apart = np.linalg.norm(axis, axis=1)
    safe = np.maximum(apart, 1e-3)
    off = np.abs(((nose - (left + right) / 2) * axis).sum(axis=1)) / safe**2
    quality = _ramp(apart, EYES_APART) * _ramp(off, TURNED) * _ramp(faces.scores, SCORE)
    quality *= _share_inside(faces.points, safe, width, height)
    return np.asarray(quality, np.float32)


def sharpness(crops: np.ndarray) -> np.ndarray:
    """Weights (N,) float32, 0..1, of crops (N, size, size, depth) uint8 BGR: low for blurred ones,
    including motion blur along one axis."""
    weights = np.empty(len(crops), np.float32)
    bend = np.array([[-1, 2, -1]], np.float32)
    for row, crop in enumerate(middle_crop(crops)):
        gray = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2GRAY)
        gray = cv2.resize(gray, (GRAIN, GRAIN), interpolation=cv2.INTER_AREA)
        middle = gray[GRAIN // 4 : -GRAIN // 4, GRAIN // 4 : -GRAIN // 4].astype(np.float32)
        along, across = (cv2.filter2D(middle, cv2.CV_32F, k)[1:-1, 1:-1] for k in (bend, bend.T))
        weights[row] = min(along.var(), across.var()) / (middle.var() + FLAT)
    return _ramp(weights, SHARP).astype(np.float32)


def _share_inside(points: np.ndarray, apart: np.ndarray, width: int, height: int) -> np.ndarray:
    """Share (N,) of the face square, centred on the points, that lies in the frame."""
    half = apart[:, None].astype(np.float64)  # the face is about two eye distances wide
    centres = points.mean(axis=1, dtype=np.float64)
    low = np.clip(centres - half, 0, [width, height])
    high = np.clip(centres + half, 0, [width, height])
    share: np.ndarray = ((high - low) / (2 * half)).prod(axis=1)
    return share.round(4)  # 1 for all that are wholly inside


def _ramp(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """0 at the first end, 1 at the second, linear between."""
    share: np.ndarray = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
    return share

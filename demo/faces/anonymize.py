"""Faces made unrecognisable for good, before anything is shown or written."""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from demo.frames import Faces, Frame
from demo.timing import Stopwatch
from trackers.boxes import iou

HEAD_WIDTH, HEAD_HEIGHT = 0.95, 1.0  # half axes of the ellipse, in box sides: hair, ears, chin
HEAD_RISE = 0.15  # of the box height: hair is above the box, little is below it
SLENDER = 0.75  # least width of a face, in heights: what is less was cut off by the frame's edge
CELLS = 6  # across the ellipse, three across the face: all that a blur leaves of it
MASK = (52, 47, 43)  # BGR
HOLD_SECONDS = 1.0  # a face that is not found again stays covered where it was last
SAME_FACE = 0.3  # overlap from which a face was found again


def blur(region: np.ndarray) -> np.ndarray:
    """As `pixelate`, with the steps between the cells smoothed away."""
    return cv2.resize(_cells(region), region.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def pixelate(region: np.ndarray) -> np.ndarray:
    """A region (h, w, 3) of which only the mean colours of CELLS by CELLS cells are left."""
    return cv2.resize(_cells(region), region.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def mask(region: np.ndarray) -> np.ndarray:
    """A region (h, w, 3) of which nothing is left."""
    return np.full_like(region, MASK)


def _cells(region: np.ndarray) -> np.ndarray:
    return cv2.resize(region, (CELLS, CELLS), interpolation=cv2.INTER_AREA)


STYLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blur": blur,
    "pixelate": pixelate,
    "mask": mask,
}


def cover(image: np.ndarray, boxes: np.ndarray, style: str) -> None:
    """Cover the heads around face boxes (N, 4) xyxy of a BGR image (H, W, 3) uint8, in place."""
    height, width = image.shape[:2]
    for centre, axes in zip(*heads(boxes), strict=True):
        left, top = np.clip(np.floor(centre - axes), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(centre + axes), 0, [width, height]).astype(int)
        if left >= right or top >= bottom:
            continue
        region = image[top:bottom, left:right]
        x = (np.arange(left, right) + 0.5 - centre[0]) / axes[0]
        y = (np.arange(top, bottom) + 0.5 - centre[1]) / axes[1]
        inside = x**2 + y[:, None] ** 2 <= 1
        region[inside] = STYLES[style](region)[inside]


def heads(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses around the heads of face boxes (N, 4): centres (N, 2) and half axes (N, 2), pixels.
    They hold the boxes with their corners."""
    boxes = np.asarray(boxes, np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    sides = np.maximum(sides, sides[:, ::-1] * [SLENDER, 1.0])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - sides * [0.0, HEAD_RISE]
    return centres, sides * [HEAD_WIDTH, HEAD_HEIGHT]


class Detecting(Protocol):
    """A pipeline that also tells where faces may be that it does not report."""

    @property
    def possible(self) -> np.ndarray: ...  # (M, 4) float, xyxy, pixels, of the last frame
    def process(self, frame: Frame) -> Faces: ...


class Anonymizer:
    """A pipeline after which the frame's image shows no face any more."""

    def __init__(self, pipeline: Detecting, style: str, stopwatch: Stopwatch) -> None:
        """`style` is a key of STYLES."""
        self._pipeline, self._style, self._stopwatch = pipeline, style, stopwatch
        self._boxes = np.zeros((0, 4))  # faces that were found, each where it was last
        self._times = np.zeros(0)  # seconds, when
        self._source = ""  # in which photo, or which video
        self._size = np.ones(2)  # width and height of the last frame

    def process(self, frame: Frame) -> Faces:
        """The pipeline's faces. In the image are covered: these, every possible one, and those
        found less than HOLD_SECONDS ago, as long as nobody is found there."""
        faces = self._pipeline.process(frame)
        with self._stopwatch.stage("cover"):
            if frame.source != self._source:  # another photo
                self._source, self._boxes, self._times = frame.source, np.zeros((0, 4)), np.zeros(0)
            last, self._size = self._size, np.array(frame.image.shape[1::-1], float)
            self._boxes *= np.tile(self._size / last, 2)  # a stream may change its resolution
            again = iou(self._boxes, faces.boxes).max(axis=1, initial=0) >= SAME_FACE
            held = ~again & (np.abs(frame.time - self._times) < HOLD_SECONDS)
            self._boxes = np.vstack([self._boxes[held], faces.boxes])
            self._times = np.hstack([self._times[held], np.full(len(faces), frame.time)])
            boxes = np.vstack([self._boxes, self._pipeline.possible])
            cover(frame.image, np.unique(boxes, axis=0), self._style)
        return faces

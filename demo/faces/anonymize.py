"""Cover heads in a copy of the frame, before anything is shown or written."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from demo.frames import Analysis
from trackers.boxes import iou

HEAD_WIDTH, HEAD_HEIGHT = (
    0.95,
    1.0,
)  # half axes of the ellipse over hair, ears and chin, in box sides
HEAD_RISE = 0.15  # of the box height: the hair is above the box
SLENDER = 0.75  # least width of a face, in heights: narrower ones are cut off by the frame's edge
CELLS = 6  # per side of the ellipse: a blurred face keeps about 3x3 mean colours
MASK = (52, 47, 43)  # BGR
COVER_SECONDS = 1.0  # for which a lost face stays covered at its last position
FOUND_AGAIN_IOU = 0.3  # IoU from which a face was found again


def blur(region: np.ndarray) -> np.ndarray:
    """A region (h, w, 3) reduced to CELLS x CELLS mean colours, interpolated."""
    return cv2.resize(_cells(region), region.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def pixelate(region: np.ndarray) -> np.ndarray:
    """A region (h, w, 3) reduced to CELLS x CELLS mean colours."""
    return cv2.resize(_cells(region), region.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def mask(region: np.ndarray) -> np.ndarray:
    """A region (h, w, 3) replaced by one colour."""
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


class Anonymizer:
    """Covers every head of one source, also for a moment after its face was lost."""

    def __init__(self, style: str) -> None:
        """Raises ValueError for a style that is not in STYLES."""
        if style not in STYLES:
            raise ValueError(f"anonymize is {style!r}, expected one of {', '.join(STYLES)}")
        self._style = style
        self._boxes = np.zeros((0, 4))  # last box of every face that was found
        self._times = np.zeros(0)  # seconds, when it was found
        self._source = ""  # of these boxes
        self._size = np.ones(2)  # width and height of the last frame

    def cover(self, analysis: Analysis) -> Analysis:
        """The analysis with a copy of its frame in which these are covered: the faces, all other
        candidates, and faces that were found within the last COVER_SECONDS and not again since.

        Raises ValueError for a frame that was not searched for faces of every size: it may show a
        face that nobody has found yet.
        """
        if analysis.search != "all":
            raise ValueError("this frame was not searched: set Settings.anonymize of its pipeline")
        frame, faces = analysis.frame, analysis.faces
        if frame.source != self._source:  # another photo
            self._source, self._boxes, self._times = frame.source, np.zeros((0, 4)), np.zeros(0)
        last, self._size = self._size, np.array(frame.image.shape[1::-1], float)
        self._boxes *= np.tile(self._size / last, 2)  # a stream may change its resolution
        again = iou(self._boxes, faces.boxes).max(axis=1, initial=0) >= FOUND_AGAIN_IOU
        held = ~again & (np.abs(frame.time - self._times) < COVER_SECONDS)
        self._boxes = np.vstack([self._boxes[held], faces.boxes])
        self._times = np.hstack([self._times[held], np.full(len(faces), frame.time)])
        image = frame.image.copy()
        cover(image, np.unique(np.vstack([self._boxes, analysis.candidates]), axis=0), self._style)
        return replace(analysis, frame=replace(frame, image=image))

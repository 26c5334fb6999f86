"""The face detectors by name."""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from demo.errors import UserError
from models.detection.mtcnn import Detections, Mtcnn, seen
from models.detection.views import View

DLIB_PART = 1 / 17  # of the shorter side of the frame: smallest face
DLIB_WINDOW = 80.0  # pixels, the side of dlib's HOG window
DLIB_BOX_SCALE = 1.15  # dlib's boxes are tighter than those that O-Net was trained on


class Detector(Protocol):
    """Finds faces in BGR images (H, W, 3) uint8, one image per call: frames of several sources
    differ in size, so that a batch would only make all of them wait for the last."""

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        """The faces of an image, best score first; `coarse` may leave out the smallest, and those
        at `known` boxes (N, 4) need not be found."""
        ...

    def detect_in(self, view: View) -> Detections:
        """All faces of a view of an image, refined there, in pixels of the image."""
        ...

    def detect_around(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """Faces near boxes (N, 4), of about their size."""
        ...

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """Boxes (N, 4) near faces, moved onto the faces: one row each, with a low score if there is
        no face."""
        ...

    def refine_once(self, image: np.ndarray, found: Detections) -> Detections:
        """The same faces, refined once more at their boxes."""
        ...


class DlibHog:
    """dlib's HOG detector for the boxes, MTCNN's O-Net for the five points."""

    def __init__(self, min_face: float | None = None, video: bool = True) -> None:
        try:
            import dlib
        except ImportError:
            raise UserError(
                "--detector dlib needs dlib: pip install dlib-bin (or use --detector mtcnn)"
            ) from None
        self._hog = dlib.get_frontal_face_detector()
        self._mtcnn = Mtcnn(min_face, video)
        self.refine = self._mtcnn.refine
        self.detect_around = self._mtcnn.detect_around
        self.refine_once = self._mtcnn.refine_once
        self._min_face = min_face

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        """Faces of at least 40 pixels, or of `min_face` if that is more, which is faster."""
        smallest = self._min_face or max(DLIB_WINDOW / 2, min(image.shape[:2]) * DLIB_PART)
        zoom = DLIB_WINDOW / max(smallest, DLIB_WINDOW / 2)
        zoom = max(zoom, 1 / min(image.shape[:2]))  # something has to be left
        scaled = cv2.resize(image, None, fx=zoom, fy=zoom)
        found = self._hog(np.ascontiguousarray(scaled[..., ::-1]), 0)
        corners = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found]
        boxes = np.array(corners, np.float64).reshape(-1, 4) / zoom
        centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
        half *= DLIB_BOX_SCALE
        refined = self._mtcnn.refine(image, np.hstack([centres - half, centres + half]))
        return refined[np.argsort(-refined.scores, kind="stable")]

    def detect_in(self, view: View) -> Detections:
        """Faces of a view as `detect` finds them, refined there once more."""
        return seen(view, self.refine_once(view.image, self.detect(view.image)))


DETECTORS: dict[str, Callable[[float | None, bool], Detector]] = {"mtcnn": Mtcnn, "dlib": DlibHog}

"""The face that a labelled picture shows: the largest one."""

import numpy as np

from models.detection.mtcnn import Detections, Mtcnn

MIN_FACE = 20.0  # pixels, for the detector: pictures of data sets are small


def largest_face(detector: Mtcnn, image: np.ndarray) -> Detections:
    """The face with the largest box in a picture (H, W, 3) uint8 BGR, refined once: one row, or no
    row if there is no face."""
    found = detector.detect(image)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    return detector.refine_once(image, found[np.argsort(-sides.prod(axis=1), kind="stable")[:1]])

"""From a picture as it was published to what is kept of it: the face and its surroundings.

A prepared picture goes through detection and alignment again, as every picture does, so it is no
aligned chip: turned and filled twice it would be blurred, with nothing beyond its border. It is the
part that holds the chip of `models.manifest.CHIP` with half a side to spare, shrunk where the chip
would have more pixels and never enlarged. A picture that is no more than that keeps its bytes, and
so does one whose face is then not found again at its place: cutting loses none. Over 200 test
pictures of All-Age-Faces the age that `ssrnet-joint` tells differs by 0.2 years (mean) from the
original's, by 0.8 where all were 2.5 times as large: what moves is where MTCNN's pyramid finds the
points, for cutting 3 pixels off the large ones alone makes it 0.7.
"""

import cv2
import numpy as np

from models.crops.align import chip_transforms
from models.crops.spec import CHIP
from models.datasets.labels import largest_face
from models.detection.mtcnn import Detections, Mtcnn

SPARE = 0.5  # of the chip's side, on each side
QUALITY = 95  # of JPEG, at full colour resolution
SEEN = 40.0  # pixels: dlib, whose rule "exactly one face" is, sees no smaller (one upsampling)
ASTRAY = 0.25  # eye distances: further off, another face is found


def prepare_picture(
    data: bytes, detector: Mtcnn, one_face: bool = False, trim: int = 0
) -> tuple[str, bytes]:
    """("", JPEG) of a picture's largest face, or (the reason to drop it, nothing).

    `one_face`: it must be the only one. `trim`: rows to cut away, at the top and at the bottom.
    """
    image = _decode(data)
    image = None if image is None else image[trim : len(image) - trim]
    if image is None or not image.size:
        return "cannot be decoded", b""
    face = largest_face(detector, image)
    if not len(face):
        return "no face found", b""
    if one_face and _faces(detector, image) > 1:
        return "more than one face found", b""
    part, matrix = surroundings(image, face)
    if part.shape != image.shape and _found_again(detector, part, face, matrix):
        return "", _encode(part)
    return "", _encode(image) if trim else data


def surroundings(image: np.ndarray, face: Detections) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture (H, W, 3) around its one face, no larger than CHIP, and the
    transform (2, 3) from the picture's pixels to the part's."""
    to_chip = chip_transforms(face.points, CHIP)[0]
    scale = min(float(np.hypot(*to_chip[:, 0])), 1.0)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * (1 + 2 * SPARE) - SPARE
    seen = (corners * CHIP.size - to_chip[:, 2]) @ np.linalg.inv(to_chip[:, :2]).T
    x1, y1 = np.floor(np.minimum(seen.min(0), face.boxes[0, :2]).clip(0)).astype(int)
    x2, y2 = np.ceil(np.maximum(seen.max(0), face.boxes[0, 2:])).astype(int)
    part = image[y1:y2, x1:x2]
    if scale < 1:
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # pixel centres: part = (picture - origin + 0.5)·scale - 0.5
    shift = (0.5 - np.array([x1, y1])) * scale - 0.5
    return part, np.column_stack([np.eye(2) * scale, shift])


def _faces(detector: Mtcnn, image: np.ndarray) -> int:
    boxes = detector.detect(image).boxes
    return int(((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= SEEN).sum())


def _found_again(detector: Mtcnn, part: np.ndarray, face: Detections, matrix: np.ndarray) -> bool:
    """Whether the largest face of the part is the one that it was cut out for."""
    expected = face.points[0] @ matrix[:, :2].T + matrix[:, 2]
    again = largest_face(detector, part).points
    away = np.linalg.norm(again - expected, axis=2).mean(axis=1)  # (1,) or (0,)
    return bool((away < ASTRAY * np.linalg.norm(expected[1] - expected[0])).any())


def _decode(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def _encode(image: np.ndarray) -> bytes:
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return cv2.imencode(".jpg", image, options)[1].tobytes()

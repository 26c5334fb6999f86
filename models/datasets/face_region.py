"""Crop a published picture to its largest face and the region around it.

A prepared picture is detected and aligned again later, like any other, so it is not an aligned
chip: rotating and resampling twice would blur it, and there would be nothing outside its border. It
is the region that contains the chip of `models.crops.spec.CHIP` plus half a chip side on each side,
shrunk where the chip would have more pixels than CHIP, never enlarged. A picture that is no larger
keeps its bytes, and so does one whose face is not found again at the same place in the region: no
face is lost by cropping.

Measured on 200 test pictures of All-Age-Faces: the age that `ssrnet-joint` predicts changes by 0.2
years on average, by 0.8 for the same pictures enlarged 2.5 times. The cause is where MTCNN's image
pyramid finds the landmarks: cropping 3 pixels off the enlarged pictures alone makes it 0.7.
"""

import cv2
import numpy as np

from models.crops.align import chip_transforms
from models.crops.spec import CHIP
from models.datasets.faces import largest_face
from models.detection.mtcnn import Detections, Mtcnn

SPARE = 0.5  # chip sides that the region adds on each side of the chip
QUALITY = 95  # of JPEG, with full colour resolution
# smallest face that counts for the rule "exactly one face", in pixels: the papers apply it with
# dlib, which finds no smaller face (80 pixels, upsampled once)
MIN_COUNTED = 40.0
MAX_OFFSET = 0.25  # eye distances; farther away it is another face


def prepare_picture(
    data: bytes, detector: Mtcnn, one_face: bool = False, trim: int = 0
) -> tuple[str, bytes]:
    """("", JPEG) of the region of a picture's largest face, or (reason to drop it, b"").

    `data` is an encoded picture. `one_face`: drop a picture with more than one face. `trim`: pixel
    rows to remove at the top and at the bottom.
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
    region, matrix = face_region(image, face)
    if region.shape != image.shape and _found_again(detector, region, face, matrix):
        return "", _encode(region)
    return "", _encode(image) if trim else data


def face_region(image: np.ndarray, face: Detections) -> tuple[np.ndarray, np.ndarray]:
    """The region (h, w, 3) of a picture (H, W, 3) uint8 around its one face, shrunk to the scale of
    CHIP if it is larger, and the transform (2, 3) from the picture's pixels to the region's."""
    to_chip = chip_transforms(face.points, CHIP)[0]
    scale = min(float(np.hypot(*to_chip[:, 0])), 1.0)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * (1 + 2 * SPARE) - SPARE
    square = (corners * CHIP.size - to_chip[:, 2]) @ np.linalg.inv(to_chip[:, :2]).T
    x1, y1 = np.floor(np.minimum(square.min(0), face.boxes[0, :2]).clip(0)).astype(int)
    x2, y2 = np.ceil(np.maximum(square.max(0), face.boxes[0, 2:])).astype(int)
    region = image[y1:y2, x1:x2]
    if scale < 1:
        region = cv2.resize(region, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # pixel centres: region = (picture - origin + 0.5)·scale - 0.5
    shift = (0.5 - np.array([x1, y1])) * scale - 0.5
    return region, np.column_stack([np.eye(2) * scale, shift])


def _faces(detector: Mtcnn, image: np.ndarray) -> int:
    boxes = detector.detect(image).boxes
    return int(((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= MIN_COUNTED).sum())


def _found_again(detector: Mtcnn, region: np.ndarray, face: Detections, matrix: np.ndarray) -> bool:
    """Whether the largest face of the region is the face that it was cropped around."""
    expected = face.points[0] @ matrix[:, :2].T + matrix[:, 2]
    again = largest_face(detector, region).points
    offset = np.linalg.norm(again - expected, axis=2).mean(axis=1)  # (1,) or (0,)
    return bool((offset < MAX_OFFSET * np.linalg.norm(expected[1] - expected[0])).any())


def _decode(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def _encode(image: np.ndarray) -> bytes:
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return cv2.imencode(".jpg", image, options)[1].tobytes()

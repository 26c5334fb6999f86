"""Crop faces from a frame as a network was trained on them.

Three geometries: the chip, a similarity transform of five points (the framing of dlib's
`get_face_chip`, from MTCNN's points); the SSR-Net authors' box with a margin on each side; and the
three context crops that `models.crops.context` takes from a chip. Training, evaluation and the live
application all crop here.
"""

import cv2
import numpy as np

from models.crops.context import context_transforms
from models.crops.spec import CHIP, InputSpec

# Mean position of MTCNN's points (eyes, nose, mouth corners) in the unit face square; with dlib's
# mapping (p + margin) / (1 + 2 margin) they give the same chip as dlib's five points.
MEAN_POINTS = np.array(
    [
        [0.224152, 0.211947],
        [0.756101, 0.211947],
        [0.490127, 0.628106],
        [0.254149, 0.780233],
        [0.726104, 0.780233],
    ],
    np.float32,
)

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
}


def crop_faces(
    image: np.ndarray, boxes: np.ndarray, points: np.ndarray, spec: InputSpec
) -> np.ndarray:
    """Crops (N, size, size, depth) uint8 in the channel order of `image` (H, W, 3), one per face.

    `boxes` (N, 4) xyxy and `points` (N, 5, 2) are in pixels. A face whose points are not finite, or
    any face if `spec.align` is "box", is cropped by its box.
    """
    crops = np.empty((len(boxes), spec.size, spec.size, spec.depth), np.uint8)
    if spec.align == "context":
        for i, chip in enumerate(crop_faces(image, boxes, points, CHIP)):
            crops[i] = context_crops(chip, spec.size)
        return crops
    if spec.align == "points":
        matrices = chip_transforms(points, spec)
        for i, matrix in enumerate(matrices):
            if np.isfinite(matrix).all():
                crops[i] = warp(image, matrix, spec.size, spec.border)
            else:
                crops[i] = box_crop(image, boxes[i], spec)
    else:
        for i, box in enumerate(boxes):
            crops[i] = box_crop(image, box, spec)
    return crops


def central_crop(chip: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The crop (size, size, depth) uint8 of a chip (S, S, 3) uint8 of margin 0.4, without any
    augmentation."""
    if spec.align == "context":
        return context_crops(chip, spec.size)
    return cv2.warpAffine(
        chip,
        central_transform(len(chip), spec),
        (spec.size, spec.size),
        flags=cv2.INTER_LINEAR,
        borderMode=BORDERS[spec.border],
    )


def central_transform(chip_size: int, spec: InputSpec) -> np.ndarray:
    """Transform (2, 3) from the pixels of a chip of margin 0.4 to those of its central crop."""
    zoom = spec.size / (chip_size * (1 + 2 * spec.margin) / 1.8 * spec.crop_fraction)
    shift = (spec.size - 1) / 2 - zoom * (chip_size - 1) / 2
    return np.array([[zoom, 0, shift], [0, zoom, shift]])


def context_crops(chip: np.ndarray, size: int) -> np.ndarray:
    """The three crops of a chip (S, S, 3) of margin 0.4, along the channels (size, size, 9); black
    outside the chip."""
    matrices = context_transforms(len(chip), size)
    return np.concatenate([warp(chip, m, size, "constant") for m in matrices], axis=-1)


def chip_transforms(points: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Similarity transforms (N, 2, 3) float64 from image pixels to crop pixels: least squares over
    the five points (N, 5, 2) (Umeyama 1991, in complex form: dst = a·src + b). nan for points that
    are not finite or coincide."""
    target = (MEAN_POINTS + spec.margin) / (1 + 2 * spec.margin)
    target = ((target - 0.5) / spec.crop_fraction + 0.5) * spec.size - 0.5
    src = points[..., 0] + 1j * points[..., 1]  # (N, 5)
    dst = target[:, 0] + 1j * target[:, 1]  # (5,)
    src_mean = src.mean(axis=1, keepdims=True)
    dst_centred = dst - dst.mean()
    src_centred = src - src_mean
    spread = (np.abs(src_centred) ** 2).sum(axis=1)
    spread = np.where(spread > 0, spread, np.nan)
    with np.errstate(invalid="ignore"):  # points that are nan give a transform that is nan
        a = (src_centred.conj() * dst_centred).sum(axis=1) / spread
    b = dst.mean() - a * src_mean[:, 0]
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.moveaxis(np.array(rows, np.float64), -1, 0)


def warp(image: np.ndarray, matrix: np.ndarray, size: int, border: str) -> np.ndarray:
    """Apply a (2, 3) transform: a crop (size, size, C), with a border of BORDERS outside the image.

    Below half of the original size the image is first shrunk by area averaging: bilinear sampling
    would skip pixels, and a large face would look sharper than in training.
    """
    shrink = int(1 / max(np.hypot(*matrix[:, 0]), 1e-6))
    if shrink >= 2:
        image, matrix = _shrunk_region(image, matrix, size, shrink)
    return cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=BORDERS[border]
    )


def _shrunk_region(
    image: np.ndarray, matrix: np.ndarray, size: int, shrink: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that the crop shows, `shrink` times smaller, and its transform."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    shown = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    x1, y1 = np.clip(np.floor(shown.min(0)) - 2 * shrink, 0, [width - 1, height - 1]).astype(int)
    x2, y2 = np.clip(np.ceil(shown.max(0)) + 2 * shrink, [x1 + 1, y1 + 1], [width, height]).astype(
        int
    )
    region = image[y1:y2, x1:x2]
    shape = (max((x2 - x1) // shrink, 1), max((y2 - y1) // shrink, 1))
    small = cv2.resize(region, shape, interpolation=cv2.INTER_AREA)
    scale = np.array([(x2 - x1) / shape[0], (y2 - y1) / shape[1]])
    # pixel centres: source = origin + (small + 0.5)·scale - 0.5
    linear = matrix[:, :2] * scale
    offset = matrix[:, 2] + matrix[:, :2] @ (np.array([x1, y1]) + 0.5 * scale - 0.5)
    return small, np.column_stack([linear, offset])


def box_crop(image: np.ndarray, box: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The SSR-Net authors' crop (size, size, 3) of a box (4,) xyxy: margin·w and margin·h on each
    side, last pixel included, clipped to the image and stretched to a square."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box)
    grow = ((1 + 2 * spec.margin) * spec.crop_fraction - 1) / 2
    dx, dy = (x2 - x1) * grow, (y2 - y1) * grow
    left = int(np.clip(x1 - dx, 0, width - 1))
    top = int(np.clip(y1 - dy, 0, height - 1))
    right = int(np.clip(x2 + dx, left, width - 1)) + 1
    bottom = int(np.clip(y2 + dy, top, height - 1)) + 1
    return cv2.resize(image[top:bottom, left:right], (spec.size, spec.size))

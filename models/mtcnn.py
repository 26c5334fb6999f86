"""MTCNN: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks
(Zhang et al. 2016), with the weights of the `mtcnn` package, run by ONNX Runtime.

P-Net proposes on an image pyramid, R-Net and O-Net refine crops of the proposals, O-Net adds five
points. The graphs take uint8 BGR pixels: channel order and scaling are folded into their first
convolution (`models.convert`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.runtime import open_session
from models.spec import load_manifest

CELL = 12  # pixels, P-Net's field of view
STRIDE = 2  # pixels between its cells
PYRAMID_STEP = 0.709  # 1 / √2, as published
P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8  # the package's
GRAY = (127.5, 127.5, 127.5)  # what lies outside the picture: the nets' zero


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces, one row each, best score first."""

    boxes: np.ndarray  # (N, 4) float32, xyxy, pixels, inside the image
    scores: np.ndarray  # (N,) float32, 0..1
    points: np.ndarray  # (N, 5, 2) float32, pixels: eyes, nose, mouth corners, left one first

    def __getitem__(self, rows: np.ndarray | slice) -> "Detections":
        return Detections(self.boxes[rows], self.scores[rows], self.points[rows])

    def __len__(self) -> int:
        return len(self.boxes)


class Mtcnn:
    """Find faces from `min_face` pixels on, at any frame size."""

    def __init__(self, min_face: float = 24.0) -> None:
        self.min_face = max(float(min_face), CELL)
        manifest = load_manifest("mtcnn")
        self._pnet = open_session(manifest.file("pnet"))
        self._rnet = open_session(manifest.file("rnet"))
        self._onet = open_session(manifest.file("onet"))

    def detect(self, image: np.ndarray) -> Detections:
        """Faces in a BGR image (H, W, 3) uint8."""
        boxes = self._propose(image)
        boxes = self._reject(image, square(boxes))
        found = self.refine(image, square(boxes))
        found = found[found.scores > O_THRESHOLD]
        return found[suppress(found.boxes, found.scores, 0.7, over_smaller=True)]

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """O-Net alone on square-ish boxes (N, 4) around faces: one row per box, in their order."""
        if len(boxes) == 0:
            return _clipped(image, np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
        crops = patches(image, boxes, 48)
        offsets, landmarks, scores = self._onet.run(None, {"image": crops})
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        points = landmarks.reshape(-1, 2, 5).transpose(0, 2, 1)  # xxxxxyyyyy
        points = points * sides[:, None] + boxes[:, None, :2] - 1
        return _clipped(image, boxes + offsets * np.tile(sides, 2), scores, points)

    def _propose(self, image: np.ndarray) -> np.ndarray:
        """P-Net's boxes (N, 4) over all pyramid levels."""
        boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
        level = image
        for scale in pyramid_scales(*image.shape[:2], self.min_face):
            shape = (int(image.shape[1] * scale), int(image.shape[0] * scale))
            level = cv2.resize(level, shape, interpolation=cv2.INTER_AREA)
            offsets, face = self._pnet.run(None, {"image": level[None]})
            rows, columns = np.nonzero(face[0] > P_THRESHOLD)
            corners = np.stack([columns, rows], axis=1) * STRIDE
            cells = np.hstack([corners, corners + CELL]) + offsets[0, :, rows, columns] * CELL
            cell_scores = face[0, rows, columns]
            keep = suppress(cells, cell_scores, 0.5)
            boxes.append(cells[keep] / scale)
            scores.append(cell_scores[keep])
        all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
        return all_boxes[suppress(all_boxes, all_scores, 0.7)]

    def _reject(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """R-Net's boxes (M, 4): refined, without those that are no face."""
        if len(boxes) == 0:
            return boxes
        offsets, scores = self._rnet.run(None, {"image": patches(image, boxes, 24)})
        sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
        face = scores > R_THRESHOLD
        boxes, scores = (boxes + offsets * sides)[face], scores[face]
        return boxes[suppress(boxes, scores, 0.7)]


def pyramid_scales(height: int, width: int, min_face: float) -> list[float]:
    """Scales that bring faces of `min_face` pixels and more to P-Net's cell; every level holds at
    least one cell (the `mtcnn` package asks for smaller ones and then loses the frame)."""
    scales = []
    scale = CELL / min_face
    while int(min(height, width) * scale) >= CELL:
        scales.append(scale)
        scale *= PYRAMID_STEP
    return scales


def patches(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (N, size, size, 3) uint8 whose corner pixels are the boxes' corners; gray outside."""
    height, width = image.shape[:2]
    shrink = np.array([(width - 1) / width, (height - 1) / height])  # as tf.image.crop_and_resize
    out = np.empty((len(boxes), size, size, 3), np.uint8)
    for i, box in enumerate(boxes):
        step = (box[2:] - box[:2]) * shrink / (size - 1)
        start = box[:2] * shrink
        matrix = np.array([[step[0], 0, start[0]], [0, step[1], start[1]]])
        cv2.warpAffine(
            image,
            matrix,
            (size, size),
            dst=out[i],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=GRAY,
        )
    return out


def square(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) grown about their centres to squares of their longer side."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def suppress(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, over_smaller: bool = False
) -> np.ndarray:
    """Non-maximum suppression: rows kept, best score first. Overlap is intersection over union, or
    over the smaller of both boxes."""
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    area = (x2 - x1) * (y2 - y1)
    kept = []
    rest = np.arange(len(order))
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if over_smaller:
            whole = np.minimum(area[best], area[rest])
        else:
            whole = area[best] + area[rest] - shared
        rest = rest[shared <= threshold * whole]
    return order[np.array(kept, int)]


def _clipped(
    image: np.ndarray, boxes: np.ndarray, scores: np.ndarray, points: np.ndarray
) -> Detections:
    height, width = image.shape[:2]
    boxes = np.clip(boxes, 0, np.array([width, height, width, height]))
    return Detections(
        boxes.astype(np.float32), scores.astype(np.float32), points.astype(np.float32)
    )

"""MTCNN: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks
(Zhang et al. 2016), with the weights of the `mtcnn` package; OpenVINO runs it on videos,
ONNX Runtime on photos and data sets.

P-Net proposes on an image pyramid, R-Net and O-Net refine crops of the proposals, O-Net adds five
points. The graphs take uint8 BGR pixels: channel order and scaling are folded into their first
convolution (`models.upstream.mtcnn_graph`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.detection.boxes import grow, nms, square
from models.detection.pyramid import CELL, STRIDE, cells_along, sheets
from models.inference.estimator import open_detector_network
from models.manifest import load_manifest

P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8  # the package's
P_THRESHOLD_VIDEO = 0.8  # leaves half of the proposals
SMALLEST, SMALLEST_PART = 20.0, 1 / 34  # pixels, of the shorter side: faces worth a search
EDGE, CLIP, TILES = 0.3, 3.0, 4  # of the shorter side; contrast at most, parts of a side: CLAHE
MOST_CELLS = 1500  # of a level: a crowd; overlaps are a matrix of that size
MOST_PROPOSALS = 2000  # of a picture, for the same reason: ten for each of 200 faces
NEAR = 2.4  # sides of the surroundings in which a lost face is looked for, in box sides
NEAR_SIZES = (26, 38)  # pixels, of the surroundings: faces of 1.1 and 0.76 box sides
REMAP_SIDE = 32_766  # pixels: OpenCV samples no larger pictures, and makes none
REMAP_BOXES = 512  # a call, for that reason
GRAY = (127.5, 127.5, 127.5)  # what lies outside the picture: the nets' zero
MIDDLE = 127  # the same as a pixel


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces, one row each. Only `detect` and `detect_around` give them best score first."""

    boxes: np.ndarray  # (N, 4) float32, xyxy, pixels, inside the image
    scores: np.ndarray  # (N,) float32, 0..1
    points: np.ndarray  # (N, 5, 2) float32, pixels: eyes, nose, mouth corners, left one first

    def __getitem__(self, rows: np.ndarray | slice) -> "Detections":
        return Detections(self.boxes[rows], self.scores[rows], self.points[rows])

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def concatenate(cls, parts: list["Detections"]) -> "Detections":
        """The rows of all parts, one after the other."""
        columns = ("boxes", "scores", "points")
        return cls(*(np.concatenate([getattr(part, c) for part in parts]) for c in columns))


class Mtcnn:
    """Find faces from `min_face` pixels on, at any image size."""

    def __init__(self, min_face: float | None = None, video: bool = True) -> None:
        """`min_face` None: 20 pixels, or in large images a 34th of the shorter side. `video`: the
        images are frames of one shape, and a face missed in one has other chances in the next, so
        that speed counts; else they are pictures of many shapes and every face counts."""
        self.min_face = None if min_face is None else max(float(min_face), CELL)
        self._video = video
        self._proposal_score = P_THRESHOLD_VIDEO if video else P_THRESHOLD
        manifest = load_manifest("mtcnn")
        self._pnet = open_detector_network(manifest.file("pnet"), video)
        self._rnet = open_detector_network(manifest.file("rnet"), video)
        self._onet = open_detector_network(manifest.file("onet"), video)

    def detect(self, image: np.ndarray, coarse: bool = False) -> Detections:
        """Faces in a BGR image (H, W, 3) uint8; `coarse` leaves out the pyramid's largest level,
        half of the work, and with it faces under 1.4 times the smallest. A picture in which none
        is found is searched once more, in a better light."""
        found = self._cascade(image, self._propose(image, coarse))
        return found if len(found) or self._video else self._look_again(image)

    def detect_around(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """Faces close to boxes (N, 4) where one was expected, of about that size: all three nets,
        but only on the surroundings."""
        if len(boxes) == 0:
            return self._cascade(image, boxes)
        count, side = len(boxes), max(NEAR_SIZES)
        regions = np.tile(grow(square(boxes), NEAR), (len(NEAR_SIZES), 1))
        sizes = np.repeat(NEAR_SIZES, count)
        pictures = np.full((len(sizes), side, side, 3), MIDDLE, np.uint8)
        parts = np.full((len(sizes), cells_along(side), cells_along(side)), -1)
        for start, size in zip(range(0, len(sizes), count), NEAR_SIZES, strict=True):
            rows, cells = slice(start, start + count), cells_along(size)
            pictures[rows, :size, :size] = patches(image, regions[rows], size)
            parts[rows, :cells, :cells] = np.arange(start, start + count)[:, None, None]
        part, near, scores = self._cells(pictures, parts)
        zoom = (regions[part, 2:] - regions[part, :2]) / sizes[part, None]
        near = near * np.tile(zoom, 2) + np.tile(regions[part, :2], 2)
        return self._cascade(image, _best([near], [scores]))

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """O-Net alone on boxes (N, 4) around faces, squared first: one row per box, in order."""
        if len(boxes) == 0:
            return _clipped(image, np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
        boxes = square(boxes)
        found = self._onet(patches(image, boxes, 48))
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        points = found["points"].reshape(-1, 2, 5).transpose(0, 2, 1)  # xxxxxyyyyy
        points = points * sides[:, None] + boxes[:, None, :2] - 1
        boxes = boxes + found["offsets"] * np.tile(sides, 2)
        return _clipped(image, boxes, found["scores"], points)

    def refine_once(self, image: np.ndarray, found: Detections) -> Detections:
        """Faces of a picture measured once more where they were found, as a video's are from their
        second frame on: their points then waver half as much. What no longer passes for a face
        stays as it was."""
        again = self.refine(image, found.boxes)
        face = again.scores > O_THRESHOLD
        return Detections(
            np.where(face[:, None], again.boxes, found.boxes),
            found.scores,
            np.where(face[:, None, None], again.points, found.points),
        )

    def _look_again(self, image: np.ndarray) -> Detections:
        """Faces in a picture in which none was found, with its contrast evened (CLAHE, Zuiderveld
        1994) and gray around it."""
        edge = int(EDGE * min(image.shape[:2]))
        luma = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
        luma[..., 0] = cv2.createCLAHE(CLIP, (TILES, TILES)).apply(luma[..., 0])
        even = cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR)
        wide = cv2.copyMakeBorder(even, *(edge,) * 4, cv2.BORDER_CONSTANT, value=(MIDDLE,) * 3)
        found = self._cascade(wide, self._propose(wide, coarse=False))
        found = _clipped(image, found.boxes - edge, found.scores, found.points - edge)
        return found[np.flatnonzero((found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=1))]

    def _propose(self, image: np.ndarray, coarse: bool) -> np.ndarray:
        """P-Net's boxes (N, 4) over all pyramid levels, or all but the largest."""
        boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
        height, width = image.shape[:2]
        level = image
        min_face = self.min_face or max(SMALLEST, min(height, width) * SMALLEST_PART)
        for sheet in sheets(height, width, min_face)[int(coarse) :]:
            picture = np.full((1, sheet.height, sheet.width, 3), MIDDLE, np.uint8)
            for (x, y), shape in zip(sheet.corners.tolist(), sheet.sizes.tolist(), strict=True):
                level = _shrunk(level, shape, self._video)
                picture[0, y : y + shape[1], x : x + shape[0]] = level
            part, cells, cell_scores = self._cells(picture, sheet.parts)
            keep = nms(cells, cell_scores, 0.5)  # levels do not overlap on their sheet
            zoom = np.array([width, height]) / sheet.sizes[part[keep]]
            found = cells[keep] - np.tile(sheet.corners[part[keep]], 2)
            boxes.append(found * np.tile(zoom, 2))
            scores.append(cell_scores[keep])
        return _best(boxes, scores)

    def _cells(
        self, images: np.ndarray, parts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P-Net's cells with a face in images (B, h, w, 3) uint8: part (N,), box (N, 4), score. A
        cell is of the part that `parts` (B, rows, columns) names, or of none (-1)."""
        found = self._pnet(images)
        offsets, scores = found["offsets"], found["scores"]
        where, rows, columns = np.nonzero((scores > self._proposal_score) & (parts >= 0))
        if len(where) > MOST_CELLS:
            best = np.argpartition(-scores[where, rows, columns], MOST_CELLS)[:MOST_CELLS]
            where, rows, columns = where[best], rows[best], columns[best]
        corners = np.stack([columns, rows], axis=1) * STRIDE
        boxes = np.hstack([corners, corners + CELL]) + offsets[where, :, rows, columns] * CELL
        return parts[where, rows, columns], boxes, scores[where, rows, columns]

    def _cascade(self, image: np.ndarray, proposals: np.ndarray) -> Detections:
        """R-Net and O-Net on proposals (N, 4)."""
        boxes = self._reject(image, square(proposals))
        found = self.refine(image, boxes)
        found = found[found.scores > O_THRESHOLD]
        return found[nms(found.boxes, found.scores, 0.7, over_smaller=True)]

    def _reject(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """R-Net's boxes (M, 4): refined, without those that are no face."""
        if len(boxes) == 0:
            return boxes
        found = self._rnet(patches(image, boxes, 24))
        sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
        face = found["scores"] > R_THRESHOLD
        boxes, scores = (boxes + found["offsets"] * sides)[face], found["scores"][face]
        return boxes[nms(boxes, scores, 0.7)]


def _shrunk(image: np.ndarray, shape: list[int], quickly: bool) -> np.ndarray:
    """An image at another (width, height), by areas. `quickly`: halved as often as that leaves it
    larger, which is ten times as fast as areas of any size, then interpolated."""
    if not quickly:
        return cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    while image.shape[1] >= 2 * shape[0] and image.shape[0] >= 2 * shape[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, shape, interpolation=cv2.INTER_LINEAR)


def patches(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (N, size, size, 3) uint8 whose corner pixels are the boxes' corners; gray outside."""
    height, width = image.shape[:2]
    shrink = np.array([(width - 1) / width, (height - 1) / height])  # as tf.image.crop_and_resize
    starts, ends = boxes[:, None, :2] * shrink, boxes[:, None, 2:] * shrink
    at = (starts + (ends - starts) * np.linspace(0, 1, size)[:, None]).astype(np.float32)
    out = np.empty((len(boxes), size, size, 3), np.uint8)
    panorama = max(height, width) > REMAP_SIDE
    together = 1 if panorama else REMAP_BOXES
    for rows in (slice(k, k + together) for k in range(0, len(boxes), together)):
        part, seen = _around(image, at[rows]) if panorama else (image, at[rows])
        x, y = seen[:, None, :, 0], seen[:, :, None, 1]  # (n, 1, size), (n, size, 1)
        x, y = (np.broadcast_to(v, (len(x), size, size)).reshape(-1, size) for v in (x, y))
        flat = cv2.remap(part, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, GRAY)
        out[rows] = flat.reshape(-1, size, size, 3)
    return out


def _around(image: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that is seen at places (n, size, 2), and these in it."""
    sides = image.shape[1::-1]
    low = np.clip(np.floor(at.min((0, 1))), 0, np.subtract(sides, 1)).astype(int)
    high = np.clip(np.ceil(at.max((0, 1))) + 1, low + 1, sides).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], at - low.astype(np.float32)


def _best(boxes: list[np.ndarray], scores: list[np.ndarray]) -> np.ndarray:
    """The best MOST_PROPOSALS of all proposals (N, 4), of overlapping ones only the best."""
    every, every_score = np.concatenate(boxes), np.concatenate(scores)
    best = np.argsort(-every_score, kind="stable")[:MOST_PROPOSALS]
    return every[best][nms(every[best], every_score[best], 0.7)]


def _clipped(
    image: np.ndarray, boxes: np.ndarray, scores: np.ndarray, points: np.ndarray
) -> Detections:
    height, width = image.shape[:2]
    boxes = np.clip(boxes, 0, np.array([width, height, width, height]))
    return Detections(
        boxes.astype(np.float32), scores.astype(np.float32), points.astype(np.float32)
    )

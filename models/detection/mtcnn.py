"""MTCNN: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks
(Zhang et al. 2016), with the weights of the `mtcnn` package. OpenVINO runs it on videos, ONNX
Runtime on photos and data sets.

P-Net proposes boxes on an image pyramid, R-Net and O-Net refine crops of the proposals, O-Net adds
five points. The graphs take uint8 BGR pixels: channel order and scaling are folded into their first
convolution (`models.upstream.mtcnn_files`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.detection.boxes import grow, nms, square
from models.detection.pyramid import CELL, STRIDE, atlases, cells_along
from models.detection.views import GRAY_PIXEL, View
from models.inference.devices import open_detector_network
from models.manifest import load_manifest
from trackers.boxes import iou

P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8  # as in the package
P_THRESHOLD_VIDEO = 0.8  # leaves half of the proposals
DEFAULT_MIN_FACE = 20.0  # pixels
MIN_FACE_SHARE = 1 / 34  # of the image's shorter side
MAX_CELLS = 1500  # per P-Net call, enough for a crowd: NMS makes a matrix of that size
MAX_PROPOSALS = 2000  # per image, for the same reason: ten for each of 200 faces
KNOWN_IOU = 0.35  # overlap from which a proposal is for a face that is known
REGION = 2.4  # box sides: size of the region in which `detect_around` searches
REGION_SIZES = (26, 38)  # pixels of the resized region: finds faces of 1.1 and 0.76 box sides
REMAP_SIDE = 32_766  # pixels: limit of cv2.remap for both images
REMAP_BOXES = 512  # per call, for that reason
GRAY = (127.5, 127.5, 127.5)  # outside the image: becomes 0 in the networks


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces, one row each. `detect` and `detect_around` order them by score, best first."""

    boxes: np.ndarray  # (N, 4) float32, xyxy, pixels, clipped to the image
    scores: np.ndarray  # (N,) float32, 0..1
    points: np.ndarray  # (N, 5, 2) float32, pixels: eyes, nose, mouth corners, left one first

    def __getitem__(self, rows: np.ndarray | slice) -> "Detections":
        return Detections(self.boxes[rows], self.scores[rows], self.points[rows])

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def concatenate(cls, parts: list["Detections"]) -> "Detections":
        """The rows of all parts, in order."""
        columns = ("boxes", "scores", "points")
        return cls(*(np.concatenate([getattr(part, c) for part in parts]) for c in columns))


class Mtcnn:
    """Detect faces of `min_face` pixels and more, in images of any size."""

    def __init__(self, min_face: float | None = None, video: bool = True) -> None:
        """`min_face` None: 20 pixels, or a 34th of the image's shorter side if that is more.

        `video`: the images are frames of one shape; a face that is missed in one frame can be found
        in the next, so speed counts. Otherwise they are photos of many shapes and every face
        counts. Raises ModelError if a weights file is missing or damaged.
        """
        self.min_face = None if min_face is None else max(float(min_face), CELL)
        self._video = video
        self._proposal_score = P_THRESHOLD_VIDEO if video else P_THRESHOLD
        manifest = load_manifest("mtcnn")
        self._pnet = open_detector_network(manifest.file("pnet"), video)
        self._rnet = open_detector_network(manifest.file("rnet"), video)
        self._onet = open_detector_network(manifest.file("onet"), video)

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        """Faces in a BGR image (H, W, 3) uint8.

        `coarse` skips the pyramid's largest level: half of the work, but faces smaller than 1.4
        times `min_face` are missed. Faces at `known` boxes (N, 4) are left out. A photo without a
        face is searched again with enhanced contrast.
        """
        proposals = self._propose(image, coarse)
        if known is not None:
            proposals = proposals[iou(proposals, known).max(axis=1, initial=0) < KNOWN_IOU]
        found = self._cascade(image, proposals)
        if len(found) or self._video:
            return found
        view = View.enhanced(image)
        return seen(view, self._search(view))

    def detect_in(self, view: View) -> Detections:
        """Faces in a view of an image, refined there once more; in pixels of the image."""
        return seen(view, self.refine_once(view.image, self._search(view)))

    def detect_around(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """Faces near boxes (N, 4) xyxy where a face was expected, of about that size: the whole
        cascade, but only on a region around each box."""
        if len(boxes) == 0:
            return self._cascade(image, boxes)
        count, side = len(boxes), max(REGION_SIZES)
        regions = np.tile(grow(square(boxes), REGION), (len(REGION_SIZES), 1))
        sizes = np.repeat(REGION_SIZES, count)
        images = np.full((len(sizes), side, side, 3), GRAY_PIXEL, np.uint8)
        region_of_cell = np.full((len(sizes), cells_along(side), cells_along(side)), -1)
        for start, size in zip(range(0, len(sizes), count), REGION_SIZES, strict=True):
            rows, cells = slice(start, start + count), cells_along(size)
            images[rows, :size, :size] = patches(image, regions[rows], size)
            region_of_cell[rows, :cells, :cells] = np.arange(start, start + count)[:, None, None]
        region, found, scores = self._cells(images, region_of_cell)
        zoom = (regions[region, 2:] - regions[region, :2]) / sizes[region, None]
        proposals = found * np.tile(zoom, 2) + np.tile(regions[region, :2], 2)
        return self._cascade(image, _best([proposals], [scores]))

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        """O-Net alone on boxes (N, 4) xyxy around faces, which are squared first: one row per box,
        in the order of the boxes, also if its score is low."""
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
        """Refine the faces of a photo once more, as the faces of a video are from their second
        frame on: this halves the jitter of their points. A face that O-Net then rejects stays
        unchanged."""
        refined = self.refine(image, found.boxes)
        accepted = refined.scores > O_THRESHOLD
        return Detections(
            np.where(accepted[:, None], refined.boxes, found.boxes),
            found.scores,
            np.where(accepted[:, None, None], refined.points, found.points),
        )

    def _search(self, view: View) -> Detections:
        """Faces in a view, in its own pixels."""
        return self._cascade(view.image, self._propose(view.image, False, view.zoom))

    def _propose(self, image: np.ndarray, coarse: bool, zoom: float = 1.0) -> np.ndarray:
        """P-Net's boxes (N, 4) on all pyramid levels, or on all except the largest if `coarse`.
        `zoom`: of the image, to which `min_face` does not refer."""
        boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
        height, width = image.shape[:2]
        level = image
        min_face = max(DEFAULT_MIN_FACE, min(height, width) * MIN_FACE_SHARE)
        if self.min_face:
            min_face = max(self.min_face * zoom, CELL)
        for atlas in atlases(height, width, min_face)[int(coarse) :]:
            packed = np.full((1, atlas.height, atlas.width, 3), GRAY_PIXEL, np.uint8)
            for (x, y), shape in zip(atlas.corners.tolist(), atlas.sizes.tolist(), strict=True):
                level = _shrunk(level, shape, self._video)
                packed[0, y : y + shape[1], x : x + shape[0]] = level
            levels, cells, cell_scores = self._cells(packed, atlas.level_of_cell)
            keep = nms(cells, cell_scores, 0.5)  # levels do not overlap in the atlas
            zoom = np.array([width, height]) / atlas.sizes[levels[keep]]
            found = cells[keep] - np.tile(atlas.corners[levels[keep]], 2)
            boxes.append(found * np.tile(zoom, 2))
            scores.append(cell_scores[keep])
        return _best(boxes, scores)

    def _cells(
        self, images: np.ndarray, part_of_cell: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P-Net's cells with a face in images (B, h, w, 3) uint8: part (N,), box (N, 4) and score
        (N,). `part_of_cell` (B, rows, columns): number of the level or region that a cell belongs
        to; cells with -1 are ignored."""
        found = self._pnet(images)
        offsets, scores = found["offsets"], found["scores"]
        where, rows, columns = np.nonzero((scores > self._proposal_score) & (part_of_cell >= 0))
        if len(where) > MAX_CELLS:
            best = np.argpartition(-scores[where, rows, columns], MAX_CELLS)[:MAX_CELLS]
            where, rows, columns = where[best], rows[best], columns[best]
        corners = np.stack([columns, rows], axis=1) * STRIDE
        boxes = np.hstack([corners, corners + CELL]) + offsets[where, :, rows, columns] * CELL
        return part_of_cell[where, rows, columns], boxes, scores[where, rows, columns]

    def _cascade(self, image: np.ndarray, proposals: np.ndarray) -> Detections:
        """R-Net and O-Net on proposals (N, 4)."""
        boxes = self._refine_coarsely(image, square(proposals))
        found = self.refine(image, boxes)
        found = found[found.scores > O_THRESHOLD]
        return found[nms(found.boxes, found.scores, 0.7, over_smaller=True)]

    def _refine_coarsely(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """R-Net's refined boxes (M, 4), without those that it rejects."""
        if len(boxes) == 0:
            return boxes
        found = self._rnet(patches(image, boxes, 24))
        sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
        face = found["scores"] > R_THRESHOLD
        boxes, scores = (boxes + found["offsets"] * sides)[face], found["scores"][face]
        return np.asarray(boxes[nms(boxes, scores, 0.7)])


def _shrunk(image: np.ndarray, shape: list[int], quickly: bool) -> np.ndarray:
    """The image at a smaller `shape` (width, height), by area averaging. `quickly`: halve it while
    it stays larger than `shape`, then interpolate, which is ten times as fast."""
    if not quickly:
        return cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    while image.shape[1] >= 2 * shape[0] and image.shape[0] >= 2 * shape[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, shape, interpolation=cv2.INTER_LINEAR)


def patches(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (N, size, size, 3) uint8 of boxes (N, 4) xyxy, whose corner pixels lie on the boxes'
    corners; gray outside the image."""
    height, width = image.shape[:2]
    # the pixel grid of tf.image.crop_and_resize
    shrink = np.array([(width - 1) / width, (height - 1) / height])
    starts, ends = boxes[:, None, :2] * shrink, boxes[:, None, 2:] * shrink
    at = (starts + (ends - starts) * np.linspace(0, 1, size)[:, None]).astype(np.float32)
    out = np.empty((len(boxes), size, size, 3), np.uint8)
    panorama = max(height, width) > REMAP_SIDE
    per_call = 1 if panorama else REMAP_BOXES
    for rows in (slice(k, k + per_call) for k in range(0, len(boxes), per_call)):
        region, places = _region(image, at[rows]) if panorama else (image, at[rows])
        x, y = places[:, None, :, 0], places[:, :, None, 1]  # (n, 1, size), (n, size, 1)
        x, y = (np.broadcast_to(v, (len(x), size, size)).reshape(-1, size) for v in (x, y))
        flat = cv2.remap(region, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, GRAY)
        out[rows] = flat.reshape(-1, size, size, 3)
    return out


def _region(image: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that contains the places (n, size, 2), and the places in this part."""
    sides = image.shape[1::-1]
    low = np.clip(np.floor(at.min((0, 1))), 0, np.subtract(sides, 1)).astype(int)
    high = np.clip(np.ceil(at.max((0, 1))) + 1, low + 1, sides).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], at - low.astype(np.float32)


def _best(boxes: list[np.ndarray], scores: list[np.ndarray]) -> np.ndarray:
    """The MAX_PROPOSALS best proposals (N, 4), without those that a better one overlaps."""
    all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
    best = np.argsort(-all_scores, kind="stable")[:MAX_PROPOSALS]
    return np.asarray(all_boxes[best][nms(all_boxes[best], all_scores[best], 0.7)])


def seen(view: View, found: Detections) -> Detections:
    """Faces that were found in a view, in pixels of the original image, without those outside."""
    boxes, points = view.back(found.boxes, found.points)
    boxes = np.clip(boxes, 0, np.tile(view.size, 2)).astype(np.float32)
    inside = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return Detections(boxes, found.scores, points.astype(np.float32))[inside]


def _clipped(
    image: np.ndarray, boxes: np.ndarray, scores: np.ndarray, points: np.ndarray
) -> Detections:
    """Detections with their boxes clipped to the image."""
    height, width = image.shape[:2]
    boxes = np.clip(boxes, 0, np.array([width, height, width, height]))
    return Detections(
        boxes.astype(np.float32), scores.astype(np.float32), points.astype(np.float32)
    )

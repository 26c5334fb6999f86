"""Looks at a photo: at the photo itself and, where that leaves a doubt, at changed copies.

O-Net's score of a face depends on the few pixels that it samples: 0.93 for one copy of a photo, 1.0
for another. In a large photo these pixels lie so far apart that grain decides. So the second look
is taken at a small copy with more contrast and a border. Faces that are not upright are looked for
last, only in a photo without clear ones. A face that only one look suggests has to be found again.
"""

import numpy as np

from demo.faces.detectors import Detector
from models.crops.align import chip_transforms
from models.crops.spec import CHIP
from models.detection.boxes import nms
from models.detection.mtcnn import Detections
from models.detection.views import View
from trackers.boxes import iou

PHOTO_SCORE = 0.95  # least score of a face in a photo, as in the SSR-Net authors' demo
CLEAR_SCORE = 0.98  # from which the face is upright: a lying one gets up to that, with wrong points
SIDE, TURNED_SIDE = 480, 340  # pixels, shorter sides of the copies
TURNS = (45, -45, 90, -90, 135, -135, 180)  # degrees
TURN_STEP = 15  # degrees: faces that differ by less are confirmed together
CONFIRMED_IOU = 0.4  # least overlap of a face and the same face found in another look
SAME_FACE = 0.5  # overlap, as a share of the smaller box, from which two boxes hold one face


def search_photo(
    detector: Detector, image: np.ndarray, thorough: bool = False
) -> tuple[Detections, np.ndarray]:
    """The faces of a photo (H, W, 3) uint8 BGR, and the boxes (M, 4) of all candidates of all
    looks. `thorough`: take all looks at every photo, which gives the same faces, but more
    candidates."""
    found = detector.detect(image)
    sure = found.scores >= PHOTO_SCORE
    faces, candidates = detector.refine_once(image, found[sure]), [found.boxes]
    doubtful = not len(faces) or not sure.all()
    if doubtful or thorough:
        seen = detector.detect_in(View.enhanced(image, SIDE))
        candidates.append(seen.boxes)
        unclear = not len(faces) and not (seen.scores >= CLEAR_SCORE).any()
        turned = seen[:0]
        if unclear or thorough:
            turned = _turned_faces(detector, image)
            candidates.append(turned.boxes)
        if doubtful:
            backed = (seen.scores >= CLEAR_SCORE) | _overlapping(seen, found)
            unbacked = [seen[~backed], turned] if unclear else [seen[~backed]]
            confirmed = _confirmed(detector, image, Detections.concatenate(unbacked))
            candidates.append(confirmed.boxes)
            faces = _joined(faces, Detections.concatenate([seen[backed], confirmed]))
    return faces, np.concatenate(candidates)


def _turned_faces(detector: Detector, image: np.ndarray) -> Detections:
    """Faces that are upright in one of the turned views."""
    view = View.enhanced(image, TURNED_SIDE)
    return Detections.concatenate([detector.detect_in(view.turned(turn)) for turn in TURNS])


def _overlapping(seen: Detections, found: Detections) -> np.ndarray:
    """Mask (N,) of the faces that also have a candidate in another look."""
    mask: np.ndarray = iou(seen.boxes, found.boxes).max(axis=1, initial=0) > CONFIRMED_IOU
    return mask


def _confirmed(detector: Detector, image: np.ndarray, faces: Detections) -> Detections:
    """The sure faces that are found again when the photo is turned until they are upright, without
    more contrast: hardly any false face is."""
    faces = _sure(faces)
    matrices = chip_transforms(faces.points, CHIP)
    turns = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    steps = np.rint(turns[np.isfinite(turns)] / TURN_STEP) % (360 / TURN_STEP)
    view, seen = View.bordered(image, SIDE), [faces[:0]]
    for step in np.unique(steps):
        again = detector.detect_in(view.turned(step * TURN_STEP))
        seen.append(again[_overlapping(again, faces)])
    return Detections.concatenate(seen)


def _joined(faces: Detections, seen: Detections) -> Detections:
    """The faces, and after them the sure ones among those that were seen in later looks, each once
    with its best score."""
    joined = Detections.concatenate([faces, _sure(seen)])
    ranks = np.arange(len(joined), 0, -1)
    return joined[nms(joined.boxes, ranks, SAME_FACE, over_smaller=True)]


def _sure(seen: Detections) -> Detections:
    """Sure faces of several looks, each once, best first."""
    sure = seen[seen.scores >= PHOTO_SCORE]
    return sure[nms(sure.boxes, sure.scores, SAME_FACE, over_smaller=True)]

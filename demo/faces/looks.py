"""Looks at a photo: at the photo itself and, where that leaves a doubt, at changed copies.

O-Net's score of a face depends on the few pixels that it samples: 0.93 for one copy of a photo, 1.0
for another. In a large photo these pixels lie so far apart that grain decides. So the second look
is taken at a small copy with more contrast and a border. Faces that are not upright are looked for
last, and only in a photo without other faces.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from demo.faces.detectors import Detector
from models.detection.boxes import nms
from models.detection.mtcnn import Detections
from models.detection.views import View

PHOTO_SCORE = 0.95  # least score of a face in a photo, as in the SSR-Net authors' demo
SIDE, TURNED_SIDE = 480, 340  # pixels, shorter sides of the copies
TURNS = (45, -45, 90, -90, 135, -135, 180)  # degrees
SAME_FACE = 0.5  # overlap, as a share of the smaller box, from which two boxes hold one face


def search_photo(
    detector: Detector, image: np.ndarray, thorough: bool = False
) -> tuple[Detections, np.ndarray]:
    """The faces of a photo (H, W, 3) uint8 BGR, and the boxes (M, 4) of all candidates of all
    looks. `thorough`: take all looks, also at a photo whose faces were found at once."""
    found = detector.detect(image)
    sure = found.scores >= PHOTO_SCORE
    faces, candidates = detector.refine_once(image, found[sure]), [found.boxes]
    if thorough or not len(faces) or not sure.all():
        for views in _views(image):
            seen = Detections.concatenate([detector.detect_in(view) for view in views])
            faces = _joined(faces, seen)
            candidates.append(seen.boxes)
            if len(faces) and not thorough:
                break
    return faces, np.concatenate(candidates)


def _views(image: np.ndarray) -> Iterator[Sequence[View]]:
    """Views that are looked at together, those that show more faces first."""
    yield [View.enhanced(image, SIDE)]
    small = View.enhanced(image, TURNED_SIDE)
    yield [small.turned(degrees) for degrees in TURNS]


def _joined(faces: Detections, seen: Detections) -> Detections:
    """The faces, and after them the sure ones among those that were seen in later looks, each once
    with its best score."""
    best = np.argsort(-seen.scores, kind="stable")
    sure = seen[best[seen.scores[best] >= PHOTO_SCORE]]
    joined = Detections.concatenate([faces, sure])
    ranks = np.arange(len(joined), 0, -1)
    return joined[nms(joined.boxes, ranks, SAME_FACE, over_smaller=True)]

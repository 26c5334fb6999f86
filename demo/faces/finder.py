"""Where the faces of a video are, frame by frame: known ones measured or predicted, new ones
searched beside that."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from demo.faces.detectors import Detector
from demo.frames import Search
from models.detection.boxes import nms
from models.detection.mtcnn import Detections
from trackers.boxes import iou
from trackers.sort import Sort

START_SCORE = 0.9  # of a new face; it must be found again before it gets an id
KEEP_SCORE = 0.8  # of a tracked face: lower, because heads tilt and turn
SURE_SCORE = 0.97  # a tracked face below this is measured a second time
LOST_FRAMES, LOST_EVERY = 3, 8  # a lost face is searched in 3 frames, then in every 8th
SAME_FACE = 0.45  # IoU from which two boxes are one face
FIRST_FRAMES = 3  # frames at the start of a shot that are all searched
SEARCH_FRAMES = 3  # from the frame that is searched to the frame that gets its new faces
STEADY = 0.85  # IoU of predicted and measured boxes from which the next frame may be predicted


class Found(NamedTuple):
    """The faces of a frame."""

    faces: Detections
    tracks: np.ndarray  # (N,) int64, ids of the tracks of the faces; -1: not confirmed
    candidates: np.ndarray  # (M, 4) float32, xyxy, pixels: all boxes that may hold a face
    search: Search


NOTHING = Found(
    Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))),
    np.zeros(0, np.int64),
    np.zeros((0, 4)),
    "known",
)


class _Running(NamedTuple):
    """A search of the whole frame that a thread works on."""

    found: Future[Detections]
    known: np.ndarray  # (N, 4) boxes of the tracks in the searched frame
    due: int  # frame since the start of the shot that takes its new faces


class FaceFinder:
    """Finds the faces of one video and joins them into tracks.

    A thread searches whole frames for new faces, while known faces are measured near their tracks.
    The result of a search is taken at a fixed later frame, so that results do not depend on time.
    Every second frame is predicted, while all faces move steadily.
    """

    def __init__(self, detector: Detector, tracker: Sort) -> None:
        self._detector, self._tracker = detector, tracker
        self._frame = 0  # since the start, the last gap or the last cut
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="searcher")
        self._running: _Running | None = None
        self._steady = False  # the last measured frame was as predicted
        self._last = NOTHING
        self._boxes: dict[int, np.ndarray] = {}  # of the tracks of the last frame, by id

    def restart(self) -> None:
        """Search the next frames at once, as at the start."""
        self._frame, self._running, self._steady, self._last = 0, None, False, NOTHING

    def find(self, image: np.ndarray, interval: int, settled: bool, every_frame: bool) -> Found:
        """The faces of the next frame (H, W, 3) uint8 BGR.

        Every `interval`-th frame is searched for new faces, with `every_frame` all of them, for
        faces of all sizes and before this method returns. `settled`: frames may be predicted.
        """
        self._tracker.predict()
        at_once = every_frame or interval <= SEARCH_FRAMES or self._frame < FIRST_FRAMES
        search: Search = "all" if every_frame else self._search(interval)
        if search != "known" and not at_once:
            self._start_search(image, search)
            search = "known"
        predictable = settled and self._steady and self._frame % 2 == 1
        if predictable and not at_once and not self._search_is_due:
            found = self._predicted(image)
        else:
            found = self._measure(image, search)
        tracks = self._tracker.tracks
        self._boxes = dict(zip(tracks.ids.tolist(), tracks.boxes, strict=True))
        self._last = found
        self._frame += 1
        return found

    def _search(self, interval: int) -> Search:
        """How this frame is searched."""
        search, rest = divmod(self._frame, interval)
        if self._frame >= FIRST_FRAMES and rest:
            return "known"
        return "coarse" if search % 2 == 1 and interval > 1 else "all"

    def _start_search(self, image: np.ndarray, search: Search) -> None:
        known = self._tracker.tracks.boxes
        found = self._thread.submit(self._detector.detect, image, search == "coarse", known)
        self._running = _Running(found, known, self._frame + SEARCH_FRAMES)

    @property
    def _search_is_due(self) -> bool:
        """Whether this frame takes the new faces of a search."""
        return self._running is not None and self._running.due <= self._frame

    def _predicted(self, image: np.ndarray) -> Found:
        """The faces of the last frame, moved as their tracks are predicted to."""
        self._steady = False  # measure the next frame
        faces, ids = self._last_faces(image)
        return Found(faces, ids, self._tracker.tracks.boxes, "predicted")

    def _last_faces(self, image: np.ndarray) -> tuple[Detections, np.ndarray]:
        """The faces of the last frame where they are expected in this one, and their tracks."""
        now = self._tracker.tracks
        places = {track: row for row, track in enumerate(now.ids.tolist()) if track in self._boxes}
        last = self._last
        rows = [row for row, track in enumerate(last.tracks.tolist()) if track in places]
        faces, ids = last.faces[np.array(rows, int)], last.tracks[rows]
        old = np.array([self._boxes[track] for track in ids.tolist()]).reshape(-1, 4)
        new = now.boxes[[places[track] for track in ids.tolist()]]
        return _moved(image, faces, old, new), ids

    def _measure(self, image: np.ndarray, search: Search) -> Found:
        """Faces measured in this frame: known faces where they are expected, lost ones around
        there, new ones of the search that is due or, where `search` says so, in this frame."""
        tracks = self._tracker.tracks
        gap = tracks.time_since_update
        due = (gap <= LOST_FRAMES) | (gap % LOST_EVERY == 0)
        expected = tracks.boxes[due]
        known, kept = self._measure_known(image, expected)
        parts, unsure = [known[kept]], [known.boxes[kept]]
        if search == "known":
            found = self._detector.detect_around(image, expected[~kept])
            parts.append(found)
            if self._running and self._search_is_due:
                parts.append(self._new_faces(image, self._running))
                self._running = None
        else:
            found = self._detector.detect(image, coarse=search == "coarse")
            parts.append(found[found.scores >= START_SCORE])
        unsure.append(found.boxes)
        together = Detections.concatenate(parts)
        faces = together[nms(together.boxes, together.scores, SAME_FACE)]
        moved, last_ids = self._last_faces(image)
        ids = self._tracker.update(faces.boxes)
        self._steady = bool((ids >= 1).all()) and _agree(moved, last_ids, faces, ids)
        after = self._tracker.tracks
        coasting = after.boxes[after.time_since_update > 0]
        return Found(faces, ids, np.vstack([*unsure, coasting]), search)

    def _measure_known(
        self, image: np.ndarray, expected: np.ndarray
    ) -> tuple[Detections, np.ndarray]:
        """Detections at the expected boxes (N, 4), and a mask (N,) of those that still are faces.
        O-Net alone accepts too much, so that a doubtful face is measured twice."""
        known = self._detector.refine(image, expected)
        kept = known.scores >= KEEP_SCORE
        doubtful = np.flatnonzero(kept & (known.scores < SURE_SCORE))
        again = self._detector.refine(image, known.boxes[doubtful])
        kept[doubtful] = again.scores >= KEEP_SCORE
        return known, kept

    def _new_faces(self, image: np.ndarray, running: _Running) -> Detections:
        """The new faces of a search, where they are in this frame."""
        found = running.found.result()
        new = iou(found.boxes, running.known).max(axis=1, initial=0) < SAME_FACE
        here = self._detector.detect_around(image, found.boxes[new & (found.scores >= START_SCORE)])
        return here[here.scores >= START_SCORE]


def _agree(
    expected: Detections, expected_ids: np.ndarray, faces: Detections, ids: np.ndarray
) -> bool:
    """Whether the same tracks have faces in both, at about the same places."""
    if sorted(expected_ids.tolist()) != sorted(ids.tolist()):
        return False
    overlaps = iou(expected.boxes[np.argsort(expected_ids)], faces.boxes[np.argsort(ids)])
    return float(overlaps.diagonal().min(initial=1.0)) >= STEADY


def _moved(image: np.ndarray, faces: Detections, old: np.ndarray, new: np.ndarray) -> Detections:
    """The faces after a motion and change of size as from boxes (N, 4) to others."""
    sides = np.sqrt(np.maximum((new[:, 2:] - new[:, :2]).prod(axis=1), 1.0))
    before = np.sqrt(np.maximum((old[:, 2:] - old[:, :2]).prod(axis=1), 1.0))
    zoom = (sides / before)[:, None, None]
    shift = ((new[:, :2] + new[:, 2:]) - (old[:, :2] + old[:, 2:]))[:, None] / 2
    corners = faces.boxes.reshape(-1, 2, 2)
    centres = corners.mean(axis=1, keepdims=True)
    moved = (corners - centres) * zoom + centres + shift
    limits = np.array(image.shape[1::-1])
    boxes = np.clip(moved, 0, limits).reshape(-1, 4).astype(np.float32)
    points = ((faces.points - centres) * zoom + centres + shift).astype(np.float32)
    return Detections(boxes, faces.scores, points)

import threading
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from demo.faces.detectors import Detector
from demo.faces.finder import FIRST_FRAMES, SEARCH_FRAMES, FaceFinder, Found
from models.detection.mtcnn import Detections
from trackers.sort import Sort

FRAME = np.zeros((300, 400, 3), np.uint8)
BOX = np.array([100, 100, 150, 160], np.float32)


def at(*boxes: np.ndarray, score: float = 0.99) -> Detections:
    """Faces at these boxes, with their points on the diagonal."""
    found = np.array(boxes, np.float32).reshape(-1, 4)
    shares = np.linspace(0.2, 0.8, 5)[:, None]
    points = found[:, None, :2] + shares * (found[:, None, 2:] - found[:, None, :2])
    return Detections(found, np.full(len(found), score, np.float32), points.astype(np.float32))


class Moving:
    """A detector of one face that moves by `step` (4,) a frame, and of a newcomer."""

    def __init__(self, step: np.ndarray | float = 0.0) -> None:
        self.now, self._step = BOX.copy(), step
        self.newcomer: np.ndarray | None = None
        self.threads: list[str] = []  # in which it was searched
        self.measured = 0  # frames

    def next_frame(self) -> None:
        self.now = self.now + self._step

    def _all(self) -> list[np.ndarray]:
        return [self.now] if self.newcomer is None else [self.now, self.newcomer]

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        self.threads.append(threading.current_thread().name)
        return at(*self._all())

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        if len(boxes) == 0:
            return at()
        self.measured += 1
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        places = self._all()
        middles = np.array([(box[:2] + box[2:]) / 2 for box in places])
        nearest = np.linalg.norm(centres[:, None] - middles, axis=2).argmin(axis=1)
        return at(*[places[row] for row in nearest])

    def detect_around(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        return self.refine(image, boxes)


def run(detector: Moving, count: int, before: Callable[[int], None] | None = None) -> list[Found]:
    """The faces of so many frames; `before` is called before each."""
    finder, found = FaceFinder(cast("Detector", detector), Sort(max_age=25)), []
    for frame in range(count):
        if before:
            before(frame)
        found.append(finder.find(FRAME, 8, settled=True, every_frame=False))
        detector.next_frame()
    return found


def test_every_second_frame_of_a_steady_face_is_predicted_where_it_is():
    detector, step = Moving(np.array([2.0, 1, 2, 1])), np.array([2.0, 1, 2, 1])
    found = run(detector, 24)
    searches = [each.search for each in found]
    assert searches[:FIRST_FRAMES] == ["all"] * 3
    assert searches.count("predicted") >= 8
    for frame, each in enumerate(found):
        assert each.tracks.tolist() == [1]
        assert each.faces.boxes[0] == pytest.approx(BOX + frame * step, abs=1.5)
        assert each.faces.points[0] == pytest.approx(at(each.faces.boxes[0]).points[0], abs=0.1)


def test_a_face_that_moves_at_random_is_measured_in_every_frame():
    rng, detector = np.random.default_rng(0), Moving()

    def jump(frame: int) -> None:
        detector.now = BOX + np.tile(rng.uniform(-18, 18, 2), 2).astype(np.float32)

    assert "predicted" not in [each.search for each in run(detector, 20, jump)]


def test_a_thread_searches_and_its_new_face_appears_at_a_fixed_frame():
    detector = Moving()

    def arrive(frame: int) -> None:
        if frame == 5:
            detector.newcomer = BOX + 170

    found = run(detector, 20, arrive)
    counts = [len(each.faces) for each in found]
    assert counts == [1] * (8 + SEARCH_FRAMES) + [2] * (12 - SEARCH_FRAMES)
    assert set(detector.threads[FIRST_FRAMES:]) == {"searcher_0"}
    assert len(detector.threads) == FIRST_FRAMES + 2  # at frames 8 and 16


def test_with_every_frame_each_is_searched_at_once():
    finder = FaceFinder(cast("Detector", Moving()), Sort(max_age=25))
    searches = [finder.find(FRAME, 8, settled=True, every_frame=True).search for _ in range(12)]
    assert searches == ["all"] * 12


def test_after_a_restart_a_running_search_has_no_effect():
    detector = Moving()
    finder = FaceFinder(cast("Detector", detector), Sort(max_age=25))
    for _ in range(9):  # the last one starts a search
        finder.find(FRAME, 8, settled=True, every_frame=False)
    finder.restart()
    again = [finder.find(FRAME, 8, settled=True, every_frame=False).search for _ in range(4)]
    assert again[:FIRST_FRAMES] == ["all"] * 3

"""Looks at photos: large, grainy and turned faces are found, and no more looks are taken than
needed."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from demo.bench.photos import photo_of
from demo.faces.detectors import DETECTORS
from demo.faces.looks import PHOTO_SCORE, search_photo
from models.detection.mtcnn import Detections, Mtcnn
from models.detection.views import View
from trackers.boxes import iou

GRAIN = 40.0  # gray levels: a phone's photo at dusk, at full size
EYES = np.array([[203.5, 100.1], [245.4, 102.2]]) - [120, 20]  # in `head`, by the mtcnn package


@pytest.fixture(scope="module")
def mtcnn() -> Mtcnn:
    return Mtcnn(None, video=False)


@pytest.fixture(scope="module")
def head(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[20:220, 120:330])


def place(points: np.ndarray, picture: np.ndarray, photo: np.ndarray, degrees: float) -> np.ndarray:
    """Where points (N, 2) of a picture lie in the `photo_of` it."""
    turn = cv2.getRotationMatrix2D((0, 0), -degrees, 1.0)[:, :2]
    sides, new = np.array(picture.shape[1::-1]), np.array(photo.shape[1::-1])
    shape = np.abs(turn) @ sides if degrees % 90 == 0 else 1.25 * sides
    return np.sqrt(new.prod() / shape.prod()) * (points - sides / 2) @ turn.T + new / 2


def distance(eyes: np.ndarray) -> float:
    return float(np.hypot(*(eyes[1] - eyes[0])))


@pytest.mark.parametrize("megapixels", [1, 4, 12])
@pytest.mark.parametrize("degrees", [0, 30])
def test_a_head_that_fills_a_photo_is_found_whatever_its_pixels_and_grain(
    mtcnn: Mtcnn, head: np.ndarray, megapixels: float, degrees: float
) -> None:
    photo = photo_of(head, megapixels, degrees, np.random.default_rng(0), GRAIN)
    if degrees:
        assert not (mtcnn.detect(photo).scores >= PHOTO_SCORE).any()
    faces, candidates = search_photo(mtcnn, photo)
    assert len(faces) == 1
    assert faces.scores[0] >= PHOTO_SCORE
    eyes = place(EYES, head, photo, degrees)
    assert faces.points[0, :2] == pytest.approx(eyes, abs=0.15 * distance(eyes))
    assert iou(faces.boxes, candidates).max() > 0.7


@pytest.mark.parametrize("degrees", [60, 90, -90, -135, 180])
def test_a_head_that_is_not_upright_is_found_with_its_points(
    mtcnn: Mtcnn, head: np.ndarray, degrees: float
) -> None:
    photo = photo_of(head, 1, degrees, np.random.default_rng(0), 10.0)
    faces, _ = search_photo(mtcnn, photo)
    assert len(faces) == 1
    eyes = place(EYES, head, photo, degrees)
    assert faces.points[0, :2] == pytest.approx(eyes, abs=0.15 * distance(eyes))


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_takes_all_looks(name: str, head: np.ndarray) -> None:
    if name == "dlib":
        pytest.importorskip("dlib")
    photo = photo_of(head, 0.25, 90, np.random.default_rng(0))
    faces, _ = search_photo(DETECTORS[name](None, False), photo)
    assert len(faces) == 1
    eyes = place(EYES, head, photo, 90)
    assert faces.points[0, :2] == pytest.approx(eyes, abs=0.15 * distance(eyes))


@pytest.mark.parametrize("cell", [1, 8, 60])
def test_noise_holds_no_face_in_any_look(mtcnn: Mtcnn, cell: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600 // cell, 800 // cell, 3), np.uint8)
    photo = cv2.resize(noise, (800, 600), interpolation=cv2.INTER_CUBIC)
    assert len(search_photo(mtcnn, photo)[0]) == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (30, 20), (300, 9000)])
def test_a_blank_photo_of_any_shape_has_no_face(mtcnn: Mtcnn, shape: tuple[int, int]) -> None:
    faces, candidates = search_photo(mtcnn, np.full((*shape, 3), 128, np.uint8), thorough=True)
    assert len(faces) == 0
    assert candidates.shape == (0, 4)


class Scripted:
    """A detector whose looks find the faces of a script: [(left edge, score), ...] for each."""

    def __init__(self, *looks: Sequence[tuple[float, float]]) -> None:
        self.looks, self.count = looks, 0

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        found = self.looks[self.count] if self.count < len(self.looks) else ()
        self.count += 1
        left = np.array([x for x, _ in found], np.float32)[:, None]
        boxes = np.hstack([left, left * 0, left + 40, left * 0 + 50])
        points = np.tile(
            np.array([[14, 20], [26, 20], [20, 28], [15, 36], [25, 36]]), (len(left), 1, 1)
        )
        return Detections(boxes, np.array([s for _, s in found], np.float32), points)

    def detect_in(self, view: View) -> Detections:
        return self.detect(view.image)

    detect_around = refine = lambda self, image, boxes: self.detect(image)

    def refine_once(self, image: np.ndarray, found: Detections) -> Detections:
        return found


def scores(detector: Scripted, thorough: bool = False) -> list[float]:
    faces, _ = search_photo(detector, np.zeros((200, 300, 3), np.uint8), thorough)
    return faces.scores.round(3).tolist()


@pytest.mark.parametrize(
    ("looks", "count", "found"),
    [
        ([[(10, 0.98)]], 1, [0.98]),
        ([[(10, 0.98), (90, 0.96)]], 1, [0.98, 0.96]),
        ([[(10, 0.94)], [(12, 0.99)]], 2, [0.99]),
        ([[(10, 0.98), (90, 0.9)], [(90, 0.97), (12, 1.0)]], 2, [0.98, 0.97]),
        ([[(10, 0.98), (90, 0.9)], [(90, 0.9)]], 2, [0.98]),
        ([[(10, 0.94)], [(12, 0.97)]], 9, [0.97]),
        ([], 9, []),
    ],
    ids=["sure", "all sure", "unsure", "one unsure", "one stays unsure", "not clear", "nobody"],
)
def test_a_photo_is_looked_at_again_only_where_a_candidate_is_unsure(
    looks: list, count: int, found: list[float]
) -> None:
    detector = Scripted(*looks)
    assert scores(detector) == pytest.approx(found)
    assert detector.count == count


@pytest.mark.parametrize(
    ("again", "found"),
    [([(10, 0.98)], [0.98]), ([(10, 0.9)], []), ([(150, 0.98)], []), ([], [])],
    ids=["there", "unsure", "elsewhere", "nowhere"],
)
def test_a_turned_face_counts_if_it_is_found_again_upright(
    again: list[tuple[float, float]], found: list[float]
) -> None:
    detector = Scripted([], [], [(10, 0.97)], [(14, 0.96)], [], [], [], [], [], again)
    assert scores(detector) == pytest.approx(found)
    assert detector.count == 10  # one confirmation for both


def test_a_face_that_is_clear_only_when_turned_is_not_also_found_upright() -> None:
    detector = Scripted([], [(16, 0.96)], [(10, 0.97)], [], [], [], [], [], [], [(12, 0.99)])
    faces, _ = search_photo(detector, np.zeros((200, 300, 3), np.uint8))
    assert faces.scores.tolist() == [np.float32(0.99)]


def test_covering_takes_all_looks_for_their_candidates_but_finds_the_same_faces() -> None:
    detector = Scripted([(10, 0.98)], [(90, 0.99)], [(30, 0.9)])
    faces, candidates = search_photo(detector, np.zeros((200, 300, 3), np.uint8), thorough=True)
    assert detector.count == 9
    assert faces.scores.tolist() == [np.float32(0.98)]
    assert candidates[:, 0].tolist() == [10, 90, 30]

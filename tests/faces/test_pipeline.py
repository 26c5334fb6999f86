from dataclasses import replace
from itertools import pairwise
from typing import cast

import cv2
import numpy as np
import pytest

from demo.faces.anonymize import MASK
from demo.faces.detectors import DETECTORS, Detector
from demo.faces.load import STEP_FRAMES, STEPS
from demo.faces.photo import PhotoPipeline
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.faces.smoothing import REFRESH_FRAMES, SETTLED_CROPS
from demo.frames import Frame
from models.crops.spec import InputSpec
from models.detection.mtcnn import Detections
from tests.synthetic import Answering
from trackers.boxes import iou


class ByBrightness(Answering):
    """Tells an age from a crop: its mean brightness; everyone is male with 0.8."""

    def __init__(self) -> None:
        self.input = InputSpec()
        self.calibration = {"age": [0, 100], "age_low": [0, 90], "age_high": [10, 100]}
        self.batches: list[int] = []

    def predict(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(crops))
        return crops.mean(axis=(1, 2, 3)) / 4, np.full(len(crops), 0.8)


@pytest.fixture(scope="module", params=sorted(DETECTORS))
def detector(request):
    if request.param == "dlib":
        pytest.importorskip("dlib")
    return DETECTORS[request.param](24, True)


def frames(two_people, count=20):
    return [Frame(two_people(k), k, k / 25, "clip") for k in range(count)]


@pytest.mark.parametrize("every", [1, 4])
def test_two_moving_people_keep_their_ids_and_steady_ones_are_not_measured_in_every_frame(
    detector, two_people, every
):
    estimator = ByBrightness()
    pipeline = Pipeline(detector, estimator, 25.0, Settings(every))
    first, searches = None, []
    for frame in frames(two_people):
        analysis = pipeline.process(frame)
        faces = analysis.faces
        searches.append(analysis.search)
        order = np.argsort(faces.boxes[:, 0])
        assert faces.ids[order].tolist() in ([1, 2], [2, 1])
        first = faces.ids[order].tolist() if first is None else first
        assert faces.ids[order].tolist() == first
        moved = 3 * frame.index * np.array([[-1, 0, -1, 0], [1, 0, 1, 0]])
        if frame.index == 0:
            start = faces.boxes[order]
        assert iou(faces.boxes[order], start + moved).diagonal().min() > 0.7
    assert set(estimator.batches) <= {0, 1, 2}  # one batch a frame
    measured = [search for search in searches if search != "predicted"]
    assert len(estimator.batches) == len(measured)
    assert (len(measured) < 20) == (every > 1)
    assert ("predicted", "predicted") not in pairwise(searches)


def test_labels_come_after_two_good_crops_and_are_steady(detector, two_people):
    pipeline = Pipeline(detector, ByBrightness(), 25.0, Settings(2))
    labels = []
    for frame in frames(two_people):
        faces = pipeline.process(frame).faces
        labels.append(faces.ages[np.argsort(faces.ids)])
    ages = np.array(labels)
    assert np.isnan(ages[0]).all()
    assert np.isfinite(ages[3:]).all()
    assert ages[3:].std(axis=0).max() < 1.0
    assert (faces.male_probs >= 0.5).all()


def test_a_person_who_left_is_forgotten_and_one_who_comes_is_new(detector, two_people):
    pipeline = Pipeline(detector, ByBrightness(), 5.0, Settings(1))
    for frame in frames(two_people, 3):
        pipeline.process(frame)
    empty = np.full((270, 480, 3), 90, np.uint8)
    for k in range(3, 12):
        assert len(pipeline.process(Frame(empty, k, k / 5, "clip")).faces) == 0
    assert len(pipeline._smoother) == 0
    ids = set()
    for k in range(12, 20):
        ids |= set(pipeline.process(Frame(two_people(0), k, k / 5, "clip")).faces.ids.tolist())
    assert ids - {-1} == {3, 4}


def test_after_an_outage_those_in_their_places_keep_their_ids_unless_it_was_long(
    detector, two_people
):
    pipeline = Pipeline(detector, ByBrightness(), 25.0)
    image = two_people(0)
    seen = []
    for start in (0.0, 9.0, 30.0):
        for k in range(7):
            faces = pipeline.process(Frame(image, len(seen), start + k / 25, "camera")).faces
            seen.append((set(faces.ids.tolist()), np.isfinite(faces.ages).all()))
    assert seen[6:14] == [({1, 2}, True)] * 8
    assert seen[14] == ({-1}, False)
    assert seen[-1] == ({3, 4}, True)


@pytest.mark.parametrize("seconds", [2.0, 12.0, 3600.0])
def test_people_of_a_time_lapse_keep_their_ids_and_go_on_being_estimated(two_people, seconds):
    detector, rate = DETECTORS["mtcnn"](60, True), 1 / seconds
    pipeline = Pipeline(detector, ByBrightness(), rate)
    for k in range(SETTLED_CROPS + 3 * REFRESH_FRAMES):
        faces = pipeline.process(Frame(two_people(0), k, k * seconds, "clip")).faces
        assert sorted(faces.ids.tolist()) == [1, 2]
    assert np.isfinite(faces.ages).all()
    assert (pipeline._smoother.crops(np.array([1, 2])) > SETTLED_CROPS + 1).all()


@pytest.mark.parametrize("settings", [Settings(60), Settings(budget_ms=0.001)])
def test_a_place_that_was_empty_for_long_holds_nobodys_id(detector, two_people, settings):
    pipeline = Pipeline(detector, ByBrightness(), 10.0, settings)
    empty = np.full((270, 480, 3), 90, np.uint8)
    seen = []
    for k in range(60):
        there = not 20 <= k < 50
        image = two_people(0) if there else empty
        ids = pipeline.process(Frame(image.copy(), k, k / 10, "a")).faces.ids
        seen.append(set(ids[ids >= 1].tolist()))
    assert seen[19] == {1, 2}
    assert not {1, 2} & set().union(*seen[50:])


def test_ids_survive_another_resolution(detector, two_people):
    pipeline = Pipeline(detector, ByBrightness(), 25.0)
    small = two_people(0)
    large = cv2.resize(small, None, fx=2, fy=2)
    edges = []
    for k, image in enumerate([small] * 5 + [large] * 5 + [small] * 5):
        faces = pipeline.process(Frame(image, k, k / 25, "camera")).faces
        order = np.argsort(faces.ids)
        assert faces.ids[order].tolist() == [1, 2]
        edges.append(faces.boxes[order])
    assert edges[9] == pytest.approx(2 * edges[4], abs=6)
    assert edges[14] == pytest.approx(edges[4], abs=3)


def test_photos_are_not_smoothed_and_number_their_faces(detector, two_people):
    pipeline = PhotoPipeline(detector, ByBrightness())
    for _ in range(2):
        faces = pipeline.process(frames(two_people, 1)[0]).faces
        assert faces.ids.tolist() == [1, 2]
        assert np.isfinite(faces.ages).all()


def test_a_frame_without_faces_is_ordinary(detector):
    blank = Frame(np.zeros((120, 160, 3), np.uint8), 0, 0.0, "clip")
    pipeline = Pipeline(detector, ByBrightness(), 25.0)
    assert len(pipeline.process(blank).faces) == 0
    assert len(PhotoPipeline(detector, ByBrightness()).process(blank).faces) == 0


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_picture_far_smaller_than_the_smallest_face_has_none(name):
    if name == "dlib":
        pytest.importorskip("dlib")
    pixel = np.zeros((1, 1, 3), np.uint8)
    assert len(DETECTORS[name](200, False).detect(pixel)) == 0


@pytest.mark.parametrize(
    ("settings", "crops"), [({"every_crop": True}, 2), ({"budget_ms": 1e-6}, 1)]
)
def test_crops_can_be_all_or_few_but_every_known_face_is_measured(two_people, settings, crops):
    estimator, detector = ByBrightness(), DETECTORS["mtcnn"](24, True)
    chosen = Settings(detect_every=4, **settings)
    pipeline = Pipeline(detector, estimator, 25.0, chosen)
    for k in range(len(STEPS) * STEP_FRAMES):
        assert len(pipeline.process(Frame(two_people(0), k, k / 25, "clip")).faces) == 2
    assert max(estimator.batches[-SETTLED_CROPS:]) == crops


class OneFace:
    """A detector whose third net gives the scores of a script, one a look."""

    BOX = np.array([[100, 100, 160, 180]], np.float32)

    def __init__(self, *looks: float) -> None:
        self.looks = list(looks)

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        return self._found(self.BOX, [1.0])

    def detect_around(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        return self._found(self.BOX[:0], [])

    def refine(self, image: np.ndarray, boxes: np.ndarray) -> Detections:
        return self._found(boxes.astype(np.float32), [self.looks.pop(0) for _ in boxes])

    @staticmethod
    def _found(boxes: np.ndarray, scores: list[float]) -> Detections:
        points = np.tile(boxes[:, None, :2], (1, 5, 1))
        return Detections(boxes, np.array(scores, np.float32), points)


@pytest.mark.parametrize(
    ("looks", "faces"),
    [((0.98,), 1), ((0.9, 0.85), 1), ((0.9, 0.7), 0), ((0.7,), 0)],
    ids=["sure at once", "sure enough twice", "not in the second look", "lost"],
)
def test_a_known_face_that_is_doubtful_is_looked_at_twice(looks, faces):
    detector = OneFace(1.0, 1.0, *looks)
    pipeline = Pipeline(cast("Detector", detector), ByBrightness(), 25.0)
    blank = np.zeros((240, 320, 3), np.uint8)
    counts = [len(pipeline.process(Frame(blank, k, k / 25, "clip")).faces) for k in range(4)]
    assert counts == [1, 1, 1, faces]
    assert not detector.looks


def test_one_who_is_lost_may_be_where_the_track_leads():
    detector = OneFace(*[0.0] * 9)  # only the search finds it, in the first three frames
    pipeline = Pipeline(cast("Detector", detector), ByBrightness(), 25.0)
    blank = np.zeros((240, 320, 3), np.uint8)
    step = np.array([6, 0, 6, 0], np.float32)
    for k in range(3):
        assert len(pipeline.process(Frame(blank, k, k / 25, "clip")).faces) == 1
        detector.BOX = detector.BOX + step
    analysis = pipeline.process(Frame(blank, 3, 3 / 25, "clip"))
    assert len(analysis.faces) == 0
    assert analysis.candidates == pytest.approx(detector.BOX, abs=3)


def test_the_pipeline_reports_how_each_frame_was_searched(two_people):
    pipeline = Pipeline(DETECTORS["mtcnn"](60, True), ByBrightness(), 25.0, Settings(2))
    searches = [pipeline.process(frame).search for frame in frames(two_people, 9)]
    assert searches == ["all", "all", "coarse", "known", "all", "known", "coarse", "known", "all"]


@pytest.mark.parametrize("settings", [Settings(60), Settings(8, budget_ms=1e-6)])
def test_with_covered_faces_every_frame_is_searched_whatever_the_other_settings(
    two_people, settings
):
    covering = replace(settings, anonymize="mask")
    pipeline = Pipeline(DETECTORS["mtcnn"](60, True), ByBrightness(), 25.0, covering)
    blank = np.full((270, 480, 3), 90, np.uint8)
    for k in range(20):
        assert pipeline.process(Frame(blank, k, k / 25, "clip")).search == "all"
    analysis = pipeline.process(Frame(two_people(0), 20, 20 / 25, "clip"))
    assert len(analysis.faces) == 2
    for x1, y1, x2, y2 in analysis.faces.boxes.astype(int):
        assert (analysis.frame.image[y1:y2, x1:x2] == MASK).all()


@pytest.mark.parametrize("anonymize", [None, "blur"])
def test_no_frame_is_painted_on(detector, two_people, anonymize):
    image = two_people(0)
    image.flags.writeable = False
    for pipeline in (
        Pipeline(detector, ByBrightness(), 25.0, Settings(anonymize=anonymize)),
        PhotoPipeline(detector, ByBrightness(), anonymize),
    ):
        analysis = pipeline.process(Frame(image, 0, 0.0, "clip"))
        assert len(analysis.faces) == 2
        assert (analysis.frame.image is image) == (anonymize is None)


def test_the_last_frame_of_a_source_waits_for_its_own_crops(two_people):
    pipeline = Pipeline(DETECTORS["mtcnn"](24, True), ByBrightness())
    only = pipeline.process(replace(frames(two_people, 1)[0], last=True)).faces
    assert only.ids.tolist() == [1, 2]
    assert np.isfinite(only.ages).all()
    assert (only.male_probs == np.float32(0.8)).all()

"""From a frame to faces with steady labels: detect, track, crop, estimate, fuse."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from demo.faces.detectors import Detector
from demo.faces.load import LoadController
from demo.faces.quality import qualities, sharpness
from demo.faces.reid import MotionReid
from demo.faces.smoothing import LabelSmoother
from demo.frames import Faces, Frame
from demo.timing import Stopwatch
from models.crops.align import crop_faces
from models.crops.spec import InputSpec
from models.detection.boxes import nms
from models.detection.mtcnn import Detections
from models.inference.calibration import age_range
from models.inference.estimator import Estimator
from trackers.sort import Sort

PHOTO_SCORE = 0.95  # a face in a photo must be this sure, as the SSR-Net authors ask for
START_SCORE = 0.9  # one that is new in a video: it has to be found again before it counts
KEEP_SCORE = 0.8  # one that is tracked may be less: heads tilt and turn
SURE_SCORE = 0.97  # but below this it has to hold when its new box is looked at again
LOST_SECONDS = 1.0  # an id outlives a gap of this length
OUTAGE_SECONDS = 10.0  # and one of the source of this length, if the face is still where it was
OUTAGE_GAPS = 3.0  # usual gaps, so that a time-lapse is no row of outages
FIRST_FRAMES = 3  # of a source: all are searched, so that nobody is missed at the start
LOST_FRAMES, LOST_EVERY = 3, 4  # a lost face is looked for at once, later now and then
SAME_FACE = 0.45  # overlap from which two boxes are one face
FALLBACK_FPS = 25.0


@dataclass(frozen=True)
class Settings:
    """`detect_every`: how often the whole frame is searched, every second time without the smallest
    faces; in between, tracked boxes are measured alone."""

    detect_every: int = 8  # frames
    min_quality: float = 0.1  # 0..1: a worse crop does not count at all
    every_crop: bool = False  # of every known face: what sparing them is measured against
    budget_ms: float | None = None  # a frame, in the mean; less is done when it is exceeded


class PendingBatch(NamedTuple):
    """What the network is working on."""

    ids: np.ndarray  # (N,)
    worth: np.ndarray  # (N,) 0..1, of the crops
    frame: int
    answers: Future[tuple[np.ndarray, np.ndarray]]  # ages (N,), probabilities of male (N,)


class Pipeline:
    """Holds the state of one source; `process` its frames in order."""

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        spec: InputSpec,
        fps: float | None,
        settings: Settings,
        stopwatch: Stopwatch,
    ) -> None:
        self._detector, self._estimator, self._spec = detector, estimator, spec
        self._settings, self._stopwatch = settings, stopwatch
        self._tracker = Sort()
        self._interval = 1 / (fps or FALLBACK_FPS)  # seconds between frames, a running mean
        self._usual_gap: float | None = None  # the same, however long they are
        self._last_time: float | None = None
        self._shape: np.ndarray | None = None  # (2,) width and height of the frames
        self._reid = MotionReid()
        self._smoother = LabelSmoother(estimator.calibration)
        self._load = LoadController(settings.budget_ms)
        self._asked: PendingBatch | None = None
        self._frames = 0  # since the start
        self._unbroken = 0  # frames since the start or the last gap
        self.possible = np.zeros((0, 4), np.float32)  # see `process`

    def process(self, frame: Frame) -> Faces:
        """The faces measured in this frame; age and gender are nan until they are known.

        `possible` then has the boxes (M, 4) of all that may be a face in it: whatever was found,
        however unsure, and where the tracks are that were not.
        """
        watch, start = self._stopwatch, time.perf_counter()
        self._keep_time(frame.time)
        self._keep_size(frame.image)
        self._tracker.predict()
        with watch.stage("detect"):
            found = self._measure(frame.image)
        with watch.stage("track"):
            ids = self._tracker.update(found.boxes)
            ids, returned = self._reid.people(ids, found.boxes, frame.time)
            tracks = self._tracker.tracks
            coasting = tracks.boxes[tracks.time_since_update > 0]
            self.possible = np.vstack([self.possible, coasting])
            faces = replace(Faces.detected(found.boxes, found.scores, found.points), ids=ids)
        with watch.stage("estimate"):
            self._smoother.doubt(returned)
            self._count_answers()
            self._ask(frame.image, faces[self._wanted(ids)])
            labels = self._smoother.labels(ids)
        self._smoother.forget(self._reid.forget(tracks.ids.tolist(), frame.time))
        self._frames += 1
        self._unbroken += 1
        self._load.spent((time.perf_counter() - start) * 1e3)
        return replace(faces, **labels._asdict())

    def _ask(self, image: np.ndarray, wanted: Faces) -> None:
        """Ask the network about these faces: it works while the next frame is searched."""
        crops = crop_faces(image, wanted.boxes, wanted.points, self._spec)
        height, width = image.shape[:2]
        worth = qualities(wanted, width, height) * sharpness(crops)
        worth[worth < self._settings.min_quality] = 0.0
        answers = self._estimator.submit(crops, self._smoother.crops(wanted.ids))
        self._asked = PendingBatch(wanted.ids, worth, self._frames, answers)

    def _count_answers(self) -> None:
        """Count what the network says of the last frame's faces, each by its crop's quality."""
        if self._asked is not None:
            ids, worth, frame, answers = self._asked
            ages, male_probs = answers.result()
            self._smoother.add(ids, ages, male_probs, worth, frame)

    def _wanted(self, ids: np.ndarray) -> np.ndarray:
        """Mask (N,) of the faces that are estimated in this frame."""
        if self._settings.every_crop:
            return ids >= 1
        return self._smoother.wants(ids, self._frames, self._load.crops)

    @property
    def _detect_every(self) -> int:
        return self._settings.detect_every * self._load.interval_factor

    def _keep_time(self, seconds: float) -> None:
        """Let an id outlive LOST_SECONDS of the source, however many frames of it we see."""
        if self._last_time is not None:
            gap = seconds - self._last_time
            if gap > LOST_SECONDS:
                self._unbroken = 0  # search at once, as at the start
            usual = gap if self._usual_gap is None else self._usual_gap
            if gap > max(OUTAGE_SECONDS, OUTAGE_GAPS * usual):
                self._tracker.clear()
            self._usual_gap = usual + 0.1 * (gap - usual)
            self._interval += 0.1 * (min(max(gap, 1e-3), LOST_SECONDS) - self._interval)
        self._last_time = seconds
        frames = round(LOST_SECONDS / self._interval)
        self._tracker.max_age = max(frames, LOST_FRAMES)

    def _keep_size(self, image: np.ndarray) -> None:
        """Expect every face where it was when a stream changes its resolution."""
        shape = np.array(image.shape[1::-1], np.float64)
        if self._shape is not None and (shape != self._shape).any():
            self._tracker.rescale(shape / self._shape)
            self._reid.rescale(shape / self._shape)
        self._shape = shape

    def _measure(self, image: np.ndarray) -> Detections:
        """Faces measured in this frame: known ones where they are expected, those lost there in
        their surroundings and, every few frames, new ones in the whole frame."""
        tracks = self._tracker.tracks
        gap = tracks.time_since_update
        due = (gap <= LOST_FRAMES) | (gap % LOST_EVERY == 0)
        expected = tracks.boxes[due]
        known, kept = self._look(image, expected)
        search, rest = divmod(self._unbroken, self._detect_every)
        if self._unbroken < FIRST_FRAMES or rest == 0:
            coarse = search % 2 == 1 and self._detect_every > 1
            found = self._detector.detect(image, coarse)
            sure = found.scores >= START_SCORE
        else:
            found = self._detector.detect_around(image, expected[~kept])
            sure = np.ones(len(found), bool)
        self.possible = np.vstack([known.boxes[kept], found.boxes])
        together = Detections.concatenate([known[kept], found[sure]])
        return together[nms(together.boxes, together.scores, SAME_FACE)]

    def _look(self, image: np.ndarray, expected: np.ndarray) -> tuple[Detections, np.ndarray]:
        """What is found at the boxes (N, 4) where faces are expected, and a mask (N,) of those that
        are still faces. The third net alone, without the two that sort out before it, believes
        too easily: a doubtful face is looked at twice."""
        known = self._detector.refine(image, expected)
        kept = known.scores >= KEEP_SCORE
        doubtful = np.flatnonzero(kept & (known.scores < SURE_SCORE))
        again = self._detector.refine(image, known.boxes[doubtful])
        kept[doubtful] = again.scores >= KEEP_SCORE
        return known, kept


class PhotoPipeline:
    """Every frame is a picture of its own: ids count its faces, nothing is smoothed."""

    def __init__(
        self, detector: Detector, estimator: Estimator, spec: InputSpec, stopwatch: Stopwatch
    ) -> None:
        self._detector, self._estimator, self._spec = detector, estimator, spec
        self._stopwatch = stopwatch
        self.possible = np.zeros((0, 4), np.float32)  # see `process`

    def process(self, frame: Frame) -> Faces:
        """The faces of the photo with ages and genders; `possible` then has the boxes (M, 4) of
        all that may be a face in it."""
        with self._stopwatch.stage("detect"):
            found = self._detector.detect(frame.image)
            self.possible = found.boxes
            found = self._detector.refine_once(frame.image, found[found.scores >= PHOTO_SCORE])
        faces = Faces.detected(found.boxes, found.scores, found.points)
        with self._stopwatch.stage("estimate"):
            crops = crop_faces(frame.image, faces.boxes, faces.points, self._spec)
            ages, male_probs = self._estimator.predict(crops)
        ids = np.arange(1, len(faces) + 1, dtype=np.int64)
        low, high = age_range(self._estimator.calibration, ages)
        return replace(faces, ids=ids, ages=ages, male_probs=male_probs, age_low=low, age_high=high)

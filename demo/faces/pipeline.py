"""From a frame to faces with steady labels: detect, track, crop, estimate, smooth, cover."""

import time
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from demo.faces.anonymize import Anonymizer
from demo.faces.cuts import CutDetector, still_there
from demo.faces.detectors import Detector
from demo.faces.load import LoadController
from demo.faces.quality import qualities, sharpness
from demo.faces.reid import MotionReid
from demo.faces.settings import Settings
from demo.faces.smoothing import LabelSmoother
from demo.frames import Analysis, Faces, Frame, Search
from demo.timing import Stopwatch
from models.crops.align import crop_faces
from models.crops.spec import InputSpec
from models.detection.boxes import nms
from models.detection.mtcnn import Detections
from models.inference.estimator import Estimator
from trackers.sort import Sort

START_SCORE = 0.9  # of a new face; it must be found again before it gets an id
KEEP_SCORE = 0.8  # of a tracked face: lower, because heads tilt and turn
SURE_SCORE = 0.97  # a tracked face below this is measured a second time
LOST_SECONDS = 1.0  # a track survives a gap of this length
OUTAGE_SECONDS = 10.0  # tracks survive an outage of the source of this length
OUTAGE_GAPS = 3.0  # or of as many usual frame intervals, for time-lapse videos
FIRST_FRAMES = 3  # frames at the start of a source that are all searched
LOST_FRAMES, LOST_EVERY = 3, 4  # a lost face is searched in 3 frames, then in every 4th
SAME_FACE = 0.45  # IoU from which two boxes are one face
FALLBACK_FPS = 25.0


class PendingBatch(NamedTuple):
    """Crops that the network is working on."""

    ids: np.ndarray  # (N,)
    quality: np.ndarray  # (N,) 0..1, of the crops
    frame: int
    predictions: Future[tuple[np.ndarray, np.ndarray]]  # ages (N,), probabilities of male (N,)


class Pipeline:
    """Finds, tracks and labels the faces of one video or camera. Call `process` for its frames in
    order. Labels lag one frame: the network works while the next frame is searched.

    >>> from demo import Options, Pipeline, load_networks, open_source
    >>> networks = load_networks(Options(), photos=False)
    >>> with open_source("assets/demo.mp4") as source:
    ...     pipeline = Pipeline(*networks, source.fps)
    ...     analyses = [pipeline.process(frame) for frame, _ in zip(source, range(5))]
    >>> [(len(each.faces), each.search) for each in analyses]
    [(2, 'all'), (2, 'all'), (2, 'all'), (2, 'known'), (2, 'known')]
    """

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        fps: float | None = None,
        settings: Settings | None = None,
        spec: InputSpec | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`fps` of the source (None: 25), `spec` of the crops (None: as the network was trained).
        Detector and estimator may serve several pipelines."""
        self._detector, self._estimator = detector, estimator
        self._spec = spec or estimator.input
        self._settings = settings or Settings()
        self._stopwatch = stopwatch or Stopwatch()
        self._cuts = CutDetector()
        self._tracker = Sort()
        self._reid = MotionReid()
        self._smoother = LabelSmoother(estimator.calibration)
        self._load = LoadController(self._settings.budget_ms)
        style = self._settings.anonymize
        self._anonymizer = None if style is None else Anonymizer(style)
        self._pending: PendingBatch | None = None
        self._interval = 1 / (fps or FALLBACK_FPS)  # seconds between frames, running mean
        self._usual_gap: float | None = None  # the same without an upper limit
        self._last_time: float | None = None
        self._shape: np.ndarray | None = None  # (2,) width and height of the frames
        self._frames = 0  # since the start
        self._unbroken = 0  # frames since the start, the last gap or the last cut
        self._shot = 1

    def process(self, frame: Frame) -> Analysis:
        """The frame, with the number of its shot, and its faces; ages and genders are nan until
        enough crops were seen. The last frame of a source waits for its own crops. With
        `Settings.anonymize`, the returned frame is a copy with covered heads."""
        watch, start = self._stopwatch, time.perf_counter()
        self._follow_time(frame.time)
        self._follow_size(frame.image)
        self._follow_cuts(frame.image)
        self._tracker.predict()
        with watch.stage("detect"):
            search = self._next_search()
            found, unsure = self._measure(frame.image, search)
        with watch.stage("track"):
            ids = self._tracker.update(found.boxes)
            ids, returned = self._reid.people(ids, found.boxes, frame.time)
            tracks = self._tracker.tracks
            faces = replace(Faces.detected(found.boxes, found.scores, found.points), ids=ids)
        with watch.stage("estimate"):
            self._smoother.doubt(returned)
            self._add_predictions()
            self._submit(frame.image, faces[self._to_estimate(ids)])
            if frame.last:
                self._add_predictions()
            labels = self._smoother.labels(ids, final=frame.last)
            faces = replace(faces, **labels._asdict())
        self._smoother.forget(self._reid.forget(tracks.ids.tolist(), frame.time))
        coasting = tracks.boxes[tracks.time_since_update > 0]
        candidates = np.vstack([unsure, coasting])
        analysis = Analysis(replace(frame, shot=self._shot), faces, candidates, search)
        if self._anonymizer:
            with watch.stage("cover"):
                analysis = self._anonymizer.cover(analysis)
        self._frames += 1
        self._unbroken += 1
        self._load.spent((time.perf_counter() - start) * 1e3)
        return analysis

    def _submit(self, image: np.ndarray, faces: Faces) -> None:
        """Let the network estimate these faces while the next frame is searched."""
        crops = crop_faces(image, faces.boxes, faces.points, self._spec)
        height, width = image.shape[:2]
        quality = qualities(faces, width, height) * sharpness(crops)
        quality[quality < self._settings.min_quality] = 0.0
        predictions = self._estimator.submit(crops, self._smoother.crops(faces.ids))
        self._pending = PendingBatch(faces.ids, quality, self._frames, predictions)

    def _add_predictions(self) -> None:
        """Add the predictions for the last frame's faces, weighted by the quality of the crops."""
        if self._pending is not None:
            ids, quality, frame, predictions = self._pending
            ages, male_probs = predictions.result()
            self._smoother.add(ids, ages, male_probs, quality, frame)

    def _to_estimate(self, ids: np.ndarray) -> np.ndarray:
        """Mask (N,) of the faces that are estimated in this frame."""
        if self._settings.every_crop:
            return ids >= 1
        return self._smoother.wants(ids, self._frames, self._load.crops)

    def _follow_time(self, seconds: float) -> None:
        """Keep tracks for LOST_SECONDS of the source, at any frame rate."""
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
        self._tracker.max_age = max(round(LOST_SECONDS / self._interval), LOST_FRAMES)

    def _follow_size(self, image: np.ndarray) -> None:
        """Scale all tracks when a stream changes its resolution."""
        shape = np.array(image.shape[1::-1], np.float64)
        if self._shape is not None and (shape != self._shape).any():
            self._tracker.rescale(shape / self._shape)
            self._reid.rescale(shape / self._shape)
        self._shape = shape

    def _follow_cuts(self, image: np.ndarray) -> None:
        """After a cut, keep only the tracks whose face is plainly still there, and start anew."""
        before = self._cuts.frame_before_cut(image)
        if before is None:
            return
        kept = still_there(before, image, self._tracker.tracks.boxes)
        self._tracker.keep(kept)
        self._reid.end_shot(self._tracker.tracks.ids.tolist())
        self._unbroken = 0
        self._shot += 1

    def _next_search(self) -> Search:
        if self._anonymizer:
            return "all"
        interval = self._settings.detect_every * self._load.interval_factor
        search, rest = divmod(self._unbroken, interval)
        if self._unbroken >= FIRST_FRAMES and rest:
            return "known"
        return "coarse" if search % 2 == 1 and interval > 1 else "all"

    def _measure(self, image: np.ndarray, search: Search) -> tuple[Detections, np.ndarray]:
        """Faces measured in this frame, and the boxes (M, 4) of everything that may be a face:
        known faces where they are expected, lost ones around there, and new ones in the whole
        frame, where this frame is searched."""
        tracks = self._tracker.tracks
        gap = tracks.time_since_update
        due = (gap <= LOST_FRAMES) | (gap % LOST_EVERY == 0)
        expected = tracks.boxes[due]
        known, kept = self._measure_known(image, expected)
        if search == "known":
            found = self._detector.detect_around(image, expected[~kept])
            sure = np.ones(len(found), bool)
        else:
            found = self._detector.detect(image, coarse=search == "coarse")
            sure = found.scores >= START_SCORE
        unsure = np.vstack([known.boxes[kept], found.boxes])
        together = Detections.concatenate([known[kept], found[sure]])
        return together[nms(together.boxes, together.scores, SAME_FACE)], unsure

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

"""From a frame to faces with steady labels: detect, track, crop, estimate, smooth, cover."""

import time
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from demo.faces.anonymize import Anonymizer
from demo.faces.cuts import OTHER_FACE, SAME_FACE, CutDetector, likeness
from demo.faces.detectors import Detector
from demo.faces.finder import LOST_FRAMES, FaceFinder, Found
from demo.faces.load import LoadController
from demo.faces.quality import qualities, sharpness
from demo.faces.reid import MotionReid
from demo.faces.settings import Settings
from demo.faces.smoothing import LabelSmoother
from demo.frames import Analysis, Faces, Frame
from demo.timing import Stopwatch
from models.crops.align import crop_faces
from models.crops.spec import InputSpec
from models.inference.estimator import Estimator
from trackers.sort import Sort

LOST_SECONDS = 1.0  # a track survives a gap of this length
OUTAGE_SECONDS = 10.0  # tracks survive an outage of the source of this length
OUTAGE_GAPS = 3.0  # or of as many usual frame intervals, for time-lapse videos
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
        self._estimator = estimator
        self._spec = spec or estimator.input
        self._settings = settings or Settings()
        self._stopwatch = stopwatch or Stopwatch()
        self._cuts = CutDetector()
        self._tracker = Sort()
        self._finder = FaceFinder(detector, self._tracker)
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
        self._ids = np.zeros(0, np.int64)  # people of the last frame
        self._shot = 1
        self._blank = False  # the last frame shows almost no structure

    def process(self, frame: Frame) -> Analysis:
        """The frame, with the number of its shot, and its faces; ages and genders are nan until
        enough crops were seen. The last frame of a source waits for its own crops. With
        `Settings.anonymize`, the returned frame is a copy with covered heads."""
        watch, start = self._stopwatch, time.perf_counter()
        self._follow_time(frame.time)
        self._follow_size(frame.image)
        self._follow_cuts(frame.image)
        with watch.stage("detect"):
            found = self._find(frame)
        with watch.stage("track"):
            boxes, scores, points = found.faces.boxes, found.faces.scores, found.faces.points
            ids, returned = self._reid.people(found.tracks, boxes, frame.time)
            faces = replace(Faces.detected(boxes, scores, points), ids=ids)
            self._ids = ids
        with watch.stage("estimate"):
            self._smoother.doubt(returned)
            self._add_predictions()
            if found.search == "predicted":
                self._pending = None
            else:
                self._submit(frame.image, faces[self._to_estimate(ids)])
            if frame.last:
                self._add_predictions()
            labels = self._smoother.labels(ids, final=frame.last)
            faces = replace(faces, **labels._asdict())
        living = self._tracker.tracks.ids.tolist()
        self._smoother.forget(self._reid.forget(living, frame.time))
        frame = replace(frame, shot=self._shot)
        analysis = Analysis(frame, faces, found.candidates, found.search)
        if self._anonymizer:
            with watch.stage("cover"):
                analysis = self._anonymizer.cover(analysis)
        self._frames += 1
        self._load.spent((time.perf_counter() - start) * 1e3)
        return analysis

    def _find(self, frame: Frame) -> Found:
        settings = self._settings
        interval = settings.detect_every * self._load.interval_factor
        steady = not settings.every_crop and not frame.last and not self._blank
        settled = steady and self._smoother.settled(self._ids)
        every_frame = self._anonymizer is not None
        return self._finder.find(frame.image, interval, settled, every_frame)

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
                self._finder.restart()
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
            self._finder.restart()  # what it keeps refers to the old size
        self._shape = shape

    def _follow_cuts(self, image: np.ndarray) -> None:
        """After a cut, keep only the tracks whose face is plainly still there, and start anew. A
        face that another one replaces from frame to frame is a cut, too: in the same set, only
        people change."""
        before, cut, self._blank = self._cuts.compare(image)
        if before is None:
            return
        tracks = self._tracker.tracks
        asked = (tracks.ids >= 1) & (cut | (tracks.time_since_update <= 1))
        like = np.full(len(asked), np.nan)
        enough = SAME_FACE if cut else OTHER_FACE
        like[asked] = likeness(before, image, tracks.boxes[asked], enough)
        replaced = like < OTHER_FACE
        if not cut and not replaced.any():
            return
        self._tracker.keep(like >= SAME_FACE if cut else ~replaced)
        self._reid.end_shot(self._tracker.tracks.ids.tolist())
        self._finder.restart()
        self._shot += 1

"""SORT: simple online and realtime tracking (Bewley et al. 2016, arXiv:1602.00763)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.boxes import area, iou
from trackers.kalman import KalmanBox

NO_ID = -1  # a box whose track is not confirmed, or that has none


@dataclass(frozen=True, eq=False)
class Tracks:
    """The current tracks, one row each, oldest first."""

    ids: np.ndarray  # (T,) int64, from 1; -1 = not confirmed yet
    boxes: np.ndarray  # (T, 4) float32, xyxy, pixels: measured and smoothed, or predicted
    time_since_update: np.ndarray  # (T,) int64, frames; 0 = measured in this frame
    reported: np.ndarray  # (T,) bool, in the paper's output of this frame


@dataclass(slots=True)
class _Track:
    kalman: KalmanBox
    id: int = NO_ID
    streak: int = 0  # consecutive measured frames that found it again, without its first
    time_since_update: int = 0
    reported: bool = False


class Sort:
    """Track boxes: call `predict` every frame, then `update` with the frame's detections, if any.

    A track is reported if `min_hits` consecutive measured frames found it again, or if it is
    measured during the first `min_hits` measured frames. Its first report confirms it and gives
    it the next free id, from 1. A miss ends the streak and with it the report, as in the paper,
    but the track keeps its id until it is deleted: a confirmed track that is found again has its
    old id at once. Frames without measurement do not end a streak.

    A track is deleted at the end of the frame in which it is unmeasured for more than `max_age`
    frames. If boxes are measured every N frames, `max_age` should be at least 2 N.
    """

    def __init__(self, max_age: int = 1, min_hits: int = 3, iou_threshold: float = 0.3) -> None:
        """Start without tracks; raise ValueError for a setting out of range."""
        if max_age < 0 or min_hits < 0:
            raise ValueError(f"max_age {max_age} and min_hits {min_hits} must not be negative")
        if not 0 < iou_threshold <= 1:
            raise ValueError(f"iou_threshold {iou_threshold} must lie above 0 and not above 1")
        self.max_age = max_age  # frames
        self.min_hits = min_hits  # measured frames
        self.iou_threshold = iou_threshold
        self._tracks: list[_Track] = []
        self._measured_frames = 0
        self._last_id = 0

    def predict(self) -> None:
        """Advance every track by one frame, after deleting those older than `max_age`."""
        self._drop_old()
        for track in self._tracks:
            track.kalman.predict()
            track.time_since_update += 1
            track.reported = False

    def update(self, boxes: np.ndarray) -> np.ndarray:
        """Match the boxes (N, 4) xyxy measured in this frame with the tracks; return their ids.

        The ids are (N,) int64, one per row of `boxes`, -1 where the track is not confirmed. A box
        without area gets no track. Raise ValueError for another shape or values not finite.
        """
        boxes = _checked(boxes)
        self._measured_frames += 1
        rows, columns = associate(boxes, self._boxes(), self.iou_threshold)
        found = {int(row): self._tracks[column] for row, column in zip(rows, columns, strict=True)}
        ids = np.full(len(boxes), NO_ID, dtype=np.int64)
        for row in np.flatnonzero(area(boxes) > 0):
            track = found.get(int(row))
            if track is None:
                track = self._start(boxes[row])
            else:
                track.kalman.update(boxes[row])
                track.streak += 1
                track.time_since_update = 0
            self._report(track)
            ids[row] = track.id
        for track in self._tracks:
            if track.time_since_update > 0:
                track.streak = 0
        self._drop_old()
        return ids

    def clear(self) -> None:
        """Delete every track; later ids continue the count."""
        self._tracks = []

    def keep(self, mask: np.ndarray) -> None:
        """Delete the tracks outside of a mask (T,) bool over the rows of `tracks`; later ids
        continue the count."""
        self._tracks = [track for track, kept in zip(self._tracks, mask, strict=True) if kept]

    def rescale(self, factor: np.ndarray) -> None:
        """Continue in frames of another size, `factor` (2,) times as wide and high."""
        for track in self._tracks:
            track.kalman.rescale(*factor)

    @property
    def tracks(self) -> Tracks:
        """All tracks of this frame, also unconfirmed ones and those that are only predicted."""
        return Tracks(
            ids=np.array([track.id for track in self._tracks], dtype=np.int64),
            boxes=self._boxes().astype(np.float32),
            time_since_update=np.array(
                [track.time_since_update for track in self._tracks], dtype=np.int64
            ),
            reported=np.array([track.reported for track in self._tracks], dtype=bool),
        )

    def _boxes(self) -> np.ndarray:
        """Return the states as boxes (T, 4) float64 xyxy."""
        return np.array([track.kalman.box for track in self._tracks]).reshape(-1, 4)

    def _start(self, box: np.ndarray) -> _Track:
        track = _Track(KalmanBox(box))
        self._tracks.append(track)
        return track

    def _report(self, track: _Track) -> None:
        """Report a track measured in this frame if it qualifies; the first report gives the id."""
        warm_up = self._measured_frames <= self.min_hits
        track.reported = warm_up or track.streak >= self.min_hits
        if track.reported and track.id == NO_ID:
            self._last_id += 1
            track.id = self._last_id

    def _drop_old(self) -> None:
        self._tracks = [track for track in self._tracks if track.time_since_update <= self.max_age]


def associate(
    boxes: np.ndarray, predicted: np.ndarray, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pair boxes (N, 4) with predicted boxes (T, 4) for the greatest sum of IoU (Hungarian).

    Return the paired rows of both, (K,) each; pairs below `iou_threshold` are left out.
    """
    overlaps = iou(boxes, predicted)  # (N, T)
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    enough = overlaps[rows, columns] >= iou_threshold
    return rows[enough], columns[enough]


def _checked(boxes: np.ndarray) -> np.ndarray:
    """Return the boxes as (N, 4) float64, or raise ValueError naming what is wrong."""
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4) xyxy, not {boxes.shape}")
    bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(bad):
        raise ValueError(f"boxes row {bad[0]} is not finite: {boxes[bad[0]].tolist()}")
    return boxes

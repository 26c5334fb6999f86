"""SORT: simple online and realtime tracking (Bewley et al. 2016, arXiv:1602.00763)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.boxes import area, iou
from trackers.kalman import KalmanBoxes

NO_ID = -1  # a box whose track is not confirmed, or that has none


@dataclass(frozen=True, eq=False)
class Tracks:
    """The current tracks, one row each, oldest first."""

    ids: np.ndarray  # (T,) int64, from 1; -1 = not confirmed yet
    boxes: np.ndarray  # (T, 4) float32, xyxy, pixels: measured and smoothed, or predicted
    time_since_update: np.ndarray  # (T,) int64, frames; 0 = measured in this frame
    reported: np.ndarray  # (T,) bool, in the paper's output of this frame


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
        self._kalman = KalmanBoxes()
        self._ids = np.zeros(0, np.int64)  # (T,) one row per track, oldest first
        self._streaks = np.zeros(0, np.int64)  # measured frames in a row that found it again
        self._gaps = np.zeros(0, np.int64)  # frames since the last measurement
        self._reported = np.zeros(0, bool)
        self._measured_frames = 0
        self._last_id = 0

    def predict(self) -> None:
        """Advance every track by one frame, after deleting those older than `max_age`."""
        self.keep(self._gaps <= self.max_age)
        self._kalman.predict()
        self._gaps += 1
        self._reported[:] = False

    def update(self, boxes: np.ndarray) -> np.ndarray:
        """Match the boxes (N, 4) xyxy measured in this frame with the tracks; return their ids.

        The ids are (N,) int64, one per row of `boxes`, -1 where the track is not confirmed. A box
        without area gets no track. Raise ValueError for another shape or values not finite.
        """
        boxes = _checked(boxes)
        self._measured_frames += 1
        rows, tracks = associate(boxes, self._kalman.boxes, self.iou_threshold)
        solid = area(boxes) > 0
        track_of = np.full(len(boxes), -1)
        track_of[rows] = tracks
        found = solid & (track_of >= 0)
        self._kalman.update(track_of[found], boxes[found])
        self._streaks[track_of[found]] += 1
        self._gaps[track_of[found]] = 0
        self._streaks[self._gaps > 0] = 0
        new = solid & (track_of < 0)
        track_of[new] = len(self._kalman) + np.arange(new.sum())
        self._start(boxes[new])
        ids = np.full(len(boxes), NO_ID, np.int64)
        for row in np.flatnonzero(solid):
            ids[row] = self._report(int(track_of[row]))
        self.keep(self._gaps <= self.max_age)
        return ids

    def clear(self) -> None:
        """Delete every track; later ids continue the count."""
        self.keep(np.zeros(len(self._kalman), bool))

    def keep(self, mask: np.ndarray) -> None:
        """Delete the tracks outside of a mask (T,) bool over the rows of `tracks`; later ids
        continue the count."""
        if mask.all():
            return
        self._kalman.keep(mask)
        self._ids, self._streaks = self._ids[mask], self._streaks[mask]
        self._gaps, self._reported = self._gaps[mask], self._reported[mask]

    def rescale(self, factor: np.ndarray) -> None:
        """Continue in frames of another size, `factor` (2,) times as wide and high."""
        self._kalman.rescale(*factor)

    @property
    def tracks(self) -> Tracks:
        """All tracks of this frame, also unconfirmed ones and those that are only predicted."""
        boxes = self._kalman.boxes.astype(np.float32)
        return Tracks(self._ids.copy(), boxes, self._gaps.copy(), self._reported.copy())

    def _start(self, boxes: np.ndarray) -> None:
        """Add tracks on boxes (N, 4)."""
        none = np.zeros(len(boxes), np.int64)
        self._kalman.add(boxes)
        self._ids = np.concatenate([self._ids, none + NO_ID])
        self._streaks, self._gaps = (np.concatenate([c, none]) for c in (self._streaks, self._gaps))
        self._reported = np.concatenate([self._reported, none.astype(bool)])

    def _report(self, track: int) -> int:
        """Report a track measured in this frame if it qualifies; the first report gives the id.
        Returns its id."""
        warm_up = self._measured_frames <= self.min_hits
        self._reported[track] = warm_up or self._streaks[track] >= self.min_hits
        if self._reported[track] and self._ids[track] == NO_ID:
            self._last_id += 1
            self._ids[track] = self._last_id
        return int(self._ids[track])


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

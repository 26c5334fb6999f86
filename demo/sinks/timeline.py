"""Faces in view over time, in memory that does not grow with the session."""

from typing import Any

import numpy as np

PIECE_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400)  # lengths that a piece can have
MAX_PIECES = 600  # then pieces are merged into longer ones
BUSIEST_PIECES = 3  # listed


class Timeline:
    """Faces in view per piece of time. Pieces get longer with the session, so that there are never
    more than MAX_PIECES."""

    def __init__(self) -> None:
        self._step = 0  # index into PIECE_SECONDS
        self.face_seconds = np.zeros(0)  # (P,) float64: seconds in view, summed over faces
        self.most = np.zeros(0, int)  # (P,) int64: the most faces at once

    @property
    def width(self) -> int:
        """Length of a piece in seconds."""
        return PIECE_SECONDS[self._step]

    def add(self, start: float, end: float, faces: int, at_once: int) -> None:
        """Count a frame with a number of faces that was in view from `start` to `end` seconds, when
        there were `at_once` faces in all sources."""
        while end >= MAX_PIECES * self.width and self._step + 1 < len(PIECE_SECONDS):
            self._lengthen()
        piece = int(min(max(start, 0.0) // self.width, MAX_PIECES - 1))
        self._grow(piece + 1)
        self.face_seconds[piece] += faces * (end - start)
        self.most[piece] = max(self.most[piece], at_once)

    def means(self, *durations: float) -> list[float]:
        """Mean number of faces in view in each piece of a session of some seconds, or of several
        sessions that were added."""
        starts = np.arange(len(self.most)) * self.width
        lengths = np.zeros(len(starts))
        for duration in durations:
            lengths += np.clip(duration - starts, 0.0, self.width)
        means = self.face_seconds / np.maximum(lengths, 1e-3)
        return [round(mean, 3) for mean in means.tolist()]

    def busiest(self) -> list[dict[str, int]]:
        """The pieces with the most faces, busiest first."""
        order = np.lexsort((np.arange(len(self.most)), -self.face_seconds.round(6), -self.most))
        return [
            {"from": int(k) * self.width, "to": (int(k) + 1) * self.width, "faces": int(n)}
            for k in order[:BUSIEST_PIECES]
            if (n := self.most[k])
        ]

    def record(self, *durations: float) -> dict[str, Any]:
        """The timeline of a session of some seconds, or of several, as in the summary's JSON."""
        return {"width": self.width, "most": self.most.tolist(), "mean": self.means(*durations)}

    def bins(self) -> dict[str, Any]:
        """The pieces, for `add_bins`."""
        seconds = self.face_seconds.round(3).tolist()
        return {"width": self.width, "face_seconds": seconds, "most": self.most.tolist()}

    def add_bins(self, bins: dict[str, Any]) -> None:
        """Add the pieces of another timeline: both begin at the same moment."""
        other = Timeline()
        other._step = PIECE_SECONDS.index(bins["width"])
        other.face_seconds = np.array(bins["face_seconds"], float)
        other.most = np.array(bins["most"], int)
        while other.width < self.width:
            other._lengthen()
        while self.width < other.width:
            self._lengthen()
        length = max(len(self.most), len(other.most))
        self._grow(length)
        other._grow(length)
        self.face_seconds += other.face_seconds
        self.most = np.maximum(self.most, other.most)

    def _grow(self, length: int) -> None:
        missing = max(length - len(self.most), 0)
        self.face_seconds = np.pad(self.face_seconds, (0, missing))
        self.most = np.pad(self.most, (0, missing))

    def _lengthen(self) -> None:
        factor = PIECE_SECONDS[self._step + 1] // self.width
        self._step += 1
        self._grow(len(self.most) + -len(self.most) % factor)
        self.face_seconds = self.face_seconds.reshape(-1, factor).sum(axis=1)
        self.most = self.most.reshape(-1, factor).max(axis=1, initial=0)

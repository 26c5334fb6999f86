"""Who was in view and when, and how many at once, in memory that does not grow with time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

GAP_SECONDS = 2.0  # one who is back sooner was in view all the time
MOST_SPANS = 50  # of a person
WIDTHS = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400)  # seconds, of the pieces of the timeline
MOST_PIECES = 600  # then they are put together
BUSIEST = 3


@dataclass
class Person:
    """One id of one source."""

    id: int
    source: str
    first: float  # seconds of the source
    last: float
    seconds: float = 0.0  # in view
    age: float | None = None  # years, the last known
    male: float | None = None  # probability
    spans: list[list[float]] = field(default_factory=list)  # [from, to] in view, seconds

    @property
    def gender(self) -> str:
        """One of "female", "male", "unknown"."""
        return "unknown" if self.male is None else "male" if self.male >= 0.5 else "female"

    def see(self, start: float, end: float) -> None:
        """Count one frame, in view from `start` to `end`."""
        self.seconds += end - start
        self.last = end
        if self.spans and (start - self.spans[-1][1] < GAP_SECONDS or self._is_full):
            self.spans[-1][1] = end
        else:
            self.spans.append([start, end])

    def record(self) -> dict[str, Any]:
        """What the .json file says of a person."""
        return {
            "id": self.id,
            "source": self.source,
            "gender": self.gender,
            "male": None if self.male is None else round(self.male, 4),
            "age": None if self.age is None else round(self.age, 2),
            "seconds": round(self.seconds, 3),
            "spans": [[round(start, 3), round(end, 3)] for start, end in self.spans],
        }

    @property
    def _is_full(self) -> bool:
        return len(self.spans) >= MOST_SPANS


class Timeline:
    """Faces in view over time, in pieces that grow with the session so that their number does not:
    the face seconds of each, and the most faces at once."""

    def __init__(self) -> None:
        self._step = 0
        self.face_seconds = np.zeros(0)
        self.most = np.zeros(0, int)

    @property
    def width(self) -> int:
        """Seconds of a piece."""
        return WIDTHS[self._step]

    def add(self, start: float, end: float, faces: int, at_once: int) -> None:
        """Count a frame of so many faces that lasts from `start` to `end` seconds, while there were
        so many `at_once` in all sources."""
        while end >= MOST_PIECES * self.width and self._step + 1 < len(WIDTHS):
            self._widen()
        piece = int(min(max(start, 0.0) // self.width, MOST_PIECES - 1))
        missing = piece + 1 - len(self.most)
        if missing > 0:
            self.face_seconds = np.pad(self.face_seconds, (0, missing))
            self.most = np.pad(self.most, (0, missing))
        self.face_seconds[piece] += faces * (end - start)
        self.most[piece] = max(self.most[piece], at_once)

    def _widen(self) -> None:
        factor = WIDTHS[self._step + 1] // self.width
        self._step += 1
        missing = -len(self.most) % factor
        self.face_seconds = np.pad(self.face_seconds, (0, missing)).reshape(-1, factor).sum(axis=1)
        self.most = np.pad(self.most, (0, missing)).reshape(-1, factor).max(axis=1, initial=0)

    def busiest(self) -> list[dict[str, int]]:
        """The pieces with most faces, busiest first."""
        order = np.lexsort((np.arange(len(self.most)), -self.face_seconds.round(6), -self.most))
        return [
            {"from": int(k) * self.width, "to": (int(k) + 1) * self.width, "faces": int(n)}
            for k in order[:BUSIEST]
            if (n := self.most[k])
        ]

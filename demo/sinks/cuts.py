"""The cuts of a session's sources, in memory that does not grow with it."""

from typing import Any

from demo.frames import Frame

MAX_CUTS = 1000  # kept with their times; more are only counted


class Cuts:
    """Counts the cuts of every source, and keeps the times of the first MAX_CUTS."""

    def __init__(self) -> None:
        self.count = 0
        self._shots: dict[str, int] = {}  # by source: number of its newest shot
        self._first: list[dict[str, Any]] = []

    def add(self, frame: Frame) -> None:
        """Count a frame's cut, if it begins a new shot."""
        cuts = frame.shot - self._shots.get(frame.source, 1)
        self._shots[frame.source] = frame.shot
        if cuts <= 0:
            return
        self.count += cuts
        if len(self._first) < MAX_CUTS:
            self._first.append({"source": frame.source, "time": round(frame.time, 3)})

    def record(self) -> list[dict[str, Any]]:
        """Source and time, in seconds, of the first MAX_CUTS cuts, as in the summary's JSON."""
        return list(self._first)

"""Where the time of a frame goes."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

WINDOW = 60  # frames
REFRESH = 10  # frames between two new lines, so that they can be read


class Stopwatch:
    """Milliseconds per stage and frame rate, over the last frames and over all."""

    def __init__(self, window: int | None = WINDOW) -> None:
        self._stages: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))
        self._sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))  # milliseconds, times
        self._finished: deque[float] = deque(maxlen=WINDOW)
        self._first = 0.0  # when the first frame was finished
        self._frames = 0
        self._line = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the `with` block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            milliseconds = (time.perf_counter() - start) * 1e3
            self._stages[name].append(milliseconds)
            self._sums[name] += (milliseconds, 1)

    def frame_done(self) -> None:
        """Count one frame."""
        self._finished.append(time.perf_counter())
        self._first = self._first if self._frames else self._finished[0]
        self._frames += 1
        if self._frames % REFRESH == 0:
            seconds = self._finished[-1] - self._finished[0]
            means = {name: float(np.mean(times)) for name, times in self._stages.items()}
            self._line = _text(len(self._finished), seconds, means)

    @property
    def line(self) -> str:
        """Frame rate and mean times of the last frames, renewed every REFRESH frames."""
        return self._line

    def summary(self) -> str:
        """Frame rate and mean times of all frames."""
        seconds = self._finished[-1] - self._first if self._frames else 0.0
        means = {name: total / times for name, (total, times) in self._sums.items()}
        return _text(self._frames, seconds, means)

    def totals(self) -> dict[str, tuple[float, int]]:
        """Milliseconds of every stage in all frames, and how often it was timed. Any thread may
        ask."""
        sums = {name: total.tolist() for name, total in list(self._sums.items())}
        return {name: (milliseconds, int(count)) for name, (milliseconds, count) in sums.items()}

    def times(self) -> dict[str, list[float]]:
        """Milliseconds of every stage in each frame of the window."""
        return {name: list(times) for name, times in self._stages.items()}


def _text(frames: int, seconds: float, means: dict[str, float]) -> str:
    """ "24.9 fps · detect 12.0 · estimate 3.1 ms"; without a rate for fewer than two frames."""
    rate = f"{(frames - 1) / seconds:.1f} fps" if frames > 1 else ""
    stages = " · ".join(f"{name} {ms:.1f}" for name, ms in means.items())
    return " · ".join(filter(None, (rate, stages and f"{stages} ms")))

"""Where the time of a frame goes."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

WINDOW = 60  # frames
REFRESH = 10  # frames between two new lines: one that flickers is not read


class Stopwatch:
    """Milliseconds a stage, over the last `window` frames, and the rate of finished frames."""

    def __init__(self, window: int | None = WINDOW) -> None:
        self._stages: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))
        self._finished: deque[float] = deque(maxlen=WINDOW)
        self._frames = 0
        self._line = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside the `with`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name].append((time.perf_counter() - start) * 1e3)

    def frame_done(self) -> None:
        """Count one frame."""
        self._finished.append(time.perf_counter())
        self._frames += 1
        if self._frames % REFRESH == 0:
            self._line = self.summary()

    @property
    def fps(self) -> float:
        """Finished frames a second; 0 before the second frame."""
        if len(self._finished) < 2:
            return 0.0
        return (len(self._finished) - 1) / (self._finished[-1] - self._finished[0])

    @property
    def line(self) -> str:
        """The summary of a moment ago, the same for some frames."""
        return self._line

    def summary(self) -> str:
        """ "24.9 fps · detect 12.0 · estimate 3.1 ms"."""
        stages = " · ".join(f"{name} {ms:.1f}" for name, ms in self.means().items())
        return f"{self.fps:.1f} fps · {stages} ms" if stages else f"{self.fps:.1f} fps"

    def means(self) -> dict[str, float]:
        """Mean milliseconds of every stage, in the order of their first run."""
        return {name: float(np.mean(times)) for name, times in self._stages.items()}

    def times(self) -> dict[str, list[float]]:
        """Milliseconds of every stage in each frame of the window (None: of all)."""
        return {name: list(times) for name, times in self._stages.items()}

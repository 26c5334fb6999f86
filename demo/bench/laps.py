"""Passes over a clip, timed side by side: the kinds take turns, and only their ratios count."""

import time
from collections.abc import Callable, Mapping
from statistics import median_high
from typing import Any, NamedTuple

from tqdm import tqdm


class Lap(NamedTuple):
    """One pass over a clip."""

    frames: int
    seconds: float
    cpu_seconds: float  # user and system, of all threads of this process

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time per frame, milliseconds."""
        return self.cpu_seconds / self.frames * 1e3


Laps = dict[str, list[Lap]]  # by kind, one per round


class Clock:
    """Times a pass from its construction on."""

    def __init__(self) -> None:
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    def lap(self, frames: int) -> Lap:
        """The pass up to now."""
        cpu_seconds = time.process_time() - self._cpu_start
        return Lap(frames, time.perf_counter() - self._start, cpu_seconds)


def run_rounds(kinds: Mapping[str, Callable[[], Lap]], runs: int, quiet: bool) -> Laps:
    """Run every kind of pass once a round, for `runs` rounds after one to warm up. `quiet`: no
    progress bar."""
    progress = tqdm(range(runs + 1), "rounds", disable=quiet)
    _, *rounds = [{kind: run() for kind, run in kinds.items()} for _ in progress]
    return {kind: [laps[kind] for laps in rounds] for kind in kinds}


def part(laps: Laps, kind: str, of: str) -> float | None:
    """Frames per second of a kind as a part of another one's, the median of the rounds: a load that
    comes and goes slows both passes of a round. None if one of them was not run."""
    if kind not in laps or of not in laps:
        return None
    return median_high(a.fps / b.fps for a, b in zip(laps[kind], laps[of], strict=True))


def figures(laps: Laps, whole: str) -> dict[str, dict[str, Any]]:
    """Medians of each kind as the report has them, with the speed as a part of the kind `whole`."""
    return {
        kind: {
            "fps": median_high(lap.fps for lap in each),
            "cpu_ms": median_high(lap.cpu_ms for lap in each),
            f"part_of_{whole}": part(laps, kind, whole),
            "fps_of_runs": [lap.fps for lap in each],
            "cpu_ms_of_runs": [lap.cpu_ms for lap in each],
        }
        for kind, each in laps.items()
    }

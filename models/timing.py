"""Measure how long work takes."""

import time
from collections.abc import Callable
from typing import Any

MAX_SECONDS = 2.0  # no further run starts after so much time


def best_seconds(work: Callable[[], Any], repeats: int = 30) -> float:
    """Shortest time of one run, in seconds: the machine's speed when nothing else disturbs it.

    Runs the work once to warm up, then up to `repeats` times, fewer if MAX_SECONDS have passed.
    """
    work()
    times: list[float] = []
    while len(times) < repeats and sum(times) < MAX_SECONDS:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)

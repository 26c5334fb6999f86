"""How long something takes."""

import time
from collections.abc import Callable
from typing import Any

ENOUGH = 2.0  # seconds of repeats


def best_seconds(work: Callable[[], Any], repeats: int = 30) -> float:
    """Shortest of several runs, fewer of long ones: what the machine can do when nothing else
    disturbs."""
    work()
    times: list[float] = []
    while len(times) < repeats and sum(times) < ENOUGH:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)

"""Made-up sessions for sinks."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from demo.frames import Faces, Frame, Timing
from demo.sinks.summary import Summary

BLANK = np.zeros((4, 4, 3), np.uint8)
FILE_TIMING = Timing(10.0, math.nan)


def faces(*rows: tuple[int, float, float]) -> Faces:
    """Faces of (id, age, male)."""
    ids, ages, male_probs = np.array(rows, float).reshape(-1, 3).T
    found = Faces.detected(np.zeros((len(ids), 4)), ids, np.zeros((len(ids), 5, 2)))
    return replace(found, ids=ids.astype(int), ages=ages, male_probs=male_probs)


def frames_of(rows: Iterable[tuple]) -> Iterator[tuple[Frame, Faces]]:
    """Frames and their faces from rows of (seconds, faces[, source])."""
    for index, (seconds, found, *source) in enumerate(rows):
        yield Frame(BLANK, index, seconds, *(source or ["clip.mp4"])), found


def summary_of(
    rows: Iterable[tuple],
    path: Path | None = None,
    photos: bool = False,
    dropped: int = 0,
    timing: Timing = FILE_TIMING,
    **options: int,
) -> Summary:
    """The closed summary of rows of (seconds, faces[, source])."""
    with Summary(path, "clip.mp4", photos, lambda: dropped, **options) as summary:
        for frame, found in frames_of(rows):
            summary.write(frame, found, timing)
    return summary


def ten_seconds() -> Iterator[tuple[float, Faces]]:
    """Ten seconds at 10 fps: 1 is there always, 2 from second 3 to 5 and 8 to 9, 3 unconfirmed."""
    for k in range(100):
        rows = [(1, 30 + k / 10, 0.1), (-1, np.nan, np.nan)]
        if 30 <= k < 50 or 80 <= k < 90:
            rows.append((2, 61, 0.9) if k % 2 else (2, np.nan, np.nan))
        yield k / 10, faces(*rows)

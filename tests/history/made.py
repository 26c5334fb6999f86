"""Made-up days for the history."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from demo.frames import Faces, Frame
from demo.history.schema import open_to_write
from demo.history.store import SAVE_MINUTE, SAVE_VISIT
from demo.history.tally import Minute, Sighting, Visit
from tests.sinks.sessions import BLANK, faces

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC, a Thursday
RANGE = 10.0  # years on each side of an age


def ranged(*rows: tuple[int, float, float]) -> Faces:
    """Faces of (id, age, male) with a range of ages."""
    found = faces(*rows)
    return replace(found, age_low=found.ages - RANGE, age_high=found.ages + RANGE)


def sighting(
    seconds: float, found: Faces, source: str = "0", dropped: int = 0, wall: float = NOON
) -> Sighting:
    """Faces so many seconds after the start of a source, which was at `wall`, moment 1000."""
    moment = 1000.0 + seconds
    return Sighting(source, seconds, moment, wall - 1000.0, dropped, found)


def frame(seconds: float, source: str = "0", live: bool = True) -> Frame:
    """A frame so many seconds after the start, captured at that moment."""
    captured = seconds if live else np.nan
    return Frame(BLANK, round(seconds * 10), seconds, source, captured)


class Clock(SimpleNamespace):
    """The module `time`, at `now` seconds after the start, which was at NOON."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return NOON + self.now


def local(text: str) -> float:
    """Seconds since 1970 of a local time."""
    return datetime.fromisoformat(text).timestamp()


def visit(  # a short way to write a visit
    number: int, text: str, seconds: float = 30.0, age: float | None = 30.0, male: float = 0.1
) -> Visit:
    """A visit that began at a local time."""
    first = local(text)
    made = Visit(number, "0", first, first + seconds, 0.0, 0.0, seconds=seconds, frames=10)
    made.age, made.male = age, male
    return made


def database(path: Path, visits: list[Visit], minutes: list[Minute]) -> Path:
    """A database with these rows."""
    with closing(open_to_write(path)) as opened:
        opened.executemany(SAVE_VISIT, (each.row for each in visits))
        opened.executemany(SAVE_MINUTE, (each.row for each in minutes))
    return path


def three_visits(path: Path) -> Path:
    """A database of two visits on the first of January 2026 with a minute, and of one on the second
    from another source."""
    seen = [
        visit(1, "2026-01-01T10:00:00", 20.0, 34.0, 0.1),
        visit(2, "2026-01-01T11:00:00", 90.0, 61.0, 0.9),
        visit(3, "2026-01-02T10:00:00", 20.0, None),
    ]
    seen[2].source = "=1+1.mp4"
    minute = Minute(int(local("2026-01-01T11:00:00")), "0", 1500, 4, 2, set(seen[:2]))
    return database(path, seen, [minute])


def rows(path: Path, query: str) -> list[tuple]:
    """What a query gives, by SQLite alone."""
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(query).fetchall()

"""Keeps the rows of a camera: a thread writes them, so that no frame waits for the disk."""

import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from demo.errors import UserError
from demo.fleet.hours import HourFiles
from demo.fleet.people import HourPeople
from demo.fleet.schema import FLEET_FACES, FLEET_PEOPLE
from demo.frames import Faces, Frame
from demo.records import csv_rows

FLUSH_SECONDS = 10.0  # for which a row waits at least
MAX_FLUSH_SECONDS = 45.0  # and at most: with the writing, less than a minute
FLUSH_SHARE = 0.01  # of a core that writing may take; files of busy hours are larger
TICK_SECONDS = 0.5  # between two looks at the clock
CLOSE_SECONDS = 3.0  # after which a disk counts as hanging
MAX_WAITING = 2_000_000  # rows that wait for the disk: about a gigabyte


def hour_of(wall: float) -> str:
    """The hour, UTC, of seconds since 1970.

    >>> hour_of(1795788000.0)
    '2026-11-27T14'
    """
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H")


class RowStore:
    """Writes faces and people of a camera's process into hourly files."""

    def __init__(self, folder: Path, part: int, flush_seconds: float = FLUSH_SECONDS) -> None:
        """`folder` of the camera. Raises OSError if it cannot be written."""
        self.people = HourPeople()
        self._part, self._least_seconds = part, flush_seconds
        self._flush_seconds = flush_seconds  # grows with the time that writing takes
        self._folder = folder
        self._face_files = HourFiles(folder, "faces", FLEET_FACES, part)
        self._people_files = HourFiles(folder, "people", FLEET_PEOPLE, part)
        self._rows: dict[str, list[list[Any]]] = defaultdict(list)  # by hour
        self._source = ""
        self._waiting_since: float | None = None  # time.monotonic() of the oldest change
        self._lock, self._end = threading.Lock(), threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="rows", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Write what is left. Raises UserError if that fails."""
        self._end.set()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            raise UserError(f"cannot write to {self._folder}: the disk does not respond")
        self._raise_error()

    def write(self, frame: Frame, faces: Faces) -> None:
        """Take a frame. Raises UserError if earlier rows could not be written."""
        self._raise_error()
        now = time.monotonic()
        wall = time.time() - now + frame.moment(now)
        hour, added = hour_of(wall), [round(wall * 1e3), self._part]
        rows = [[*row, *added] for row in csv_rows(frame, faces)]
        with self._lock:
            self.people.add(faces, frame.time, wall, hour)
            self._source = frame.source
            if rows:
                self._rows[hour] += rows
            if rows or self.people.changed:
                self._waiting_since = self._waiting_since or now
            if sum(map(len, self._rows.values())) > MAX_WAITING:
                raise UserError(f"cannot write to {self._folder}: the disk does not respond")

    def _run(self) -> None:
        try:
            while not self._end.wait(TICK_SECONDS):
                if self._due():
                    self._flush()
            self._flush()
        except OSError as error:
            self._error = error

    def _due(self) -> bool:
        """Whether rows wait too long, or for an hour that is over."""
        since = self._waiting_since
        if since is None:
            return False
        over = any(hour != hour_of(time.time()) for hour in list(self._rows))
        return over or time.monotonic() - since >= self._flush_seconds

    def _flush(self) -> None:
        began = time.thread_time()
        with self._lock:
            faces, self._rows = self._rows, defaultdict(list)
            people = self.people.take(hour_of(time.time()), self._source, self._part)
            self._waiting_since = None
        for hour, rows in faces.items():
            self._face_files.append(hour, rows)
        for hour, rows in people.items():
            self._people_files.replace(hour, rows)
        needed = (time.thread_time() - began) / FLUSH_SHARE
        self._flush_seconds = min(max(needed, self._least_seconds), MAX_FLUSH_SECONDS)

    def _raise_error(self) -> None:
        error = self._error
        if error is not None:
            raise UserError(f"cannot write to {self._folder}: {error.strerror or error}")

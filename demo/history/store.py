"""Keeps the visits of a run in a database, so that they last beyond it."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Self

from demo.errors import UserError
from demo.frames import Faces, Frame, Timing
from demo.history.schema import (
    MINUTE_COLUMNS,
    STORE_SUFFIXES,
    VISIT_COLUMNS,
    check_to_write,
    open_to_write,
    reason,
)
from demo.history.tally import Minute, Sighting, Tally, Visit
from demo.sinks.paths import check_file
from models.printable import printable

TICK_SECONDS = 1.0  # from one look at new frames to the next
CLEAN_SECONDS = 3600.0  # from one deletion of old rows to the next
DAY_SECONDS = 86400.0
MAX_WAITING = 5000  # frames that wait for the disk: about 5 MB
BUSY_SECONDS = 20  # how long another program may lock the database during the run
CLOSE_SECONDS = 30.0  # after which a disk counts as hanging

SAVE_VISIT = (
    f"INSERT OR REPLACE INTO visits ({', '.join(VISIT_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(VISIT_COLUMNS))})"
)
SAVE_MINUTE = (  # another run may have written the same minute
    f"INSERT INTO minutes ({', '.join(MINUTE_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(MINUTE_COLUMNS))}) "
    "ON CONFLICT (minute, source) DO UPDATE SET busiest = max(busiest, excluded.busiest), "
    + ", ".join(
        f"{name} = {name} + excluded.{name}" for name in MINUTE_COLUMNS[2:] if name != "busiest"
    )
)


class VisitStore:
    """A sink that keeps one row a visit and one a minute and source; see `demo.history.schema`.

    It needs little of the main loop: a thread of its own counts and writes, once a second. A
    person's visit is written within two seconds of leaving, and each minute before that; a minute
    within three seconds of its end. The first error ends the writing, and the run gets it.
    """

    def __init__(
        self,
        path: Path,
        keep_days: int | None = None,
        dropped: Callable[[str], int] = lambda source: 0,
    ) -> None:
        """Continue the database at a path that ends in .db, .sqlite or .sqlite3, or make it.

        Rows older than `keep_days` are deleted at the start and each hour. `dropped` gives the
        number of dropped frames of a source. Raises UserError if the path cannot be used.
        """
        check_file(path, STORE_SUFFIXES, "store to", replaced=True)
        check_to_write(path)
        self._path, self._keep_days, self._dropped = path, keep_days, dropped
        self._waiting: deque[Sighting] = deque()
        self._end = threading.Event()
        self._error: BaseException | None = None  # until the main thread gets it
        self._failed = False
        self._resources = ExitStack()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def __enter__(self) -> Self:
        """Open the database. Raises UserError if that fails, or if another run has it."""
        with ExitStack() as stack:
            stack.enter_context(_alone(self._path))
            self._database = stack.enter_context(closing(open_to_write(self._path)))
            self._database.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            (newest,) = self._database.execute("SELECT max(id) FROM visits").fetchone()
            self._tally = Tally((newest or 0) + 1)
            self._resources = stack.pop_all()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Write what is left and close. Raises UserError if that fails."""
        self._end.set()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            raise UserError(f"cannot store to {self._path}: the disk does not respond")
        self._raise_error()

    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Take a frame. Raises UserError if an earlier one could not be written."""
        self._raise_error()
        if self._failed:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._failed = True
            raise UserError(f"cannot store to {self._path}: the disk does not respond")
        now = time.monotonic()
        since_1970 = time.time() - now
        source, dropped = frame.source, self._dropped(frame.source)
        self._waiting.append(
            Sighting(source, frame.time, frame.moment(now), since_1970, dropped, faces)
        )

    @property
    def written(self) -> bool:
        """Whether the database was opened."""
        return self._thread.ident is not None

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, sqlite3.Error):
            raise UserError(f"cannot store to {self._path}: {reason(error)}") from None
        if error is not None:
            raise error

    def _run(self) -> None:
        """Count and write until the end; in the thread."""
        cleaned = -CLEAN_SECONDS  # by time.monotonic()
        try:
            with self._resources:
                while True:
                    now = time.monotonic()
                    if now - cleaned >= CLEAN_SECONDS:
                        self._delete_old()
                        cleaned = now
                    if self._end.wait(TICK_SECONDS):
                        break
                    self._count()
                    self._save(*self._tally.take(time.monotonic(), time.time()))
                self._count()
                self._save(*self._tally.take_all())
        except BaseException as error:  # raised again in the main thread
            self._error, self._failed = error, True

    def _count(self) -> None:
        with suppress(IndexError):  # none waits any more
            while True:
                sighting = self._waiting.popleft()
                self._tally.add(sighting._replace(source=printable(sighting.source)))

    def _save(self, visits: list[Visit], minutes: list[Minute]) -> None:
        """Write the rows in one transaction."""
        if not visits and not minutes:
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(SAVE_VISIT, (visit.row for visit in visits))
        self._database.executemany(SAVE_MINUTE, (minute.row for minute in minutes))
        self._database.execute("COMMIT")

    def _delete_old(self) -> None:
        if self._keep_days is not None:
            oldest = time.time() - self._keep_days * DAY_SECONDS
            self._database.execute("DELETE FROM visits WHERE last_seen < ?", (oldest,))
            self._database.execute("DELETE FROM minutes WHERE minute < ?", (oldest,))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other runs away from the database, which SQLite itself would let write in turn. The lock
    is one of SQLite on an empty file beside it: it works on every system and ends with the process.
    Raises UserError if another run has it."""
    file = path.with_name(f"{path.name}-lock")
    try:
        lock = sqlite3.connect(file, 0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise UserError(f"cannot store to {path}: {file}: {error}") from None
    with closing(lock):
        try:
            lock.execute("PRAGMA journal_mode = MEMORY")  # no second file
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            text = "another run writes to it: end that run, or" if busy else f"{file}: {error}:"
            raise UserError(f"cannot store to {path}: {text} name another file") from None
        try:
            yield
        finally:
            with suppress(OSError):  # Windows deletes no open file
                file.unlink()

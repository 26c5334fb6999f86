"""The database of visits: its tables, its version, and how it is opened."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from demo.errors import UserError
from demo.sinks.words import AGE_BAR_YEARS, AGE_BARS, GENDERS

STORE_SUFFIXES = {".db", ".sqlite", ".sqlite3"}
APPLICATION_ID = int.from_bytes(b"AgeS")  # `PRAGMA application_id` of every database of ours
VERSION = 1  # `PRAGMA user_version`; raise it with every change of the tables
LOCKED_SECONDS = 5.0  # how long another program may lock the database at the start
BANDS = [f"{gender}_{AGE_BAR_YEARS * k}" for gender in GENDERS for k in range(AGE_BARS)]
VISIT_COLUMNS = [
    *("id", "source", "first_seen", "last_seen", "seconds", "frames"),
    *("age", "age_low", "age_high", "male", "gender"),
]
MINUTE_COLUMNS = [
    *("minute", "source", "frames", "dropped", "busiest", "people", *GENDERS, *BANDS),
]

# Times are seconds since 1970, UTC. Bands are people in that minute: female_20 are 20 to 29 years
# old; those of unknown age are in female, male and unknown alone.
TABLES = f"""
CREATE TABLE visits (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  first_seen REAL NOT NULL,
  last_seen REAL NOT NULL,
  seconds REAL NOT NULL,
  frames INTEGER NOT NULL,
  age REAL,
  age_low REAL,
  age_high REAL,
  male REAL,
  gender TEXT NOT NULL
);
CREATE INDEX visits_by_time ON visits (first_seen);
CREATE TABLE minutes (
  minute INTEGER NOT NULL,
  source TEXT NOT NULL,
  {", ".join(f"{name} INTEGER NOT NULL" for name in MINUTE_COLUMNS[2:])},
  PRIMARY KEY (minute, source)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""


def open_to_write(path: Path) -> sqlite3.Connection:
    """The database in WAL mode, made if it is absent or empty, in autocommit mode; one thread at a
    time may use it. Raises UserError if it is another file or cannot be written."""
    with _one_line(f"cannot store to {path}"):
        database = sqlite3.connect(
            path, LOCKED_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if _is_new(database, path):
                database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing committed
            database.execute("PRAGMA secure_delete = ON")  # what --keep-days deletes is gone
            database.execute("BEGIN IMMEDIATE")  # now rather than later: is it read-only or locked?
            database.execute("ROLLBACK")
        except BaseException:
            database.close()
            raise
    return database


def check_to_write(path: Path) -> None:
    """Raise UserError if the file is there and is no database of ours; it is not changed."""
    if path.exists() and path.stat().st_size:
        with _one_line(f"cannot store to {path}"), closing(_read_only(path)) as database:
            _is_new(database, path)


@contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, read only, also while a run writes to it; any thread may use it, one at a time.

    All queries within the `with` see the same moment. Raises UserError if it is absent, another
    file or damaged.
    """
    if not path.is_file():
        raise UserError(f"cannot read {path}: there is no such file; --store of a run writes it")
    with _one_line(f"cannot read {path}"), closing(_read_only(path)) as database:
        if _is_new(database, path):
            raise UserError(f"cannot read {path}: it is empty; --store of a run fills it")
        database.execute("BEGIN")
        yield database


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing.

    Only one that may write removes the files -wal and -shm when it is the last one to close, and
    without these files in a folder that cannot be written, a database in WAL mode opens only as
    immutable.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        mode = "rw"
    else:
        mode = "ro" if path.with_name(f"{path.name}-wal").exists() else "ro&immutable=1"
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        LOCKED_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )
    database.execute("PRAGMA query_only = ON")
    return database


def _is_new(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the database is empty. Raises UserError if it holds something else than our tables of
    this version."""
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if not tables and not application and not version:
        return True
    if application != APPLICATION_ID:
        raise UserError(f"{path} is a database of another program: name another file")
    if version != VERSION:
        raise UserError(
            f"{path} has version {version} of the format, expected {VERSION}: name another file, "
            "or use the AgeStream that wrote it"
        )
    return False


@contextmanager
def _one_line(action: str) -> Iterator[None]:
    """Turn an error of SQLite into a UserError that begins with the action."""
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(f"{action}: {reason(error)}") from None


def reason(error: sqlite3.Error) -> str:
    """What went wrong, for the end of an error line."""
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another program keeps it locked: end that program"
    if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
        return "it is not a database: name another file"
    return str(error)

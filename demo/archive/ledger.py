"""The state of an archive in its folder: what is done, how often it was tried, who works on it."""

import errno
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from demo.archive.jobs import MAX_ATTEMPTS, Job
from demo.errors import UserError
from models.files import writable_folder

PARTS = ("faces", "people")  # folders of Parquet files
FOLDERS = (*PARTS, "jobs", "logs", "records")
UNFINISHED = ".unfinished"  # jobs at work, and files before they have their names
OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # of the disk, not of a file
LOCK_SECONDS = 1.0  # a driver that looks whether another one works is soon done
SUFFIXES = {".parquet", ".jsonl", ".csv", ".mp4"}  # of the files of jobs
RECORD_VERSION = 1

Record = dict[str, Any]


class RunError(UserError):
    """No job is at fault, and the run ends."""


class OutputError(RunError):
    """The folder of results cannot be written."""


class OptionsError(RunError):
    """The networks or the options cannot be used."""


class Ledger:
    """The records of jobs, `jobs/KEY.json`. A job is finished exactly when its record says "done":
    that is written last. All writing is to another name, synced and renamed."""

    def __init__(self, out: Path) -> None:
        """Nothing is created: see `prepare`."""
        self.out = out
        self.unfinished = out / UNFINISHED

    def prepare(self) -> None:
        """Create the folders. Raises OSError."""
        writable_folder(self.out)
        for name in (*FOLDERS, UNFINISHED):
            writable_folder(self.out / name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other drivers away from the folder. The system ends the lock with the process.
        Raises UserError where another one works."""
        with (self.out / ".lock").open("a") as file:
            end = time.monotonic() + LOCK_SECONDS
            while not _lock(file.fileno()):
                if time.monotonic() > end:
                    raise UserError(
                        f"another run works on {self.out}: wait for its end, or look at it with "
                        "--status"
                    )
                time.sleep(0.05)
            yield

    def busy(self) -> bool:
        """Whether a driver works on the folder now."""
        busy = False
        with suppress(OSError), (self.out / ".lock").open("r+") as file:
            busy = not _lock(file.fileno())
        return busy

    def records(self) -> dict[str, Record]:
        """All records by key, without what is large. A file that is none is ignored: its job is
        done anew."""
        found = {}
        for record in self.whole_records():
            for large in ("summary", "traceback"):
                record.pop(large, None)
            found[record["key"]] = record
        return found

    def whole_records(self) -> Iterator[Record]:
        """The records one by one, with the bins of their summaries."""
        for path in sorted((self.out / "jobs").glob("*.json")):
            record = self.read(path.stem)
            if record and record["version"] == RECORD_VERSION:
                yield record

    def read(self, key: str) -> Record | None:
        """The record of a job."""
        with suppress(OSError, ValueError):
            record: Record = json.loads(self._path(key).read_text("utf-8"))
            return record
        return None

    def write(self, key: str, record: Record) -> None:
        """Replace the record of a job. Raises OSError."""
        whole = {"version": RECORD_VERSION, "key": key, **record}
        unfinished = self.unfinished / f"{key}.{uuid.uuid4().hex[:8]}.json"
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                json.dump(whole, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path(key))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(self.out / "jobs")

    def set_attempts(self, job: Job, attempts: int, state: str, error: str = "") -> Record:
        """Record an attempt of a job that has no results: it is "running", "failed" or "waiting".
        Raises OSError."""
        record = {"state": state, "attempts": attempts, "error": error, **about(job)}
        self.write(job.key, record)
        return record

    def remove(self, key: str) -> None:
        """Remove a job and all of its files, its record first. Raises OSError."""
        self._path(key).unlink(missing_ok=True)
        for path in self.files(key):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def files(self, key: str) -> list[Path]:
        """The files and folders of a job that are there, besides its record."""
        names = [
            *(f"{folder}/{key}.parquet" for folder in PARTS),
            *(f"logs/{key}.jsonl", f"logs/{key}.csv", f"records/{key}.mp4", f"records/{key}"),
        ]
        return [path for name in names if (path := self.out / name).exists()]

    def clean(self, done: Collection[str]) -> None:
        """Remove what earlier drivers left unfinished, and the files of jobs that are not among
        the keys of those `done`. Call it while no other driver works."""
        left = [*self.unfinished.iterdir()]
        for folder in (*PARTS, "logs", "records"):
            left += [p for p in (self.out / folder).iterdir() if _key(p) not in done]
        for path in left:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def drop_unfinished(self, key: str) -> None:
        """Remove what a worker that died left of a job."""
        for path in self.unfinished.glob(f"{key}.*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.out / "jobs" / f"{key}.json"


def about(job: Job) -> Record:
    """What a record says of its job, whatever came of it."""
    paths = [item.path for item in job.items]
    return {"name": job.name, "paths": paths, "bytes": job.size, "options": job.options}


def _key(path: Path) -> str:
    """The key of the job that a file or folder belongs to."""
    return path.name.removesuffix(path.suffix) if path.suffix in SUFFIXES else path.name


def is_dead(record: Record) -> bool:
    """Whether a job is a dead letter: it failed too often to be tried again."""
    attempts: int = record["attempts"]
    return record["state"] != "done" and attempts >= MAX_ATTEMPTS


def has_failed(record: Record) -> bool:
    """Whether a job is a dead letter, or read only a part of its files."""
    return is_dead(record) or bool(record.get("faults"))


def sync(path: Path) -> None:
    """Let a file, or all files of a folder, reach the disk. Raises OSError."""
    if path.is_dir():
        for each in path.iterdir():
            sync(each)
        sync_folder(path)
        return
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the system can do that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file until it is closed; False if another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

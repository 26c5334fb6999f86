"""One job in a worker: its sources through a run, its results into the folder."""

import os
import shutil
import socket
import threading
import time
import traceback
import uuid
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from demo.archive.jobs import Job
from demo.archive.ledger import (
    OUTPUT_ERRORS,
    PARTS,
    Ledger,
    OptionsError,
    OutputError,
    Record,
    about,
    sync,
    sync_folder,
)
from demo.archive.options import ArchiveOptions
from models.errors import AgeStreamError


class _Attempt:
    """The job at work in this process. The lock is held while its end is written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.job: Job | None = None
        self.ledger = Ledger(Path())
        self.attempts = 0

    def give_back(self) -> None:
        """Do not count this attempt: the job is not at fault that it ends here."""
        if self.job:
            self.ledger.set_attempts(self.job, self.attempts - 1, "waiting")
            self.job = None


_ATTEMPT = _Attempt()


def prepare_worker() -> None:
    """Set up this process: one thread a network, since other workers have the other cores. Call it
    before anything else here."""
    os.environ["AGESTREAM_THREADS"] = "1"
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import pyarrow

    from demo.build import prepare_process

    prepare_process()
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)


def abandon() -> None:
    """End this process at once, in any thread: its driver is gone. The attempt does not count."""
    with _ATTEMPT.lock:
        with suppress(OSError):
            _ATTEMPT.give_back()
        os._exit(1)


def work(job: Job, options: ArchiveOptions) -> Record:
    """Do a job and return its record, "done" or "failed", which is in the folder by then.

    The attempt is counted before the files are touched. Whatever is wrong with them or with our
    code is an `error` in the record. Raises RunError where the folder cannot be written or the
    options cannot be used.
    """
    from demo.archive.annotate import annotate

    ledger = Ledger(options.out)
    _check_options(options, job.photos)
    began = time.monotonic()
    folder = ledger.unfinished / f"{job.key}.{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
        former = ledger.read(job.key)
        attempts = (former["attempts"] if former else 0) + 1
        ledger.set_attempts(job, attempts, "running")
    except OSError as error:
        raise _output_error(options.out, str(error.strerror)) from None
    with _ATTEMPT.lock:
        _ATTEMPT.job, _ATTEMPT.ledger, _ATTEMPT.attempts = job, ledger, attempts
    try:
        found = annotate(job, options, folder)
        found |= {
            "duration": round(time.monotonic() - began, 3),
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
            "host": socket.gethostname(),
        }
        record = {
            "state": "done",
            "attempts": attempts,
            "error": "",
            **about(job),
            **found,
        }
        with _ATTEMPT.lock:
            _publish(ledger, job, folder, record)
            _ATTEMPT.job = None
        return record
    except Exception as error:  # bad files and bugs must not end the run
        return _failed(ledger, job, folder, error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=2)
def _check_options(options: ArchiveOptions, photos: bool) -> None:
    """Load the networks. Raises OptionsError if they, or the options, cannot be used."""
    from demo.networks import crop_spec, kept_networks, new_pipeline

    try:
        networks = kept_networks(options.run)(photos)
        spec = crop_spec(options.run, networks.estimator.manifest)
        if not photos:
            new_pipeline(options.run, networks, spec)
    except AgeStreamError as error:
        raise OptionsError(str(error)) from None


def _failed(ledger: Ledger, job: Job, folder: Path, error: Exception) -> Record:
    """The record of a failed attempt. Raises OutputError where the folder is at fault.

    Where the job's own folder is gone, a driver took this worker for dead and removed it. The job
    is another worker's by now, and nothing is recorded."""
    with _ATTEMPT.lock:
        if reason := _output_fault(ledger.out, error):
            with suppress(OSError):
                _ATTEMPT.give_back()
            raise _output_error(ledger.out, reason) from None
        _ATTEMPT.job = None
        known = isinstance(error, AgeStreamError)
        line = str(error) if known else _line(error)
        record = {
            "state": "failed",
            "attempts": _ATTEMPT.attempts,
            "error": line,
            "traceback": "" if known else traceback.format_exc(),
            **about(job),
        }
        if not folder.is_dir():
            return record
        try:
            ledger.write(job.key, record)
        except OSError as unwritten:
            raise _output_error(ledger.out, str(unwritten.strerror)) from None
        return record


def _line(error: Exception) -> str:
    first = str(error).partition("\n")[0]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'disk'}: {error.strerror}"
    return f"{type(error).__name__}: {first}"


def _output_fault(out: Path, error: BaseException) -> str:
    """Why the folder of results cannot be written, from an error of the job; "" if it can."""
    if not out.is_dir():
        return "the folder is gone"
    linked: BaseException | None = error
    while linked:
        if isinstance(linked, OSError) and linked.errno in OUTPUT_ERRORS:
            return os.strerror(linked.errno)
        linked = linked.__context__
    return next((os.strerror(n) for n in OUTPUT_ERRORS if os.strerror(n) in str(error)), "")


def _output_error(out: Path, reason: str) -> OutputError:
    return OutputError(f"cannot write to {out}: {reason}. The same command continues later")


def _publish(ledger: Ledger, job: Job, folder: Path, record: Record) -> None:
    """Give the files of a job their names, in place of those that it replaces, and its record the
    last word. Raises OSError, also where a driver took this worker for dead: see `_failed`."""
    folder.stat()
    targets = {
        **{folder / f"{part}.parquet": f"{part}/{job.key}.parquet" for part in PARTS},
        **{folder / f"log.{kind}": f"logs/{job.key}.{kind}" for kind in ("jsonl", "csv")},
        folder / "record.mp4": f"records/{job.key}.mp4",
        folder / "record": f"records/{job.key}",
    }
    made = {path: ledger.out / name for path, name in targets.items() if path.exists()}
    for path in made:
        sync(path)
    for key in (*job.replaces, job.key):
        _remove_files(ledger, key, keep_record=key == job.key)
    for path, target in made.items():
        path.replace(target)
    for parent in {target.parent for target in made.values()}:
        sync_folder(parent)
    ledger.write(job.key, record)


def _remove_files(ledger: Ledger, key: str, keep_record: bool) -> None:
    if not keep_record:
        ledger.remove(key)
    elif (ledger.out / "records" / key).is_dir():  # a folder is not replaced by a rename
        shutil.rmtree(ledger.out / "records" / key)

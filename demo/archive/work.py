"""One job in a worker: its sources through a run, its results into the folder."""

import errno
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import traceback
import uuid
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from demo import __version__
from demo.archive.jobs import Item, Job, folder_of
from demo.archive.ledger import PARTS, Ledger, OutputError, Record, about, sync, sync_folder
from demo.archive.options import ArchiveOptions
from demo.errors import UserError
from models.errors import AgeStreamError

BEAT_SECONDS = 1.0  # between two notes of how far a job is
OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # of the disk, not of a file


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

    The attempt is counted before anything else. Whatever is wrong with the files or with our code
    is an `error` in the record. Raises OutputError where the folder cannot be written.
    """
    ledger = Ledger(options.out)
    began = time.monotonic()
    try:
        former = ledger.read(job.key)
        attempts = (former["attempts"] if former else 0) + 1
        ledger.set_attempts(job, attempts, "running")
    except OSError as error:
        raise _output_error(options.out, str(error.strerror)) from None
    with _ATTEMPT.lock:
        _ATTEMPT.job, _ATTEMPT.ledger, _ATTEMPT.attempts = job, ledger, attempts
    folder = ledger.unfinished / f"{job.key}.{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
        found = _run(job, options, folder)
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
        return _failed(ledger, job, error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _failed(ledger: Ledger, job: Job, error: Exception) -> Record:
    """The record of a failed attempt. Raises OutputError where the folder is at fault."""
    with _ATTEMPT.lock:
        if reason := _output_fault(ledger.out, error):
            with suppress(OSError):
                _ATTEMPT.give_back()
            raise _output_error(ledger.out, reason) from None
        _ATTEMPT.job = None
        if (now := ledger.read(job.key)) and now["state"] == "done":
            return now  # by another worker, of a driver that took this one for lost
        line = str(error) if isinstance(error, AgeStreamError) else _line(error)
        record = {
            **ledger.set_attempts(job, _ATTEMPT.attempts, "failed", line),
            "traceback": "" if isinstance(error, AgeStreamError) else traceback.format_exc(),
        }
        with suppress(OSError):
            ledger.write(job.key, record)
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


def _run(job: Job, options: ArchiveOptions, folder: Path) -> Record:
    """Run the sources of a job; its files are in the folder then. Returns the record's results."""
    from demo.archive.bundle import BundleSource
    from demo.archive.parts import PartWriter
    from demo.build import build_run
    from demo.networks import kept_networks
    from demo.sources.base import Source
    from demo.sources.open import open_source

    def opener(name: str, give_up: float) -> Source:
        if job.photos:
            return BundleSource(name, paths, [item.name for item in job.items], job.first)
        source = open_source(str(paths[0]))
        source.name = job.name
        return source

    metadata = {"agestream.job": job.key, "agestream.version": __version__}
    with ExitStack() as stack:
        paths = _local_paths(job, stack)
        run = stack.enter_context(
            build_run(
                _run_options(job, options, folder),
                networks=kept_networks(options.run),
                opener=opener,
            )
        )
        parts = stack.enter_context(PartWriter(folder, run.photos, metadata))
        beat = _Beat(job, run.count, folder)
        with closing(iter(run.session)) as analyses:
            for analysis in analyses:
                parts.write(analysis.frame, analysis.faces)
                beat.frame()
        (source,) = run.sources
        faults = [] if run.session.result.quit else run.session.result.failures
        if isinstance(source, BundleSource):
            faults = source.errors
        summary = run.outputs.summary
    _check_unchanged(job)
    return {
        "photos": run.photos,
        "frames": summary.frames,
        "people": len(parts.people),
        "faces": parts.faces,
        "seconds": round(summary.duration, 3),
        "faults": faults,
        "summary": summary.bins(),
    }


def _run_options(job: Job, options: ArchiveOptions, folder: Path) -> Any:
    """The options of the run, with its outputs in the folder."""
    name = job.name if not job.photos else folder_of(job.items[0].name)
    output = None
    if options.record:
        output = folder / ("record" if job.photos else "record.mp4")
    return replace(
        options.run,
        sources=(name,),
        display=False,
        log=folder / f"log.{options.log}" if options.log else None,
        output=output,
        output_folder=job.photos,
    )


def _local_paths(job: Job, stack: ExitStack) -> list[Path]:
    """The files of a job on this machine; addresses are copied until the stack ends. Raises
    UserError."""
    if not any(item.remote for item in job.items):
        return [Path(item.path) for item in job.items]
    copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agestream-")))
    return [_copied(item, copies / str(k)) for k, item in enumerate(job.items)]


def _copied(item: Item, folder: Path) -> Path:
    from fsspec.core import url_to_fs

    from demo.sources.net.redact import redact

    folder.mkdir()
    copy = folder / item.path.partition("::")[0].rpartition("/")[2]
    try:
        system, path = url_to_fs(item.path)
        system.get_file(path, str(copy))
    except Exception as error:  # the drivers' errors share no base class
        if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS:
            raise
        reason = redact(str(error).partition("\n")[0]) or type(error).__name__
        raise UserError(f"cannot read {item.name}: {reason}") from None
    return copy


def _check_unchanged(job: Job) -> None:
    """Raise UserError if a file is not the one that was found: somebody writes to it."""
    for item in job.items:
        if item.remote:
            continue
        with suppress(OSError):  # gone by now: its results are right
            status = os.stat(item.path)
            if (status.st_size, str(status.st_mtime_ns)) != (item.size, item.version):
                raise UserError(f"{item.name} changed while it was read: run the command again")


class _Beat:
    """Notes in the folder of a job at work how far it is."""

    def __init__(self, job: Job, total: int | None, folder: Path) -> None:
        self._path = folder / "running.json"
        self._about: dict[str, Any] = {"name": job.name, "total": total, "bytes": job.size}
        self._about |= {"host": socket.gethostname(), "pid": os.getpid(), "began": time.time()}
        self._frames, self._due = 0, 0.0

    def frame(self) -> None:
        """Count a frame."""
        self._frames += 1
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + BEAT_SECONDS
            beside = self._path.with_suffix(".new")  # no reader sees half a note
            beside.write_text(json.dumps({**self._about, "frames": self._frames}))
            beside.replace(self._path)


def _publish(ledger: Ledger, job: Job, folder: Path, record: Record) -> None:
    """Give the files of a job their names, in place of those that it replaces, and its record the
    last word. Raises OSError."""
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

"""The process of one camera: its run, its rows, and its reports."""

import _thread
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from demo.errors import UserError
from demo.events import Event
from demo.fleet.camera import Camera
from demo.fleet.report import Report
from demo.options import Options
from models.errors import AgeStreamError

if TYPE_CHECKING:
    from demo.build import Run
    from demo.session import Session
    from demo.sources.base import Source

REPORT_SECONDS = 0.5
RATE_SECONDS = 3.0  # over which the frame rate is measured
SPARE_SECONDS = 2.0  # for which a spare process leaves the cores to the camera that starts
LOG = "log.txt"
MAX_LOG = 2_000_000  # bytes; then the log begins anew, and the old one is kept as log.old.txt


class _Stop:
    """Lets a signal end the run between two frames, never while rows are added."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.writing = self._wanted = False

    def handle(self, number: int, frame: object) -> None:
        """The signal handler. Raises KeyboardInterrupt, now or after the frame."""
        if self.writing:
            self._wanted = True
        elif self.session is None or not self.session.defer_interrupt():
            raise KeyboardInterrupt

    def written(self) -> None:
        """The rows of a frame are added."""
        self.writing = False
        if self._wanted:
            raise KeyboardInterrupt


class _Reporter:
    """Sends what is known of the run, twice a second."""

    def __init__(self, connection: Connection) -> None:
        self.now = Report(pid=os.getpid(), host=socket.gethostname())
        self._connection, self._lock = connection, threading.Lock()
        self._frames: deque[tuple[float, int]] = deque()  # time.monotonic(), frames until then
        threading.Thread(target=self._run, name="reporter", daemon=True).start()

    def notify(self, event: Event) -> None:
        """Take an event of the run."""
        state = {"lost": "lost", "back": "running"}.get(event.kind, self.now.state)
        text = self.now.error if event.kind in ("info", "back") else event.text
        self.now = replace(self.now, state=state, error=text)
        say(event.text)

    def send(self) -> None:
        """Send a report; a driver that is gone does not matter."""
        with self._lock, suppress(OSError):
            self._connection.send(replace(self.now, fps=self._rate()))

    def _run(self) -> None:
        while not self.now.ended:
            self.send()
            time.sleep(REPORT_SECONDS)

    def _rate(self) -> float:
        now = time.monotonic()
        self._frames.append((now, self.now.frames))
        while now - self._frames[0][0] > RATE_SECONDS:
            self._frames.popleft()
        then, before = self._frames[0]
        return (self.now.frames - before) / (now - then) if now > then else 0.0


def say(line: str) -> None:
    """Write a line to the camera's log."""
    with suppress(OSError):  # a full disk
        sys.stderr.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")
        sys.stderr.flush()


def watch(connection: Connection, threads: int, likely: Options) -> None:
    """Run a camera until the driver stops it, or is gone. It is the `target` of a process.

    The connection gives the camera and its folder; until then the process is a spare one.
    `threads` of each network; `likely`: options whose networks a spare process loads. The last
    report says why it ended.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the driver, who stops all
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        connection.poll(SPARE_SECONDS)
        _prepare(threads, likely)
        camera, folder = connection.recv()
        _watch(camera, folder, connection)


def _watch(camera: Camera, folder: Path, connection: Connection) -> None:
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop.handle)
    reporter, error = _Reporter(connection), ""
    try:
        threading.Thread(target=_await_end, args=(connection,), daemon=True).start()
        _open_log(folder)
        _run(camera, folder, stop, reporter)
        error = "the stream ended"
    except KeyboardInterrupt:
        pass
    except AgeStreamError as mistake:
        error = str(mistake)
    except OSError as mistake:
        error = f"{mistake.filename or 'disk'}: {mistake.strerror or type(mistake).__name__}"
    except Exception as bug:
        error = f"{type(bug).__name__}: {str(bug).partition(chr(10))[0]} (see {folder / LOG})"
        say(traceback.format_exc())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if error:
        say(error)
    reporter.now = replace(reporter.now, error=error or reporter.now.error, ended=True)
    reporter.send()


def _await_end(connection: Connection) -> None:
    """Interrupt the main thread when the driver says so, or is gone."""
    with suppress(EOFError, OSError):
        connection.recv()
    if os.name == "nt":
        _thread.interrupt_main(signal.SIGTERM)
    else:  # also ends a wait for a lock
        os.kill(os.getpid(), signal.SIGTERM)


def _prepare(threads: int, likely: Options) -> None:
    """Set up this process, and load what a run needs: that takes most of its start."""
    os.environ["AGESTREAM_THREADS"] = str(threads)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import pyarrow.parquet

    from demo.build import prepare_process
    from demo.networks import kept_networks

    prepare_process()
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    with suppress(AgeStreamError):  # the run of the camera says so
        kept_networks(likely)(False)


def _open_log(folder: Path) -> None:
    """Let all that this process prints go to the log of its camera. Raises OSError."""
    log = folder / LOG
    with suppress(FileNotFoundError):
        if log.stat().st_size > MAX_LOG:
            log.replace(folder / "log.old.txt")
    with log.open("ab") as file:  # also for what libraries print
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", closefd=False, errors="backslashreplace")


def _run(camera: Camera, folder: Path, stop: _Stop, reporter: _Reporter) -> None:
    """Take the frames of the camera. Raises what a run raises, and KeyboardInterrupt."""
    from demo.build import build_run
    from demo.fleet.hours import claim_part
    from demo.fleet.rows import RowStore
    from demo.networks import kept_networks

    part = claim_part(folder)
    reporter.now = replace(reporter.now, part=part)
    with ExitStack() as stack:
        run = stack.enter_context(
            build_run(
                _options(camera, folder, part),
                reporter.notify,
                kept_networks(camera.options),
                opener=lambda spec, give_up: _opened(camera, spec, give_up),
            )
        )
        reporter.now = replace(reporter.now, link=_link(run))
        stop.session = run.session
        analyses = stack.enter_context(closing(iter(run.session)))
        with RowStore(folder, part) as store:  # it ends first: rows are worth most
            for analysis in analyses:
                stop.writing = True
                store.write(analysis.frame, analysis.faces)
                reporter.now = replace(
                    reporter.now,
                    state="running",
                    frames=reporter.now.frames + 1,
                    people=store.people.count,
                    in_view=store.people.in_view,
                )
                stop.written()
        if run.session.result.failures:
            raise UserError(run.session.result.failures[0])


def _opened(camera: Camera, spec: str, give_up: float) -> "Source":
    """The source, under the name of the camera. Raises UserError."""
    from demo.sources.open import open_source

    source = open_source(spec, give_up)
    if not source.live:
        source.close()
        raise UserError(f"{source.name} is a file: for files use python -m demo.archive")
    source.name = camera.name
    return source


def _options(camera: Camera, folder: Path, part: int) -> Options:
    """The options of the run, with its outputs in the folder."""
    from demo.fleet.rows import hour_of

    output = None
    if camera.record:
        (folder / "records").mkdir(exist_ok=True)
        output = folder / "records" / f"{hour_of(time.time())}.{part:05d}.mkv"
    store = folder / "visits.db" if camera.store else None
    return replace(camera.options, output=output, store=store)


def _link(run: "Run") -> str:
    """The address of the page, as other machines reach it."""
    from demo.web.addresses import machine_address, parse_address

    if run.server is None or run.options.serve is None:
        return ""
    machine = machine_address()
    if machine and parse_address(run.options.serve).everywhere:
        return run.server.url.replace("//127.0.0.1:", f"//{machine}:")
    return run.server.url

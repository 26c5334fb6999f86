"""The local engine: a process of this machine for each camera."""

import multiprocessing
import signal
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from demo.fleet.camera import Camera
from demo.fleet.engines import CameraProcess
from demo.fleet.report import Report
from demo.fleet.worker import watch
from demo.options import Options
from demo.signals import interrupts_blocked


class LocalEngine:
    """Starts processes, and keeps a spare one that has loaded everything: on a busy machine, a
    camera is back seconds sooner."""

    def __init__(self) -> None:
        self._spare: LocalProcess | None = None

    def __call__(self, camera: Camera, folder: Path, threads: int) -> CameraProcess:
        """An `Engine`. Raises OSError."""
        spare, self._spare = self._spare, None
        process = spare if spare and spare.alive else LocalProcess(threads, camera.options)
        process.watch(camera, folder)
        self._spare = LocalProcess(threads, camera.options)
        return process


class LocalProcess:
    """A process for a camera, from its construction on."""

    def __init__(self, threads: int, likely: Options) -> None:
        """Start it. Raises OSError."""
        context = multiprocessing.get_context("spawn")
        self._connection: Connection
        self._connection, other = context.Pipe()
        self._last = Report()
        self._process = context.Process(target=watch, args=(other, threads, likely), name="camera")
        self._process.daemon = True
        with interrupts_blocked():
            self._process.start()
        other.close()  # its end is here once that of the process is closed

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def watch(self, camera: Camera, folder: Path) -> None:
        """Let it watch a camera, which it keeps. Raises OSError."""
        self._connection.send((camera, folder))

    def poll(self) -> Report:
        """The newest report; `ended` is set once all files are complete, or there is no process."""
        gone = not self._process.is_alive()  # before the reading: then nothing else comes
        with suppress(EOFError, OSError):
            while self._connection.poll():
                self._last = self._connection.recv()
        if gone and not self._last.ended:
            self._last = _ended(self._last, self._process.exitcode)
        return self._last

    def stop(self) -> None:
        """Let it end after the frame, with all files complete."""
        with suppress(OSError):
            self._connection.send("stop")

    def kill(self) -> None:
        """End it now, if it did not end by itself."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _ended(report: Report, code: int | None) -> Report:
    """The last report of a process that could not send it."""
    text = f"the process ended with exit code {code}: see its log"
    if code is not None and code < 0:
        with suppress(ValueError):
            text = f"the process was killed ({signal.Signals(-code).name})"
    return replace(report, error=text, ended=True, fps=0.0, in_view=0)

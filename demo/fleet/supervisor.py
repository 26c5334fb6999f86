"""Keeps each camera's process alive: it is started again, after growing pauses, where it dies."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.errors import UserError
from demo.fleet.camera import Camera
from demo.fleet.engines import CameraProcess, Engine
from demo.fleet.report import Report
from models.files import writable_folder

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between a death and the next start
GOOD_SECONDS = 60.0  # of frames, after which the next wait is the first one again
HANG_SECONDS = 60.0  # without a frame of a stream that is not lost: the process hangs
STOP_SECONDS = 4.0  # for processes to end by themselves
STOP_POLL_SECONDS = 0.02


class WatchedCamera:
    """A camera with its process, if it has one now."""

    def __init__(self, camera: Camera, folder: Path, engine: Engine, threads: int) -> None:
        """Nothing is started before the first `tick`."""
        self.camera, self._folder = camera, folder
        self._engine, self._threads = engine, threads
        self._process: CameraProcess | None = None
        self._report = Report()
        self._due = 0.0  # time.monotonic() of the next start
        self._wait = FIRST_WAIT  # before the start after the next death
        self._good_since: float | None = None  # time.monotonic(): frames come since then
        self._people = self._frames = 0  # of earlier processes
        self._starts = 0
        self._moved = 0.0  # time.monotonic() of the last change of state or frames
        self._state, self._since, self._error = "starting", time.time(), ""

    @property
    def ended(self) -> bool:
        """Whether it has no process."""
        return self._process is None

    def tick(self) -> None:
        """Look after the process, and start one if it is time. Call it several times a second."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now)
            return
        before, self._report = self._report, self._process.poll()
        if (self._report.state, self._report.frames) != (before.state, before.frames):
            self._moved = now
        if self._report.state != "lost" and now - self._moved >= HANG_SECONDS:
            text = f"no frame for {HANG_SECONDS:.0f} s: its process was ended"
            self._report = replace(self._report, error=text, ended=True)
        if self._report.ended:
            self._end(now)
            return
        if self._report.error != before.error:
            self._error = self._report.error
        self._set_state(self._report.state)
        self._reset_wait(now)

    def stop(self) -> None:
        """Let its process end."""
        if self._process:
            self._process.stop()
            self._set_state("stopping")

    def note_end(self) -> None:
        """Note that its process ended by itself after `stop`."""
        if self._process:
            self._report = self._process.poll()
            if self._report.ended:
                self._release("stopped")

    def kill(self) -> None:
        """End its process now."""
        if self._process:
            self._error = "it did not end in time"
            self._release("stopped")

    def row(self) -> dict[str, Any]:
        """How the camera is, with plain values; times are ISO 8601, UTC."""
        report = self._report
        moment = datetime.fromtimestamp(self._since, UTC)
        return {
            "camera": self.camera.name,
            "state": self._state,
            "fps": round(report.fps, 1),
            "people": self._people + report.people,
            "in_view": report.in_view,
            "frames": self._frames + report.frames,
            "restarts": max(self._starts - 1, 0),
            "error": self._error,
            "since": moment.isoformat(timespec="milliseconds"),
            "link": report.link,
            "part": report.part,
            "pid": report.pid,
            "host": report.host,
        }

    def _start(self, now: float) -> None:
        self._starts += 1
        self._report, self._good_since, self._moved = Report(), None, now
        try:
            writable_folder(self._folder)
            self._process = self._engine(self.camera, self._folder, self._threads)
            self._set_state("starting")
        except UserError as error:
            self._fail(now, str(error))
        except OSError as error:
            self._fail(now, f"{error.filename or 'system'}: {error.strerror}")

    def _end(self, now: float) -> None:
        text = self._report.error or "it ended"
        self._release("waiting")
        self._fail(now, text)

    def _fail(self, now: float, text: str) -> None:
        self._error, self._due = text, now + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._set_state("waiting")

    def _release(self, state: str) -> None:
        """Release the process, and keep what it counted."""
        if self._process:
            self._process.kill()
        self._process = None
        self._people += self._report.people
        self._frames += self._report.frames
        self._report = replace(self._report, people=0, frames=0, in_view=0, fps=0.0, link="", pid=0)
        self._set_state(state)

    def _reset_wait(self, now: float) -> None:
        """Forget earlier deaths after enough frames."""
        good = self._report.state == "running"
        self._good_since = (self._good_since or now) if good else None
        if self._good_since and now - self._good_since >= GOOD_SECONDS:
            self._wait = FIRST_WAIT

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()


def watch_all(cameras: Sequence[Camera], out: Path, engine: Engine) -> list[WatchedCamera]:
    """The cameras of a fleet, each with a folder in `out`. They share the cores."""
    threads = max((os.cpu_count() or 1) // len(cameras), 1)
    return [WatchedCamera(camera, out / camera.name, engine, threads) for camera in cameras]


def stop_all(watched: Sequence[WatchedCamera]) -> None:
    """End all processes within STOP_SECONDS, and let them complete their files."""
    for each in watched:
        each.stop()
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end and not all(each.ended for each in watched):
        for each in watched:
            each.note_end()
        time.sleep(STOP_POLL_SECONDS)
    for each in watched:
        each.kill()

"""How far an archive is: a bar, a status file for a second terminal, lines for programs."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from demo.archive.ledger import Ledger, Record
from demo.archive.run import Plan
from demo.errors import UserError
from demo.sinks.words import clock, some
from models.files import atomic_write
from models.printable import printable

REFRESH_SECONDS = 1.0
FILE_SECONDS = 10.0  # between two lines of the bar where no terminal shows it
STATUS = "archive.json"
BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class Progress:
    """Counts what a run does. The file archive.json is renewed each second by a thread."""

    def __init__(self, ledger: Ledger, plan: Plan, workers: int, bar: bool) -> None:
        from tqdm import tqdm

        self._ledger, self.workers, self._live = ledger, workers, sys.stderr.isatty()
        self.done, self.failed = len(plan.done), len(plan.dead)
        self.faults = sum(len(record["faults"]) for record in plan.done)
        self.total = self.done + self.failed + len(plan.waiting)
        self.frames = self.people = self.faces = 0  # of this run
        self._bytes, self._bytes_done = sum(job.size for job in plan.waiting), 0
        self._began, self._started = time.monotonic(), time.time()
        self._bar = tqdm(
            total=self.total,
            initial=self.done + self.failed,
            desc="archive: ",
            bar_format=BAR,
            disable=not bar,
            mininterval=0.1 if self._live else FILE_SECONDS,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._write("running")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._bar.set_postfix_str(self._line(), refresh=False)
        self._bar.close()
        with suppress(OSError):
            self._write("ended")

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def add(self, record: Record, again: bool) -> None:
        """Count the end of an attempt; where another one follows, the job still waits."""
        if again:
            return
        done = record["state"] == "done"
        self.done, self.failed = self.done + done, self.failed + (not done)
        self.faults += len(record.get("faults", ()))
        self.frames += record.get("frames", 0)
        self.people += record.get("people", 0)
        self.faces += record.get("faces", 0)
        self._bytes_done += record["bytes"]
        self._bar.update()

    def record(self, state: str = "running") -> dict[str, Any]:
        """The figures of the run."""
        running = list(running_jobs(self._ledger.unfinished))
        frames = self.frames + sum(job["frames"] for job in running)
        return {
            "state": state,
            "pid": os.getpid(),
            "started": round(self._started, 1),
            "seconds": round(self.seconds, 1),
            "workers": self.workers,
            "jobs": self.total,
            "done": self.done,
            "failed": self.failed,
            "faults": self.faults,
            "frames": frames,
            "frames_per_second": round(frames / max(self.seconds, 1e-3), 1),
            "people": self.people,
            "seconds_left": self._left(running),
        }

    def _left(self, running: list[dict[str, Any]]) -> float | None:
        """Seconds to the end, by the bytes that are done; None where nothing is yet."""
        done = float(self._bytes_done)
        for job in running:
            if job["total"]:
                done += job["bytes"] * min(job["frames"] / job["total"], 1.0)
        if not done:
            return None
        return round(max(self._bytes - done, 0.0) / done * self.seconds, 1)

    def _line(self) -> str:
        now = self.record()
        parts = [f"{now['frames_per_second']:.0f} frames/s", some(self.people, "person")]
        parts.append(some(self.workers, "worker"))
        if now["seconds_left"]:
            parts.append(f"{clock(now['seconds_left'])} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def _refresh(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            self._bar.set_postfix_str(self._line(), refresh=self._live)
            with suppress(OSError):  # the driver finds out when it writes a record
                self._write("running")

    def _write(self, state: str) -> None:
        with atomic_write(self._ledger.out / STATUS) as unfinished:
            unfinished.write_text(json.dumps(self.record(state)))


def running_jobs(unfinished: Path) -> Iterator[dict[str, Any]]:
    """What jobs at work note of themselves."""
    for path in sorted(unfinished.glob("*/running.json")):
        with suppress(OSError, ValueError):
            yield json.loads(path.read_text())


def status_lines(ledger: Ledger) -> Iterator[str]:
    """The state of a folder in a few lines, from its files alone. Raises UserError."""
    try:
        now = json.loads((ledger.out / STATUS).read_text())
    except (OSError, ValueError):
        raise UserError(f"{ledger.out} is no archive: it has no {STATUS}") from None
    busy = ledger.busy()
    state = "running" if busy else "ended" if now["state"] == "ended" else "was killed"
    yield f"{state}: {now['done']} of {some(now['jobs'], 'job')} done, {now['failed']} failed"
    rate = f"{now['frames']} frames in {clock(now['seconds'])}, {now['frames_per_second']}/s"
    yield f"{rate}, {some(now['people'], 'person')}, {some(now['workers'], 'worker')}"
    if busy and now["seconds_left"] is not None:
        yield f"{clock(now['seconds_left'])} left"
    for job in running_jobs(ledger.unfinished) if busy else ():
        total = f" of {job['total']}" if job["total"] else ""
        yield printable(f"  {job['name']}: frame {job['frames']}{total}, pid {job['pid']}")

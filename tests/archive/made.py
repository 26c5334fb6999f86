"""Archives that the tests make."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.archive.jobs import Item, Job
from demo.archive.options import ArchiveOptions
from demo.options import Options
from tests.imports import ROOT

PATIENCE = 60.0  # seconds


def options(out: Path, **chosen: Any) -> ArchiveOptions:
    run = Options(**chosen.pop("run", {}))
    return ArchiveOptions(out, run, **chosen)


def item(path: Path, photo: bool = False, name: str = "") -> Item:
    status = path.stat()
    return Item(name or str(path), str(path), status.st_size, str(status.st_mtime_ns), photo)


def video(path: Path, **rest: Any) -> Job:
    return Job((item(path),), "options", **rest)


def bundle(*paths: Path, **rest: Any) -> Job:
    return Job(tuple(item(path, photo=True) for path in paths), "options", **rest)


def start(*arguments: object, before: Callable[[], object] | None = None) -> subprocess.Popen:
    """The command, at work in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "demo.archive", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
        start_new_session=True,
        env=os.environ | {"DISPLAY": ""},
    )


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code, output and messages of the command."""
    out, told = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in told, told
    return process.returncode, out, told


def run(*arguments: object, before: Callable[[], object] | None = None) -> tuple[int, str, str]:
    return ended(start(*arguments, before=before))


def until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition, and return its value."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def at_work(out: Path) -> list[dict[str, Any]]:
    """Notes of the jobs at work, once they have seen frames."""
    notes = []
    for path in out.glob(".unfinished/*/running.json"):
        try:
            notes.append(json.loads(path.read_text()))
        except FileNotFoundError:
            continue
    return [note for note in notes if note["frames"]]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((out / "jobs").glob("*.json"))]

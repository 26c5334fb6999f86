"""A fleet in a process of its own, and what it wrote."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet

from tests.imports import ROOT
from tests.synthetic import Broadcast

SECONDS = 60.0  # to wait at most, on a busy machine


class Fleet:
    """The command in a process of its own."""

    def __init__(self, cameras: Path, out: Path, *options: str) -> None:
        self.out, self._cameras, self._options = out, cameras, options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "demo.fleet", str(self._cameras), "--out", str(self.out)]
        self.process = subprocess.Popen(
            [*command, *self._options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def rows(self) -> dict[str, dict]:
        """The cameras of the status by name."""
        try:
            status = json.loads((self.out / "status.json").read_text())
        except FileNotFoundError:
            return {}
        return {row["camera"]: row for row in status["cameras"]}

    def until(self, wanted: Callable[[dict[str, dict]], bool]) -> dict[str, dict]:
        end = time.monotonic() + SECONDS
        while not (self.rows() and wanted(self.rows())):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, self.rows()
            time.sleep(0.05)
        return self.rows()

    def interrupt(self) -> float:
        """Press Ctrl-C, as a terminal does it for all processes; seconds until the end."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.output = self.process.communicate(timeout=SECONDS)
        return time.monotonic() - began

    def kill(self) -> None:
        for row in self.rows().values():
            if row["pid"] and Path(f"/proc/{row['pid']}").exists():
                os.kill(row["pid"], signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def running(rows: dict[str, dict]) -> bool:
    return all(row["state"] == "running" for row in rows.values())


def faces(folder: Path) -> list[dict]:
    """All rows of a camera; every visible file is whole."""
    return [
        row
        for path in sorted((folder / "faces").iterdir())
        for row in parquet.read_table(path).to_pylist()
    ]


def keys(rows: list[dict]) -> list[tuple]:
    return [(row["part"], row["frame"], row["x1"], row["y1"]) for row in rows]


def source(camera: Broadcast) -> str:
    return f'source = "{camera.address()}"'


def seconds_to_be_back() -> float:
    """How long a camera may take: 5 seconds on a machine with a core for every process."""
    return 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def check_uninterrupted(rows: list[dict]) -> None:
    """All rows are of one process that missed no frame."""
    assert {row["part"] for row in rows} == {1}
    indices = sorted({row["frame"] for row in rows})
    assert indices == list(range(indices[0], indices[-1] + 1))


def check_once(rows: list[dict]) -> None:
    """No row is there twice."""
    assert len(keys(rows)) == len(set(keys(rows))) > 0

"""The command with real processes and real streams on loopback."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from demo.archive.ledger import Ledger
from demo.fleet.__main__ import main
from demo.fleet.schema import FLEET_FACES
from models.commands import INTERRUPTED
from tests.imports import ROOT
from tests.synthetic import Broadcast

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 and Ctrl-C as on POSIX systems")
SECONDS = 30.0  # to wait at most, on a busy machine


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


@pytest.fixture
def fleet(tmp_path: Path, write_cameras: Callable) -> Iterator[Callable[..., Fleet]]:
    """Starts fleets that are gone after the test."""
    made: list[Fleet] = []

    def start(*options: str, **tables: str) -> Fleet:
        made.append(Fleet(write_cameras(**tables), tmp_path / "out", *options))
        return made[-1]

    yield start
    for each in made:
        each.kill()


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


def test_a_killed_process_is_back_and_the_others_lose_nothing(
    fleet: Callable, people_camera: Callable
) -> None:
    started = fleet(
        door=source(people_camera()) + "\nstore = true\nserve = 0", hall=source(people_camera())
    )
    before = started.until(lambda rows: running(rows) and rows["door"]["frames"] > 20)
    assert before["door"]["link"].startswith("http://127.0.0.1:")
    os.kill(before["hall"]["pid"], signal.SIGKILL)
    began = time.monotonic()
    back = started.until(lambda rows: rows["hall"]["restarts"] == 1 and running(rows))
    assert time.monotonic() - began < 5
    assert back["hall"]["error"] == "the process was killed (SIGKILL)"
    started.until(lambda rows: rows["hall"]["part"] == 2 and rows["hall"]["frames"] > 10)
    assert started.interrupt() < 5
    assert started.process.returncode == INTERRUPTED
    door, hall = faces(started.out / "door"), faces(started.out / "hall")
    assert list(door[0]) == list(FLEET_FACES)
    for rows in (door, hall):
        assert len(keys(rows)) == len(set(keys(rows)))
        assert {row["id"] for row in rows} >= {1, 2}
    assert {row["part"] for row in door} == {1}  # it went on
    assert {row["part"] for row in hall} == {2}  # the first minute of part 1 was not over
    indices = sorted({row["frame"] for row in door})
    assert indices == list(range(indices[0], indices[-1] + 1))
    moments = sorted({row["moment"] for row in door})
    assert max(b - a for a, b in itertools.pairwise(moments)).total_seconds() < 1.0
    people = parquet.read_table(started.out / "door" / "people").to_pylist()
    assert sum(row["frames"] for row in people) == sum(row["id"] > 0 for row in door)
    assert (started.out / "door" / "visits.db").exists()
    assert {row["state"] for row in started.rows().values()} == {"stopped"}


def test_a_fleet_whose_driver_is_killed_ends_and_keeps_its_rows(
    fleet: Callable, people_camera: Callable
) -> None:
    started = fleet(door=source(people_camera()))
    row = started.until(lambda rows: running(rows) and rows["door"]["frames"] > 20)["door"]
    started.process.kill()
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{row['pid']}").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    first = keys(faces(started.out / "door"))
    assert {frame for _, frame, *_ in first} >= set(range(5, 20))
    started.start()
    started.until(lambda rows: rows["door"]["part"] == 2 and rows["door"]["frames"] > 5)
    assert started.interrupt() < 5
    both = keys(faces(started.out / "door"))
    assert both[: len(first)] == first
    assert {part for part, *_ in both} == {1, 2}
    assert len(both) == len(set(both))


def test_a_camera_that_is_not_there_waits_and_the_others_run(
    fleet: Callable, people_camera: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = people_camera()
    gone.kill()
    started = fleet("--json", door=source(people_camera()), hall=source(gone))
    rows = started.until(
        lambda rows: rows["door"]["state"] == "running" and rows["hall"]["restarts"] >= 1
    )
    assert rows["hall"]["error"].startswith("cannot open stream http://127.0.0.1:")
    assert "\n" not in rows["hall"]["error"]
    assert main([str(started._cameras), "--out", str(started.out)]) == 2
    assert "another run works on" in capsys.readouterr().err
    assert main(["--status", "--out", str(started.out)]) == 0
    head, door, hall = capsys.readouterr().out.splitlines()
    assert head.split() == "camera state fps people restarts since last error".split()
    assert door.startswith("door    running")
    assert "cannot open stream" in hall
    assert started.interrupt() < 5
    lines = [json.loads(line) for line in started.output[0].splitlines()]
    assert [line["state"] for line in lines[-2:]] == ["running", "stopped"]
    assert not Ledger(started.out).busy()
    assert main(["--status", "--json", "--out", str(started.out)]) == 0
    assert json.loads(capsys.readouterr().out) == lines[-1]

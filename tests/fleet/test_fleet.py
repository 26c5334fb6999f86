"""The command with real processes and real streams on loopback."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from demo.archive.ledger import Ledger
from demo.fleet.__main__ import main
from demo.fleet.schema import FLEET_FACES
from models.commands import INTERRUPTED
from tests.fleet.running import (
    SECONDS,
    check_once,
    check_uninterrupted,
    faces,
    keys,
    running,
    seconds_to_be_back,
    source,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 and Ctrl-C as on POSIX systems")


@pytest.mark.slow
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
    assert time.monotonic() - began < seconds_to_be_back()
    assert back["hall"]["error"] == "the process was killed (SIGKILL)"
    started.until(lambda rows: rows["hall"]["part"] == 2 and rows["hall"]["frames"] > 10)
    assert started.interrupt() < 5
    assert started.process.returncode == INTERRUPTED
    door, hall = faces(started.out / "door"), faces(started.out / "hall")
    assert list(door[0]) == list(FLEET_FACES)
    for rows in (door, hall):
        check_once(rows)
        assert {row["id"] for row in rows} >= {1, 2}
    check_uninterrupted(door)
    assert {2} <= {row["part"] for row in hall} <= {1, 2}  # what was not written yet is lost
    people = parquet.read_table(started.out / "door" / "people").to_pylist()
    assert sum(row["frames"] for row in people) == sum(row["id"] > 0 for row in door)
    assert (started.out / "door" / "visits.db").exists()
    assert {row["state"] for row in started.rows().values()} == {"stopped"}


@pytest.mark.slow
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


@pytest.mark.slow
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

from pathlib import Path

import pytest

from demo.errors import UserError
from demo.fleet import supervisor
from demo.fleet.camera import Camera
from demo.fleet.report import Report
from demo.fleet.supervisor import HANG_SECONDS, WatchedCamera
from demo.options import Options

DOOR = Camera("door", Options(sources=("0",)))


class Clock:
    """Stands in for time in the supervisor."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Scripted:
    """A process whose reports the test sets."""

    def __init__(self, *_: object) -> None:
        self.report, self.killed = Report(), False

    def poll(self) -> Report:
        return self.report

    def stop(self) -> None:
        pass

    def kill(self) -> None:
        self.killed = True


class Bench:
    """A watched camera with a clock and the processes that it started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.clock, self.started = Clock(), list[Scripted]()
        monkeypatch.setattr(supervisor, "time", self.clock)
        self.camera = WatchedCamera(DOOR, folder, self._start, 1)

    def _start(self, *_: object) -> Scripted:
        self.started.append(Scripted())
        return self.started[-1]

    def tick(self, seconds: float, **report: object) -> None:
        self.clock.now += seconds
        if report:
            self.started[-1].report = Report(**report)  # type: ignore[arg-type]
        self.camera.tick()

    def die(self) -> float:
        """Let the process end, and return how long the camera waits."""
        count = len(self.started)
        self.tick(0.0, ended=True, error="boom")
        begin = self.clock.now
        while len(self.started) == count:
            self.tick(0.125)
        return self.clock.now - begin


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    made = Bench(monkeypatch, tmp_path)
    made.camera.tick()
    return made


def test_pauses_grow_and_begin_anew_after_a_minute_of_frames(bench: Bench) -> None:
    assert [bench.die() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    for k in range(30):
        bench.tick(1.0, state="running", frames=k)
    assert bench.die() == 30
    for k in range(62):
        bench.tick(1.0, state="running", frames=k)
    assert bench.die() == 0.5


def test_a_minute_counts_only_without_interruption(bench: Bench) -> None:
    bench.die()
    for k in range(100):
        bench.tick(1.0, state="lost" if k % 50 == 49 else "running", frames=k)
    assert bench.die() == 1.0


def test_a_row_adds_up_all_processes(bench: Bench) -> None:
    bench.tick(1.0, state="running", frames=100, people=7, in_view=2, fps=25.04, pid=11, part=1)
    row = bench.camera.row()
    assert (row["state"], row["frames"], row["people"], row["fps"]) == ("running", 100, 7, 25.0)
    bench.tick(1.0, state="running", frames=120, people=8, ended=True, error="boom", part=1)
    row = bench.camera.row()
    assert (row["state"], row["error"], row["pid"], row["fps"]) == ("waiting", "boom", 0, 0.0)
    assert bench.started[0].killed
    bench.tick(0.5)
    bench.tick(1.0, state="running", frames=5, people=2, part=2)
    row = bench.camera.row()
    assert (row["frames"], row["people"], row["restarts"], row["part"]) == (125, 10, 1, 2)
    assert (row["error"], row["since"]) == ("boom", "1970-01-01T00:16:43.500+00:00")


def test_a_process_that_hangs_is_ended_and_a_lost_stream_is_not(bench: Bench) -> None:
    bench.tick(1.0, state="running", frames=1)
    for _ in range(int(3 * HANG_SECONDS)):
        bench.tick(1.0, state="lost", frames=1)
    assert len(bench.started) == 1
    bench.tick(1.0, state="running", frames=2)
    bench.tick(HANG_SECONDS - 1)
    assert not bench.started[0].killed
    bench.tick(1.0)
    assert bench.started[0].killed
    assert bench.camera.row()["error"] == "no frame for 60 s: its process was ended"


def test_a_process_that_cannot_start_waits_like_one_that_died(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> Scripted:
        raise UserError("no room")

    clock = Clock()
    monkeypatch.setattr(supervisor, "time", clock)
    camera = WatchedCamera(DOOR, tmp_path, refuse, 1)
    for _ in range(8):
        camera.tick()
        clock.now += 0.5
    row = camera.row()
    assert (row["state"], row["error"], row["restarts"]) == (
        "waiting",
        "no room",
        3,
    )  # at 0, 0.5, 1.5 and 3.5 s


def test_stopping_waits_for_complete_files_and_then_ends_the_process(bench: Bench) -> None:
    begin = bench.clock.now
    supervisor.stop_all([bench.camera])
    assert bench.started[0].killed
    assert 4.0 <= bench.clock.now - begin < 5.0
    assert bench.camera.row()["state"] == "stopped"

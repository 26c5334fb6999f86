"""Passes that take turns."""

import time

import pytest

from demo.bench.laps import Clock, Lap, figures, part, run_rounds


def test_a_lap_has_its_rate_and_its_processor_time_a_frame():
    lap = Lap(frames=50, seconds=2.0, cpu_seconds=0.5)
    assert (lap.fps, lap.cpu_ms) == (25, 10)


def test_a_clock_tells_work_from_waiting():
    clock = Clock()
    time.sleep(0.2)
    waited = clock.lap(1)
    assert waited.seconds >= 0.2
    assert waited.cpu_seconds < 0.1
    while clock.lap(1).cpu_seconds < 0.2:
        pass
    assert clock.lap(1).seconds >= 0.4


def test_kinds_take_turns_after_a_round_to_warm_up():
    ran = []

    def kind(name):
        def run():
            ran.append(name)
            return Lap(len(ran), 1, 1)

        return run

    laps = run_rounds({"a": kind("a"), "b": kind("b")}, runs=2, quiet=True)
    assert ran == ["a", "b"] * 3
    assert laps == {"a": [Lap(3, 1, 1), Lap(5, 1, 1)], "b": [Lap(4, 1, 1), Lap(6, 1, 1)]}


def test_parts_are_taken_within_a_round_so_that_load_does_not_count():
    idle, busy = 1, 10  # the first round runs on an idle machine
    laps = {
        "all": [Lap(100, idle, 1), Lap(100, busy, 1), Lap(100, busy, 1)],
        "half": [Lap(50, idle, 2), Lap(50, busy, 3), Lap(50, busy, 1)],
    }
    assert part(laps, "half", "all") == 0.5
    assert part(laps, "half", "none") is None
    assert part(laps, "none", "all") is None
    assert figures(laps, "all") == {
        "all": {
            "fps": 10,
            "cpu_ms": 10,
            "part_of_all": 1,
            "fps_of_runs": [100, 10, 10],
            "cpu_ms_of_runs": [10, 10, 10],
        },
        "half": {
            "fps": 5,
            "cpu_ms": 40,
            "part_of_all": 0.5,
            "fps_of_runs": [50, 5, 5],
            "cpu_ms_of_runs": [40, 60, 20],
        },
    }


@pytest.mark.parametrize("runs", [1, 2, 3, 4])
def test_the_median_is_a_run_that_was_measured(runs):
    laps = {"a": [Lap(k + 1, 1, 1) for k in range(runs)]}
    assert figures(laps, "a")["a"]["fps"] == runs // 2 + 1

import pytest

from demo.sources.timestamps import ContinuousTimestamps

FRAME = 0.04  # seconds


def continuous(stated: list[float]) -> list[float]:
    clock = ContinuousTimestamps()
    return [clock(seconds, FRAME) for seconds in stated]


def test_timestamps_that_do_not_restart_stay_as_they_are():
    assert continuous([3.0, 3.04, 3.08, 9.0]) == [3.0, 3.04, 3.08, 9.0]


def test_time_continues_where_the_clock_of_the_file_restarts_even_twice():
    stated = [5.0, 6.0, 0.0, 1.0, 0.0]
    assert continuous(stated) == pytest.approx([5.0, 6.0, 6.04, 7.04, 7.08])


def test_a_small_step_back_is_not_a_restart():
    assert continuous([5.0, 5.2, 4.9]) == [5.0, 5.2, 4.9]

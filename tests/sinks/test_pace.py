from fractions import Fraction

import pytest

from demo.sinks.pace import Pace

RATE = Fraction(20)  # 50 ms a picture, 10 pictures a window


def steps(pace: Pace, milliseconds: float, windows: int) -> list[int]:
    """The step after each window in which every picture takes so long."""
    seen = []
    for _ in range(windows):
        for _ in range(10):
            pace.note(milliseconds / 1e3)
        seen.append(pace.step)
    return seen


def test_an_encoder_with_time_to_spare_keeps_its_step():
    pace = Pace(RATE, 3)
    assert steps(pace, 25, 50) == [0] * 50
    assert pace.highest == 0


def test_an_encoder_that_is_nearly_too_slow_goes_step_by_step_to_the_fastest():
    pace = Pace(RATE, 3)
    assert steps(pace, 35, 5) == [0, 1, 2, 2, 2]  # the first window is the start
    assert pace.highest == 2


@pytest.mark.parametrize(("milliseconds", "expected"), [(15, 0), (25, 1)])
def test_an_encoder_goes_back_after_ten_seconds_with_room_for_it(milliseconds, expected):
    pace = Pace(RATE, 2)
    assert steps(pace, 35, 2) == [0, 1]
    assert steps(pace, milliseconds, 19) == [1] * 19
    assert steps(pace, milliseconds, 1) == [expected]
    assert pace.highest == 1


def test_one_step_is_all_that_hardware_has():
    assert steps(Pace(RATE, 1), 60, 5) == [0] * 5

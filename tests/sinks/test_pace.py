from fractions import Fraction

import pytest

from demo.sinks.pace import Pace

RATE = Fraction(20)  # 50 ms a picture, 10 pictures a window


def steps(pace: Pace, milliseconds: list[float], interval: float = 0.05) -> list[int]:
    """The step after each window, whose pictures come so often and take so long."""
    seen = []
    for window, each in enumerate(milliseconds):
        for k in range(10):
            pace.note((10 * window + k) * interval, each / 1e3)
        seen.append(pace.step)
    return seen


def test_an_encoder_with_time_to_spare_keeps_its_step():
    pace = Pace(RATE, 3)
    assert steps(pace, [25] * 50) == [0] * 50
    assert pace.highest == 0


def test_an_encoder_that_is_nearly_too_slow_goes_step_by_step_to_the_fastest():
    pace = Pace(RATE, 3)
    assert steps(pace, [35] * 5) == [0, 1, 2, 2, 2]  # the first window is the start
    assert pace.highest == 2


@pytest.mark.parametrize(("milliseconds", "expected"), [(15, 0), (25, 1)])
def test_an_encoder_goes_back_after_ten_seconds_with_room_for_it(milliseconds, expected):
    pace = Pace(RATE, 2)
    assert steps(pace, [35] * 2 + [milliseconds] * 20) == [0, *[1] * 20, expected]
    assert pace.highest == 1


@pytest.mark.parametrize(("interval", "expected"), [(0.1, 0), (0.05, 0), (0.025, 2)])
def test_pictures_of_several_cameras_leave_less_time_for_each(interval, expected):
    assert steps(Pace(RATE, 3), [20] * 4, interval)[-1] == expected


def test_one_step_is_all_that_hardware_has():
    assert steps(Pace(RATE, 1), [60] * 5) == [0] * 5

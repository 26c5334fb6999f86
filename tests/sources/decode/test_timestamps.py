from types import SimpleNamespace

import pytest

from demo.sources.decode.timestamps import FileClock, PresentationTimes, frame_rate

FRAME = 0.04  # seconds
VIDEO, SOUND = 0, 1
MINUTE, HOUR = 60.0, 3600.0


def clock(shared: bool = False) -> FileClock:
    return FileClock(VIDEO, shared, limit=HOUR / 2, length=FRAME)


def continuous(stated: list[float]) -> list[float]:
    one = clock()
    return [one.continuous(VIDEO, seconds, FRAME) for seconds in stated]


def test_timestamps_that_do_not_restart_stay_as_they_are():
    assert continuous([3.0, 3.04, 3.08, 9.0]) == [3.0, 3.04, 3.08, 9.0]


def test_time_continues_where_the_clock_of_the_file_restarts_even_twice():
    stated = [5.0, 6.0, 0.0, 1.0, 0.0]
    assert continuous(stated) == pytest.approx([5.0, 6.0, 6.04, 7.04, 7.08])


def test_a_small_step_back_is_not_a_restart():
    assert continuous([5.0, 5.2, 4.9]) == [5.0, 5.2, 4.9]


def test_a_jump_of_hours_is_closed_and_told_and_a_pause_of_minutes_is_kept():
    one, stated = clock(), [0.0, 10 * MINUTE, 128 * HOUR, 128 * HOUR + FRAME]
    times = [one.continuous(VIDEO, seconds, 0) for seconds in stated]
    assert times == pytest.approx([0, 600, 600.04, 600.08])
    assert one.jumps == [pytest.approx((600.04, 128 * HOUR - 600.04))]
    assert one.skipped == pytest.approx(128 * HOUR - 600.04)


def test_a_stated_duration_that_reaches_over_the_jump_does_not_hide_it():
    one = clock()
    assert one.continuous(VIDEO, 0.0, 5 * HOUR) == 0
    assert one.continuous(VIDEO, 5 * HOUR, FRAME) == pytest.approx(FRAME)


def test_a_slide_that_stands_still_while_someone_speaks_is_no_jump():
    one = clock()
    one.continuous(VIDEO, 0.0, FRAME)
    for minute in range(120):
        assert one.continuous(SOUND, minute * MINUTE, MINUTE) == minute * MINUTE
    assert one.continuous(VIDEO, 2 * HOUR, FRAME) == 2 * HOUR


@pytest.mark.parametrize("order", [(VIDEO, SOUND), (SOUND, VIDEO)])
def test_sound_takes_the_offset_of_the_video_of_an_mpeg_stream(order):
    one, late = clock(shared=True), {VIDEO: 0.0, SOUND: 0.3}
    for track in order:
        for k in range(5):
            one.continuous(track, 7 * HOUR + k * FRAME + late[track], FRAME)
    seam = {track: one.continuous(track, late[track], FRAME) for track in order}
    then = {track: one.continuous(track, FRAME + late[track], FRAME) for track in order}
    assert seam[VIDEO] == pytest.approx(7 * HOUR + 5 * FRAME)
    assert then[VIDEO] == pytest.approx(7 * HOUR + 6 * FRAME)
    assert then[SOUND] - then[VIDEO] == pytest.approx(0.3)


def test_sound_of_the_part_before_that_comes_late_keeps_its_time():
    one = clock(shared=True)
    one.continuous(VIDEO, 9.96, FRAME)
    one.continuous(SOUND, 9.5, FRAME)
    assert one.continuous(VIDEO, 1.0, FRAME) == pytest.approx(10.0)
    assert one.continuous(SOUND, 9.54, FRAME) == pytest.approx(9.54)
    assert one.continuous(SOUND, 1.0, FRAME) == pytest.approx(10.0)


def shown(packets: list[tuple], frames: list[int | None], decoding_times: bool = False) -> list:
    """The times of frames (pts) that a decoder gives with a delay of two packets."""
    times, out, given = PresentationTimes(1.0, decoding_times), [], iter(frames)
    for index, (pts, dts) in enumerate(packets):
        times.feed(SimpleNamespace(pts=pts, dts=dts, size=9, is_keyframe=index == 0))
        if index >= 2:
            out.append(times.of(decoded(next(given)), 2, 0))
    rest = list(given)
    for index, pts in enumerate(rest):
        out.append(times.of(decoded(pts), 2, len(rest) - 1 - index))
    return out


def decoded(pts: int | None) -> SimpleNamespace:
    return SimpleNamespace(pts=pts, time=None if pts is None else float(pts), time_base=1)


def test_frames_have_their_presentation_times():
    packets = [(2, 0), (5, 1), (3, 2), (4, 3), (6, 4)]
    assert shown(packets, [2, 3, 4, 5, 6]) == [2, 3, 4, 5, 6]


def test_times_ascend_where_the_container_gives_decoding_times_for_presentation_times():
    packets = [(k, k) for k in range(5)]
    assert shown(packets, [0, 2, 3, 1, 4]) == [0, 1, 2, 3, 4]
    packets = [(k + 2, k) for k in range(5)]
    assert shown(packets, [2, 4, 5, 3, 6], decoding_times=True) == [0, 1, 2, 3, 4]


def test_packets_before_the_first_key_frame_have_no_part_in_the_times():
    times = PresentationTimes(1.0, decoding_times=True)
    for k in range(8):
        times.feed(SimpleNamespace(pts=k, dts=k, size=9, is_keyframe=k == 4))
    assert [times.of(decoded(k), 0, 3 - k) for k in range(4)] == [4, 5, 6, 7]


def test_frames_without_times_follow_each_other():
    assert shown([(None, None)] * 4, [None] * 4) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("average", "usual", "rate"),
    [(25, 25, 25), (12.5, 12, 12.5), (50, 25, 25), (0.2, 30, 30), (None, 24, 24), (24, None, 24),
     (1, 90_000, 1), (None, None, None)],
)  # fmt: skip
def test_the_usual_frame_rate_is_taken_where_the_average_is_far_from_it(average, usual, rate):
    stream = SimpleNamespace(average_rate=average, guessed_rate=usual)
    assert frame_rate(stream) == rate  # type: ignore[arg-type]

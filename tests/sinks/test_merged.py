import pytest

from demo.sinks.merged import MergedSummary
from demo.sinks.page import page
from demo.sinks.timeline import Timeline
from tests.sinks.sessions import faces, summary_of, ten_seconds


def test_two_sessions_add_up():
    merged = MergedSummary()
    for _ in range(2):
        merged.add(summary_of(ten_seconds()).bins())
    one, both = summary_of(ten_seconds()).record(), merged.record("all", "2026-01-01T00:00:00")
    assert (both["people_seen"], both["frames"]) == (2 * one["people_seen"], 2 * one["frames"])
    assert both["ages"]["male"] == [2 * n for n in one["ages"]["male"]]
    assert both["processing_ms"] == one["processing_ms"]
    assert both["faces_over_time"] == one["faces_over_time"]  # a mean, and the most of each
    assert (both["seconds"], both["watched"]) == (10.0, 20.0)
    assert both.keys() - one.keys() == {"watched", "photos_beside"}
    assert one.keys() - both.keys() == {"delay_ms"}


def test_faces_of_photos_are_people_and_photos_have_no_time():
    merged = MergedSummary()
    merged.add(summary_of([(0.0, faces((1, 20, 0.9), (2, 30, 0.1)))] * 3, photos=True).bins())
    record = merged.record("all", "2026-01-01T00:00:00")
    assert (record["people_seen"], record["frames"], record["photos"]) == (6, 3, True)
    assert '3</b><span class="soft">photos' in page(record)
    merged.add(summary_of(ten_seconds()).bins())
    assert (merged.photos, merged.frames, merged.people) == (3, 100, 8)
    both = page(merged.record("all", "2026-01-01T00:00:00"))
    assert '3</b><span class="soft">photos</span>' in both
    assert "from the start of each video" in both


def test_nothing_makes_a_page_too():
    assert "AgeStream archive, as of 2026" in page(
        MergedSummary().record("all", "2026"), kind="archive, as of"
    )


def test_a_mean_counts_only_the_sessions_that_last_so_long():
    long, short = Timeline(), Timeline()
    for second in range(3):
        long.add(second, second + 1, 2, 2)
    short.add(0.0, 1.0, 4, 4)
    long.add_bins(short.bins())
    record = long.record(3.0, 1.0)
    assert record == {"width": 1, "most": [4, 2, 2], "mean": [3.0, 2.0, 2.0]}


@pytest.mark.parametrize("swapped", [False, True])
def test_timelines_of_different_steps_add_up(swapped):
    long, short = Timeline(), Timeline()
    for second in range(700):
        long.add(second, second + 1, 1, 1)
    for second in range(7):
        short.add(second, second + 1, 2, 2)
    first, second_one = (short, long) if swapped else (long, short)
    first.add_bins(second_one.bins())
    assert first.width == 5
    assert first.face_seconds.tolist()[:3] == [15.0, 9.0, 5.0]
    assert first.most.tolist()[:3] == [2, 2, 1]

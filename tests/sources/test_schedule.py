import time

import pytest

from demo.errors import UserError
from demo.events import Event
from demo.sources.schedule import Schedule
from tests.synthetic import LiveBesideFile, feeds_of


def test_a_file_beside_a_camera_plays_at_its_own_rate():
    feeds = feeds_of(LiveBesideFile(live=True), LiveBesideFile(live=False))
    schedule, start, seen = Schedule(feeds), time.monotonic(), []
    while feeds[1].running:
        seen += [frame.time for feed, frame in schedule.turn()[0] if feed is feeds[1]]
    assert len(seen) == 30
    assert 0.45 <= time.monotonic() - start < 0.8  # at 30 turns per second: 1.0


def test_files_of_different_rates_go_in_step_by_their_own_time():
    fast, slow = LiveBesideFile(live=False, fps=60.0), LiveBesideFile(live=False, fps=20.0)
    feeds = feeds_of(fast, slow)
    schedule, times = Schedule(feeds), []
    while schedule.running:
        times += [frame.time for _, frame in schedule.turn()[0]]
    assert times == sorted(times)
    assert len(times) == 60


class Failing(LiveBesideFile):
    """A file that fails after a frame, by an event or an error."""

    def __init__(self, failure: Event | UserError) -> None:
        super().__init__(live=False)
        self._failure = failure

    def watch(self, patience: float = 1.0):
        yield next(super().watch(patience))
        if isinstance(self._failure, UserError):
            raise self._failure
        yield self._failure


FAILED = Event("failed", "file ends early", "file")


def test_a_failure_is_an_event_and_ends_the_feed():
    feeds = feeds_of(Failing(FAILED))
    schedule, events = Schedule(feeds), []
    while schedule.running:
        events += schedule.turn()[1]
    assert events == [FAILED]
    assert feeds[0].failure == feeds[0].notice == "file ends early"


def test_one_of_several_that_raises_does_not_stop_the_others():
    feeds = feeds_of(Failing(UserError("file cannot be decoded")), LiveBesideFile(live=False))
    schedule, frames, events = Schedule(feeds), 0, []
    while schedule.running:
        due, happened = schedule.turn()
        frames, events = frames + len(due), events + happened
    assert frames == 31
    assert [event.text for event in events] == ["file cannot be decoded"]


def test_the_only_source_that_raises_ends_the_run():
    schedule = Schedule(feeds_of(Failing(UserError("file cannot be decoded"))))
    schedule.turn()
    with pytest.raises(UserError, match="cannot be decoded"):
        schedule.turn()

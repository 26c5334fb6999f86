from collections.abc import Callable, Iterator

import pytest

from demo import playback
from demo.display.controls import Command
from demo.events import Event
from demo.session import Session
from demo.sources import schedule
from tests.synthetic import KeyWindow, LiveBesideFile, NoFaces


class FakeTime:
    """Plays the module `time`, in which time passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_file_beside_a_camera_waits_while_the_viewer_pauses(monkeypatch):
    clock, seen = FakeTime(), []
    monkeypatch.setattr(schedule, "time", clock)
    monkeypatch.setattr(playback, "time", clock)

    def pause_of_two_seconds(look: int) -> Command | None:
        clock.now += 1.0 if look in (21, 22) else 0.0
        return "pause" if look in (20, 22) else None

    window = KeyWindow(pause_of_two_seconds)
    inputs = [
        (LiveBesideFile(live=True), NoFaces()),
        (LiveBesideFile(live=False, fps=10.0), NoFaces(lambda frame: seen.append(clock.now))),
    ]
    Session(inputs, pictures=[window], controls=[window], max_frames=31).run()
    assert seen == pytest.approx([k / 10 + 2 * (k > 6) for k in range(30)], abs=0.035)


class Buttons:
    """Controls without a picture: a page nobody watches."""

    def __init__(self, pressed: Callable[[int], Command | None]) -> None:
        self._pressed, self._looks = pressed, 0

    def command(self, wait: float) -> Command | None:
        self._looks += 1
        return self._pressed(self._looks)


def test_any_controls_can_pause_save_and_quit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    looks: Iterator[Command | None] = iter(
        [None, "snapshot", "pause", None, None, "pause", None, "quit"]
    )
    events: list[Event] = []
    session = Session(
        [(LiveBesideFile(live=False), NoFaces())],
        controls=[Buttons(lambda look: None), Buttons(lambda look: next(looks))],
        notify=events.append,
    )
    result = session.run()
    assert result.quit
    assert result.frames < 30
    (snapshot,) = tmp_path.glob("snapshot-*.png")
    assert [event.text for event in events] == [f"saved {snapshot.name}"]

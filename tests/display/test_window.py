"""The window: its keys, its button, and a display that goes away under it."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo import playback
from demo.display import window
from demo.display.window import Window, padded, window_size
from demo.events import Event
from demo.frames import Frame
from demo.session import Session
from demo.sources.open import open_source
from tests.synthetic import NoFaces

PICTURE = Frame(np.zeros((4, 6, 3), np.uint8), 0, 0.0, "clip")
SCREEN = 1280, 800
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


class Toolkit:
    """What the window uses of cv2; `at_look` happens when the keys are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.looks, self.shown = True, 0, 0
        self.sizes: list[tuple[int, int]] = []  # that the window was given
        self.image = PICTURE.image  # that is shown
        self.at_look: Callable[[int], int] = lambda look: -1
        self.display: socket.socket | None = None  # the end of the server
        for name in ("namedWindow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *_: self._ask_display())
        monkeypatch.setattr(window, "screen_size", lambda: SCREEN)
        monkeypatch.setattr(cv2, "resizeWindow", lambda _, *size: self._resize(size))
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: float(self.open))
        monkeypatch.setattr(cv2, "imshow", lambda _, image: self._show(image))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self._look())

    def _resize(self, size: tuple[int, int]) -> None:
        self._ask_display()
        self.sizes.append(size)

    def _show(self, image: np.ndarray) -> None:
        self._ask_display()
        self.shown += 1
        self.image = image

    def _look(self) -> int:
        self._ask_display()
        self.looks += 1
        return self.at_look(self.looks)

    def _ask_display(self) -> None:
        """End the process where the display is gone, as Qt and GTK do."""
        if self.display is not None and self.display.fileno() < 0:
            raise SystemExit(1)


@pytest.fixture
def toolkit(monkeypatch) -> Toolkit:
    monkeypatch.delenv("DISPLAY", raising=False)
    return Toolkit(monkeypatch)


@pytest.fixture
def display(toolkit, monkeypatch):
    """A server at $DISPLAY and the toolkit's connection to it."""
    place = f"\0/tmp/.X11-unix/X{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(place)
        server.listen()
        client.connect(place)
        toolkit.display = server.accept()[0]
        monkeypatch.setenv("DISPLAY", f":{os.getpid()}.0")
        yield toolkit.display
        toolkit.display.close()


def watched(clip: Path, window: Window) -> tuple[int, bool, list[str]]:
    """Frames, whether the user quit, and the events of a run."""
    events: list[Event] = []
    inputs = [(open_source(str(clip)), NoFaces())]
    session = Session(inputs, pictures=[window], controls=[window], notify=events.append)
    result = session.run()
    return result.frames, result.quit, [event.text for event in events]


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((4032, 3024), (960, 720)),
        ((3840, 2160), (1152, 648)),
        ((1080, 1920), (405, 720)),
        ((1152, 720), (1152, 720)),
        ((320, 240), (320, 240)),
        ((9000, 1), (1152, 1)),
    ],
)
def test_a_window_fits_the_screen_and_is_not_larger_than_its_picture(image, size):
    assert window_size((image[1], image[0], 3), SCREEN) == size


def test_a_window_grows_until_all_pictures_have_fitted_and_shows_them_whole(toolkit):
    shapes = []
    with Window("a") as opened:
        for width, height in [(320, 240), (1080, 1920), (160, 90), (3840, 2160), (1080, 1920)]:
            opened.write(replace(PICTURE, image=np.ones((height, width, 3), np.uint8)))
            shapes.append(toolkit.image.shape[1::-1])
            assert toolkit.image.sum() == 3 * width * height
    assert toolkit.sizes == [(320, 240), (405, 720), (1152, 720)]
    assert shapes == [(320, 240), (1080, 1920), (160, 284), (3840, 2400), (3072, 1920)]


def test_a_picture_is_in_the_middle_of_its_bars_and_has_none_thinner_than_a_pixel():
    image = np.ones((1000, 1503, 3), np.uint8)
    assert padded(image, 150, 100) is image
    wide = padded(image, 200, 100)
    assert wide.shape == (1000, 2000, 3)
    assert wide[:, 248:1751].all()
    assert not wide[:, :248].any()
    assert not wide[:, 1751:].any()


def test_a_key_ends_the_wait_and_other_keys_do_not(toolkit):
    keys = {1: ord("x"), 3: ord(" "), 4: ord("s"), 5: 27, 6: ord("q")}
    toolkit.at_look = lambda look: keys.get(look, -1)
    with Window("a") as window:
        asked = [window.command(60) for _ in range(4)]
    assert asked == ["pause", "snapshot", "quit", "quit"]
    assert window.command(0.0) is None


def test_a_window_that_is_closed_ends_the_run_like_q(toolkit, clip):
    def close(look: int) -> int:
        toolkit.open = toolkit.shown < 5
        return -1

    toolkit.at_look = close
    assert watched(clip, Window("a")) == (5, True, [])


@needs_linux
def test_a_display_that_goes_away_is_told_once_and_the_run_goes_on(toolkit, display, clip):
    def end(look: int) -> int:
        if toolkit.shown == 5:
            display.close()
        return -1

    toolkit.at_look = end
    told = ["the display is gone: going on without a window"]
    assert watched(clip, Window("a")) == (20, False, told)
    assert toolkit.shown == 5


@needs_linux
def test_a_display_that_goes_away_ends_a_pause(toolkit, display, clip):
    def pause(look: int) -> int:
        if look == 9:
            display.close()
        return ord(" ") if look == 3 else -1

    toolkit.at_look = pause
    assert watched(clip, Window("a"))[:2] == (20, False)


@needs_linux
def test_connections_to_others_are_not_taken_for_the_display(toolkit, display):
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = socket.create_connection(server.getsockname())
        server.accept()[0].close()
        with other, Window("a") as window:
            window.write(PICTURE)
            assert window.command(0.0) is None
            assert window.wanted
            display.close()
            assert window.command(60) == "lost"
            assert not window.wanted
    assert toolkit.shown == 1


def test_a_snapshot_that_cannot_be_written_is_one_notice(toolkit, clip, tmp_path, monkeypatch):
    toolkit.at_look = lambda look: ord("s") if look == 1 else -1
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    frames, quit_by_key, (line,) = watched(clip, Window("a"))
    assert (frames, quit_by_key) == (20, False)
    assert line.startswith("cannot write snapshot-")
    assert line.endswith("-000000.png: No such file or directory")


def test_a_snapshot_of_a_photo_does_not_cut_its_time_short(
    toolkit, astronaut, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(playback, "PHOTO_SECONDS", 0.3)
    toolkit.at_look = lambda look: ord("s") if look == 1 else -1
    cv2.imwrite("a.png", astronaut)
    start = time.monotonic()
    assert watched(Path("a.png"), Window("a"))[:2] == (1, False)
    assert time.monotonic() - start >= 0.3
    assert len(list(tmp_path.glob("snapshot-*.png"))) == 1

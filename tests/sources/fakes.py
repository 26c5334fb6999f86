"""Cameras that fail on purpose, and what a source yields."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import Source
from tests.synthetic import jpeg

Seen = Frame | NoFrame | Event


class FakeCamera:
    """A camera of a few frames, the first of them `late` seconds later. Then `after` is called, and
    the camera ends."""

    def __init__(
        self,
        count: float,
        after: Callable[[], object] = lambda: None,
        late: float = 0.0,
        fps: float = 50.0,
    ) -> None:
        self._left, self._after, self._late = count, after, late
        self.fps = fps
        self.released = 0  # times

    def read(self) -> np.ndarray | None:
        time.sleep(self._late + 1 / self.fps)
        self._late = 0.0
        if self._left <= 0:
            self._after()
            return None
        self._left -= 1
        return np.full((48, 64, 3), 100, np.uint8)

    def release(self) -> None:
        self.released += 1


def connections(*captures: FakeCamera | None) -> Callable[[], FakeCamera]:
    """A `connect` that gives one capture after the other; None is an attempt that fails."""
    given = iter(captures)

    def connect() -> FakeCamera:
        capture = next(given)
        if capture is None:
            raise UserError("unplugged")
        return capture

    return connect


def numbered(index: int, height: int = 120, width: int = 160) -> bytes:
    """A JPEG whose brightness is its number modulo 60."""
    return jpeg(np.full((height, width, 3), 4 * (index % 60) + 8, np.uint8))


def number(frame: Frame) -> int:
    """The number of a frame that was made with `numbered`."""
    return round((float(frame.image.mean()) - 8) / 4)


def until(watched: Iterator[Seen], wanted: Callable[[Seen], bool], seconds: float = 20.0) -> list:
    """What a source yields up to the first that is wanted."""
    end, taken = time.monotonic() + seconds, []
    for each in watched:
        taken.append(each)
        if wanted(each):
            return taken
        assert time.monotonic() < end, "it did not come"
    raise AssertionError("the source ended")


def is_frame(seen: Seen) -> bool:
    return isinstance(seen, Frame)


def is_notice(seen: Seen) -> bool:
    return isinstance(seen, NoFrame) and bool(seen.notice)


def is_event(seen: Seen) -> bool:
    return isinstance(seen, Event)


def frames_and_events(source: Source) -> tuple[list[Frame], list[Event]]:
    """Everything that a source yields up to its end, but for its pauses."""
    seen = list(source.watch())
    frames = [each for each in seen if isinstance(each, Frame)]
    return frames, [each for each in seen if isinstance(each, Event)]


def in_background(act: Callable[[], object]) -> None:
    threading.Thread(target=act, daemon=True).start()


def served(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server by http that answers every connection, and its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.recv(4096)
                answer(connection)

    in_background(serve)
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"

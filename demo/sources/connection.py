"""A thread that keeps a camera or stream connected, and a watchdog for drivers that hang."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

import cv2
import numpy as np

from demo.errors import UserError
from demo.sources.base import POLL_SECONDS
from demo.sources.capture import Capture, LiveTimeouts
from demo.sources.reader import FrameReader, TimedImage

Opened = TypeVar("Opened", bound=Capture)


def connect_in_thread(connect: Callable[[], Opened], name: str, patience: float) -> Opened:
    """Call `connect` in a thread of its own, so that Ctrl-C works while a driver hangs.

    Raises what `connect` raises, or UserError after `patience` seconds. A capture that comes later
    is released.
    """
    opened: Future[Opened] = Future()

    def work() -> None:
        try:
            opened.set_result(connect())
        except BaseException as error:  # raised again by `result`
            opened.set_exception(error)

    threading.Thread(target=work, name="opener", daemon=True).start()
    end = time.monotonic() + patience
    try:
        while not opened.done() and time.monotonic() < end:
            wait([opened], POLL_SECONDS)
        if not opened.done():
            raise UserError(f"cannot open {name}: its driver does not respond")
    except BaseException:
        opened.add_done_callback(_release_late)
        raise
    return opened.result()


def _release_late(opened: "Future[Opened]") -> None:
    if opened.exception() is None:
        opened.result().release()


class Connection:
    """A thread that reads the newest frame of a capture, and connects again when the capture ends.

    Each connection has its own thread and its own state. A thread that hangs in a driver and is
    abandoned can therefore return later without any effect on its successor.
    """

    def __init__(
        self,
        connect: Callable[[], Capture],
        timeouts: LiveTimeouts,
        capture: Capture | None = None,
    ) -> None:
        """Read `capture` first, if there is one, and release it at its end."""
        self._connect, self._timeouts, self._capture = connect, timeouts, capture
        self.lost = capture is None  # there is no capture, or it ended
        self.last_read = time.monotonic()  # when the thread last came back from the driver
        self.frames = FrameReader(self._read, capacity=1, newest=True)

    def start(self) -> None:
        """Start the thread."""
        self.last_read = time.monotonic()
        self.frames.start()

    def close(self) -> None:
        """Stop the thread and release the capture.

        A thread that hangs in its driver releases the capture when the driver returns.
        """
        if self.frames.stop():
            self._release()

    def abandon(self) -> None:
        """Stop the thread without waiting for it."""
        self.frames.stop(patience=0)

    def _read(self, stopped: threading.Event) -> Iterator[TimedImage]:
        """Yield the images of one capture after the other, each with its time.monotonic()."""
        wait_seconds = self._timeouts.first_wait
        try:
            while not stopped.is_set():
                count = 0
                for item in self._read_capture():
                    count, wait_seconds = count + 1, self._timeouts.first_wait
                    yield item
                self.lost = count != 1  # the address of a snapshot gives one frame per connection
                stopped.wait(wait_seconds)
                wait_seconds = min(2 * wait_seconds, self._timeouts.longest_wait)
                self.last_read = time.monotonic()
                self._capture = None if stopped.is_set() else self._reconnect()
                self.lost |= self._capture is None
        finally:
            self._release()

    def _read_capture(self) -> Iterator[TimedImage]:
        try:
            while self._capture is not None and (image := _next_image(self._capture)) is not None:
                self.last_read = time.monotonic()
                self.lost = False
                yield image, self.last_read
        finally:
            self._release()

    def _reconnect(self) -> Capture | None:
        try:
            return self._connect()
        except (UserError, cv2.error):
            return None

    def _release(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


def _next_image(capture: Capture) -> np.ndarray | None:
    try:
        return capture.read()
    except cv2.error:
        return None


class Watchdog:
    """Decides when a thread hangs in a driver and must be replaced.

    Python cannot end such a thread, so each replacement leaks one. To limit their number, each hang
    doubles the time after which the next one is noticed. Once frames have come for `recovery`
    seconds, that time is `limit` seconds again.
    """

    def __init__(self, limit: float, recovery: float) -> None:
        self._limit = self._first_limit = limit
        self._recovery = recovery
        self._frames_since: float | None = None  # time.monotonic() of the first after a hang

    def note_frame(self, now: float) -> None:
        """Note that a frame came at `now`, by time.monotonic()."""
        if self._frames_since is None:
            self._frames_since = now
        elif now - self._frames_since >= self._recovery:
            self._limit = self._first_limit

    def is_hung(self, last_read: float, now: float) -> bool:
        """Whether a thread hangs whose last return from its driver was at `last_read`."""
        return now - last_read >= self._limit

    def note_restart(self) -> None:
        """Note that the thread was replaced."""
        self._limit *= 2
        self._frames_since = None

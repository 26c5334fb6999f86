"""Cameras and network streams: the newest frame wins, and one that fails is opened again.

`LiveSource` goes on through an unplugged camera, a server that is gone, a stream that stalls,
changes its size or sends garbage.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import cv2
import numpy as np

from demo.errors import UserError
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS
from demo.sources.capture import Capture
from demo.sources.decoding import OPEN_SECONDS
from demo.sources.reader import FrameReader, Picture

STALL_SECONDS = 3.0  # without a picture the viewer is told
STUCK_SECONDS = 30.0  # a driver that does not return for so long is left to itself
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds before the first and the later attempts to reconnect


class LiveSource:
    """A camera or stream that gives its newest frame and reconnects when it fails.

    The first connection is made at once and its UserError raised; later ones are tried again with
    growing pauses until `give_up` seconds have passed without a picture.
    """

    live, photos, count = True, False, None

    def __init__(
        self, name: str, connect: Callable[[], Capture], give_up: float = math.inf
    ) -> None:
        self.name = name
        self.warning: str | None = None
        self._kind = "camera" if name.isdigit() else "stream"
        self._connect, self._give_up = connect, give_up
        self._capture: Capture | None = self._first_connection()
        claimed = self._capture.fps
        self.fps: float | None = claimed if claimed and 1 <= claimed <= 240 else None
        self.started = time.monotonic()  # when `Frame.time` is 0: at the first frame, if not told
        self._begun = self._lost = False
        self._beat = self.started  # when the reader last came back from the driver
        self._stuck_after = STUCK_SECONDS
        self._reader = FrameReader(self._read, capacity=1, newest=True)
        self._dropped_before = 0  # by readers that were left to themselves

    @property
    def dropped(self) -> int:
        """Frames that were never seen because a newer one came first."""
        return self._dropped_before + self._reader.dropped

    def count_from(self, moment: float) -> None:
        """Let `Frame.time` be 0 at this moment, by time.monotonic, for all sources of a run."""
        self.started, self._begun = moment, True

    def __enter__(self) -> Self:
        self._beat = self.started = time.monotonic()
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._reader.stop()

    def __iter__(self) -> Iterator[Frame]:
        return (seen for seen in self.watch() if isinstance(seen, Frame))

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame]:
        """Frames as they come and, where none came for `patience` seconds, a NoFrame."""
        index, last = 0, time.monotonic()
        while True:
            picture = self._reader.take(patience)
            now = time.monotonic()
            if picture is not None:
                last = now
                if not self._begun:
                    self.count_from(picture[1])
                seconds = max(picture[1] - self.started, 0.0)
                yield Frame(picture[0], index, seconds, self.name)
                index += 1
                continue
            silent = now - last
            lost = self._lost or silent >= STALL_SECONDS
            if lost and silent >= self._give_up:
                self.warning = (
                    f"{self._kind} {self.name} gave no picture for {silent:.0f} s: gave up"
                )
                return
            self._leave_if_stuck(now)
            notice = f"{self._kind} lost, reconnecting ({silent:.0f} s)" if lost else ""
            yield NoFrame(now - self.started, notice)

    def _first_connection(self) -> Capture:
        """Connect in a thread of its own, so that a signal is heard meanwhile."""
        answer: queue.Queue[Capture | BaseException] = queue.Queue(1)

        def ask() -> None:
            try:
                answer.put(self._connect())
            except BaseException as error:  # raised again in the main thread
                answer.put(error)

        opener = threading.Thread(target=ask, name="opener", daemon=True)
        opener.start()
        end = time.monotonic() + 2 * OPEN_SECONDS
        while opener.is_alive() and time.monotonic() < end:
            opener.join(POLL_SECONDS)
        if answer.empty():
            raise UserError(f"cannot open {self._kind} {self.name}: its driver does not answer")
        capture = answer.get()
        if isinstance(capture, BaseException):
            raise capture
        return capture

    def _read(self, stopped: threading.Event) -> Iterator[Picture]:
        """Pictures of one connection after the other, with the moments of their capture."""
        capture, self._capture = self._capture, None
        wait = FIRST_WAIT
        while not stopped.is_set():
            count = 0
            if capture is not None:
                for picture in self._pictures(capture):
                    count, wait = count + 1, FIRST_WAIT
                    yield picture
            self._lost = count != 1  # a snapshot's address gives one each time
            stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            self._beat = time.monotonic()
            capture = None if stopped.is_set() else self._reconnected()
            self._lost |= capture is None

    def _pictures(self, capture: Capture) -> Iterator[Picture]:
        try:
            while (image := self._next(capture)) is not None:
                self._beat = time.monotonic()
                self._lost = False
                yield image, self._beat
        finally:
            capture.release()

    def _next(self, capture: Capture) -> np.ndarray | None:
        try:
            return capture.read()
        except cv2.error:
            return None

    def _reconnected(self) -> Capture | None:
        try:
            return self._connect()
        except (UserError, cv2.error):
            return None

    def _leave_if_stuck(self, now: float) -> None:
        """Start another reader where a driver never came back to this one; each time wait twice as
        long, so that their number stays small."""
        if now - self._beat < self._stuck_after:
            return
        self._reader.stop(patience=0)
        self._dropped_before += self._reader.dropped
        self._stuck_after *= 2
        self._beat = now
        self._reader = FrameReader(self._read, capacity=1, newest=True)
        self._reader.start()

"""Cameras and network streams: the newest frame counts, and a lost source is opened again."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source
from demo.sources.capture import DEFAULT_TIMEOUTS, Capture, LiveTimeouts
from demo.sources.connection import Connection, Watchdog, connect_in_thread
from demo.sources.reader import TimedImage

UNWATCHED_FRAMES = 8  # that wait where nobody watches: 50 MB at 1080p
MAX_CAMERA_FPS = 240  # drivers without a frame rate state a larger one, or less than 1


class LiveSource(Source):
    """A camera or stream that yields its newest frame and reconnects when it fails.

    It survives an unplugged camera, a server that restarts, a stream that stalls or sends garbage,
    and a driver that hangs. `watch` yields the events "lost" and "back" around each interruption,
    and "failed" at the end if no frame came for `give_up` seconds. `Frame.captured` is set.
    """

    live, photos = True, False
    path: Path | None = None
    fps: float | None = None
    count: int | None = None

    def __init__(
        self,
        name: str,
        connect: Callable[[], Capture],
        give_up: float = math.inf,
        timeouts: LiveTimeouts = DEFAULT_TIMEOUTS,
        capture: Capture | None = None,
    ) -> None:
        """Connect, unless a `capture` is open. Raises what `connect` raises, or UserError if it
        does not return.

        After a later failure, `connect` is called again, with growing pauses in between.
        """
        self.name = name
        self.started = time.monotonic()  # the time.monotonic() at which `Frame.time` is 0
        self._kind = "camera" if name.isdigit() else "stream"
        self._connect, self._give_up, self._timeouts = connect, give_up, timeouts
        if capture is None:
            capture = connect_in_thread(connect, f"{self._kind} {name}", 2 * timeouts.open)
        self.fps = capture.fps if capture.fps and 1 <= capture.fps <= MAX_CAMERA_FPS else None
        self._connection = Connection(connect, timeouts, capture)
        self._watchdog = Watchdog(timeouts.hang, timeouts.recovery)
        self._kept = 1  # frames that wait
        self._dropped_before = 0  # by connections that were replaced
        self._last_captured: float | None = None
        self._has_clock = self._running = self._closed = False

    @property
    def dropped(self) -> int:
        """Frames that newer ones replaced before they were taken."""
        return self._dropped_before + self._connection.frames.dropped

    def keep_unwatched(self) -> None:
        """Let UNWATCHED_FRAMES wait while the reader is busy, instead of the newest alone: where
        nobody watches, late is better than lost. Call it before `start`."""
        self._kept = UNWATCHED_FRAMES
        self._connection.frames.keep(self._kept)

    def start(self) -> None:
        """Start reading. `Frame.time` is 0 at the first frame, unless `start_clock` was called."""
        if self._running or self._closed:
            return
        self._running = True
        if not self._has_clock:
            self.started = time.monotonic()
        self._connection.start()

    def close(self) -> None:
        """Stop reading and release the camera or connection.

        A driver that hangs keeps its thread and its device until it returns.
        """
        if not self._closed:
            self._closed = True
            self._connection.close()

    def start_clock(self, moment: float) -> None:
        """Let `Frame.time` be 0 at `moment`, by time.monotonic()."""
        self.started, self._has_clock = moment, True

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield the newest frame as it comes.

        Yields a NoFrame whenever none came for `patience` seconds, with a notice while the source
        is lost, and events where they happen. Ends after `give_up` seconds without a frame, or when
        the source is closed.
        """
        self.start()
        index, last, lost = 0, time.monotonic(), False
        while True:
            item = self._connection.frames.take(patience)
            now = time.monotonic()
            if item is not None:
                yield from self._arrived(item, index, lost)
                index, last, lost = index + 1, now, False
                continue
            if self._closed:
                return
            notice = self._notice(now - last)
            if notice and now - last >= self._give_up:
                text = f"{self._kind} {self.name} sent no frame for {now - last:.0f} s: gave up"
                yield Event("failed", text, self.name, now - self.started)
                return
            if notice and not lost:
                text = f"{self.name}: {self._kind} lost, reconnecting"
                yield Event("lost", text, self.name, now - self.started)
                lost = True
            self._restart_if_hung(now)
            yield NoFrame(now - self.started, notice)

    def _arrived(self, item: TimedImage, index: int, lost: bool) -> Iterator[Frame | Event]:
        """Yield a frame, preceded by the event that ends an interruption."""
        image, captured = item
        before = self.started if self._last_captured is None else self._last_captured
        self._last_captured = captured
        self._watchdog.note_frame(captured)
        if not self._has_clock:
            self.start_clock(captured)
        seconds = max(captured - self.started, 0.0)
        if lost:
            text = f"{self.name}: back after {captured - before:.0f} s"
            yield Event("back", text, self.name, seconds)
        yield Frame(image, index, seconds, self.name, captured)

    def _notice(self, silent: float) -> str:
        """Text to show over the last picture after `silent` seconds without a frame."""
        if self._connection.lost or silent >= self._timeouts.stall:
            return f"{self._kind} lost, reconnecting ({silent:.0f} s)"
        return ""

    def _restart_if_hung(self, now: float) -> None:
        """Replace a connection whose thread hangs in the driver."""
        if not self._watchdog.is_hung(self._connection.last_read, now):
            return
        self._watchdog.note_restart()
        self._connection.abandon()
        self._dropped_before += self._connection.frames.dropped
        self._connection = Connection(self._connect, self._timeouts)
        self._connection.frames.keep(self._kept)
        self._connection.start()

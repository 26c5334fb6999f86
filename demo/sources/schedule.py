"""Which frames of a run are due: files go in step by their own time, live sources as they come."""

import time
from collections.abc import Sequence

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source

SAME_MOMENT = 0.002  # seconds; containers round times
MAX_TURNS = 240  # per second, whatever frame rate a file claims
TURN_SECONDS = 1 / 30  # at most, between two turns of several sources with a live one among them


class Feed:
    """A source as a run follows it: its next frame, and what is wrong with it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.running = True
        self.failure: str | None = None  # why it ended before its end
        self.notice = ""  # shown over its last picture
        self.next: Frame | None = None  # read, and not due yet
        self.time = 0.0  # seconds, as in its frames

    def begin(self, patience: float) -> None:
        """Start to watch the source; each `read` takes up to `patience` seconds."""
        self._watched = self.source.watch(patience)

    def read(self) -> list[Event]:
        """Read the next frame, if there is one, and the events before it. Raises UserError as the
        source does."""
        events: list[Event] = []
        while self.next is None and self.running:
            match next(self._watched, None):
                case Event() as event:
                    events.append(event)
                    if event.kind == "failed":
                        self.failure = event.text
                case Frame() as frame:
                    self.next, self.time, self.notice = frame, frame.time, ""
                case NoFrame(seconds, notice):
                    self.time, self.notice = seconds, notice
                    break
                case None:
                    self.end(self.failure)
        return events

    def end(self, failure: str | None) -> None:
        """Stop reading; the last picture stays, under a notice."""
        self.running, self.failure = False, failure
        self.notice = failure or "ended"


class Schedule:
    """The feeds of a run, of which each `turn` gives the frames that are due."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        """Call it after the sources have started."""
        self.feeds = feeds
        self.live = any(feed.source.live for feed in feeds)
        self.time = 0.0  # seconds: of the source; with several live ones, since the start
        self.turns = 0
        self._paused = 0.0  # seconds for which files waited for the viewer
        self._several = len(feeds) > 1
        self._start = self._turn = time.monotonic()
        rates = (feed.source.fps for feed in feeds if not feed.source.live)
        self._turn_seconds = min([TURN_SECONDS, *(1 / min(fps, MAX_TURNS) for fps in rates if fps)])
        for feed in feeds:
            feed.begin(0.0 if self._several and self.live else POLL_SECONDS)
            if self._several:
                feed.source.start_clock(self._start)

    @property
    def running(self) -> bool:
        """Whether a source may give more frames."""
        return any(feed.running for feed in self.feeds)

    @property
    def lost(self) -> bool:
        """Whether a live source is shown under a notice."""
        return any(feed.notice for feed in self.feeds if feed.source.live)

    def turn(self) -> tuple[list[tuple[Feed, Frame]], list[Event]]:
        """The frames that are due now, at most one of each source, and what happened meanwhile.
        Raises UserError where the only source fails; of several, the others go on."""
        if self._several and self.live:
            start = self._turn + self._turn_seconds
            time.sleep(max(start - time.monotonic(), 0.0))
            self._turn = max(start, time.monotonic() - self._turn_seconds)
        self.turns += 1
        events = [event for feed in self.feeds for event in self._read(feed)]
        if not self.live and any(feed.running and not feed.next for feed in self.feeds):
            return [], events  # files go in step, however fast each is decoded
        waiting = [(feed, feed.next) for feed in self.feeds if feed.next is not None]
        self._advance([frame.time for _, frame in waiting])
        due = [
            (feed, frame)
            for feed, frame in waiting
            if feed.source.live or frame.time <= self.time - self._paused + SAME_MOMENT
        ]
        for feed, _ in due:
            feed.next = None
        return due, events

    def pause(self, seconds: float) -> None:
        """Account for a pause of the viewer, during which live sources did not wait for files."""
        self._paused += seconds if self.live else 0.0

    def _read(self, feed: Feed) -> list[Event]:
        if not self._several:
            return feed.read()
        try:
            return feed.read()
        except UserError as error:
            feed.end(str(error))
            return [Event("failed", str(error), feed.source.name, feed.time)]

    def _advance(self, times: list[float]) -> None:
        if not self._several:
            self.time = self.feeds[0].time
        elif self.live:
            self.time = time.monotonic() - self._start
        else:
            self.time = min(times, default=self.time)

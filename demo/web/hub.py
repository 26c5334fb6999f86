"""Where a run meets its viewers: the main loop leaves its newest frames, the server takes them."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

from demo.events import Event
from demo.frames import Faces, Frame, Timing
from demo.records import frame_record

KEPT_EVENTS = 100
QUEUED_RECORDS = 256  # for each listener; of a slow one the oldest are dropped
RATE_FRAMES = 30  # over which the frame rate is measured


class Newest(NamedTuple):
    """The newest frame of a source."""

    frame: Frame
    faces: Faces
    timing: Timing
    number: int  # of the frames of this source, from 1
    arrived: float  # time.monotonic()


class Listener:
    """Takes every record and event of a run, the newest QUEUED_RECORDS of them."""

    def __init__(self) -> None:
        self.dropped = 0  # since the last `take`
        self._messages: deque[tuple[str, dict[str, Any]]] = deque()
        self._some = asyncio.Event()

    def put(self, kind: str, message: dict[str, Any]) -> None:
        """Add a message, in place of the oldest if too many wait."""
        if len(self._messages) >= QUEUED_RECORDS:
            self._messages.popleft()
            self.dropped += 1
        self._messages.append((kind, message))
        self._some.set()

    async def take(self) -> list[tuple[str, dict[str, Any]]]:
        """All waiting messages, kind and content; at least one."""
        await self._some.wait()
        taken = list(self._messages)
        if self.dropped:
            taken.insert(0, ("dropped", {"count": self.dropped}))
        self._messages.clear()
        self._some.clear()
        self.dropped = 0
        return taken


class Hub:
    """A sink and a `Notify` of the main loop, which never waits here: it leaves references, and
    wakes the server's loop only while someone watches."""

    def __init__(self) -> None:
        self.newest: dict[str, Newest] = {}  # by source
        self.events: deque[tuple[int, Event]] = deque(maxlen=KEPT_EVENTS)  # numbered from 1
        self.counts: Counter[str] = Counter()  # of events, by "source kind"
        self.lost: set[str] = set()  # live sources that deliver nothing now
        self.ended = False
        self._event_count = 0
        self._moments: deque[float] = deque(maxlen=RATE_FRAMES)  # of frames, time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers: set[asyncio.Event] = set()
        self._listeners: set[Listener] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended = True
        self._call(self._wake)

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Wake viewers in this loop; None: nobody is woken any more."""
        self._loop = loop

    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Take a frame, from the main loop."""
        before = self.newest.get(frame.source)
        number, now = before.number + 1 if before else 1, time.monotonic()
        self.newest[frame.source] = Newest(frame, faces, timing, number, now)
        self._moments.append(now)
        if self._watchers:
            self._call(self._wake)
        if self._listeners:
            self._call(self._deliver_frame, frame, faces)

    def notify(self, event: Event) -> None:
        """Take an event, from any thread."""
        self._event_count += 1
        self.events.append((self._event_count, event))
        self.counts[f"{event.source} {event.kind}"] += 1
        if event.kind == "lost":
            self.lost.add(event.source)
        if event.kind == "back":
            self.lost.discard(event.source)
        self._call(self._wake)
        self._call(self._deliver, event.kind, event_record(event))

    @property
    def fps(self) -> float:
        """Frames per second of all sources together; 0 where none came for a second."""
        moments = list(self._moments)
        if len(moments) < 2 or time.monotonic() - moments[-1] > 1:
            return 0.0
        return (len(moments) - 1) / max(moments[-1] - moments[0], 1e-3)

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is something new; used in the server's loop."""
        due = asyncio.Event()
        due.set()
        self._watchers.add(due)
        try:
            yield due
        finally:
            self._watchers.discard(due)

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """A listener that takes every record and event from now on."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _call(self, function: Any, *arguments: Any) -> None:
        """Let the server's loop call a function, if it is still running."""
        loop = self._loop  # the server's thread may take it away meanwhile
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(function, *arguments)

    def _wake(self) -> None:
        for due in self._watchers:
            due.set()

    def _deliver_frame(self, frame: Frame, faces: Faces) -> None:
        self._deliver("frame", frame_record(frame, faces))

    def _deliver(self, kind: str, message: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener.put(kind, message)


def event_record(event: Event) -> dict[str, Any]:
    """An event as plain values."""
    return {
        "kind": event.kind,
        "text": event.text,
        "source": event.source,
        "time": round(event.time, 3),
    }

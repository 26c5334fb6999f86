"""What each source shows: its newest picture with the overlay, or what is wrong with it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from demo.display.overlay import draw, draw_notice
from demo.display.tiles import grid, letterbox, letterbox_faces, tile_shape
from demo.errors import UserError
from demo.events import Event
from demo.frames import Faces, Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source

SAME_MOMENT = 0.002  # seconds: containers round times
MOST_TURNS = 240  # a second, whatever rate a file claims
TURN_SECONDS = 1 / 30  # at most, between two looks at several sources of which one is live


class SourceView:
    """One source, its own pipeline, and its picture as the viewer sees it."""

    def __init__(self, source: Source, process: Callable[[Frame], Faces]) -> None:
        self.source, self.process = source, process
        self.shape: tuple[int, int] | None = None  # of its tile; None: of its frames
        self.running = True
        self.failure: str | None = None  # why it ended before its end
        self.notice = ""  # what is wrong now
        self.news: list[str] = []  # what went wrong or well since somebody asked
        self.waiting: Frame | None = None  # read, and not due yet
        self.time = 0.0  # seconds, as in its frames
        name = source.name
        self._title = name if "://" in name else Path(name).name  # of its tile
        self._last = Frame(np.zeros((0, 0, 3), np.uint8), -1, 0.0, name)  # as it was drawn

    def begin(self, patience: float, shape: tuple[int, int] | None) -> None:
        """Start to watch the source; a look at it takes up to `patience` seconds."""
        self._watched = self.source.watch(patience)
        self.shape = shape

    def look(self) -> None:
        """Have the next frame waiting, if there is one. Raises UserError as the source does."""
        if self.waiting is not None or not self.running:
            return
        match next(self._watched, None):
            case Frame() as frame:
                self.waiting, self.time, self.notice = frame, frame.time, ""
            case NoFrame(seconds, notice):
                self.time, self.notice = seconds, notice
            case Event("failed", text):
                self.end(text)
            case Event(_, text):
                self.news.append(text)
                self.look()
            case None:
                self.end(None)

    def end(self, failure: str | None) -> None:
        """Look no more; the last picture stays."""
        self.running, self.failure = False, failure
        self.notice = failure or "ended"

    def draw(self, frame: Frame, faces: Faces, figures: str) -> None:
        """Draw onto the frame, which nobody needs bare any more, or onto a tile made of it."""
        image = frame.image
        if self.shape is not None:
            faces, image = (
                letterbox_faces(faces, image.shape, *self.shape),
                letterbox(image, *self.shape),
            )
            figures = self._title
        draw(image, faces, figures)
        self._last = Frame(image, frame.index, frame.time, frame.source)

    def seen(self, seconds: float) -> Frame | None:
        """The last picture, under a notice if there is one; None before the first."""
        image = self._last.image
        if not image.size and self.shape is not None:
            image = np.zeros((*self.shape, 3), np.uint8)
        if not image.size:
            return None
        if self.notice:
            image = image.copy()
            draw_notice(image, self.notice)
        return Frame(image, self._last.index, seconds, self._last.source)


class Mosaic:
    """The views of a run, in step: files by their own time, live sources as they come."""

    def __init__(self, views: Sequence[SourceView]) -> None:
        self.views = views
        self.live = any(view.source.live for view in views)
        self.time = 0.0  # seconds, of the source; of several that are live, since the start
        self._held = 0.0  # seconds that files waited for the viewer
        self._several = len(views) > 1
        self._start = self._turn = time.monotonic()
        self._turns = 0
        files = (view.source.fps for view in views if not view.source.live)
        self._turn_seconds = min(
            [TURN_SECONDS, *(1 / min(fps, MOST_TURNS) for fps in files if fps)]
        )
        for view in views:
            view.begin(
                0.0 if self._several and self.live else POLL_SECONDS,
                tile_shape(len(views)) if self._several else None,
            )
            if self._several:
                view.source.start_clock(self._start)

    @property
    def running(self) -> bool:
        """Whether a source may give more."""
        return any(view.running for view in self.views)

    @property
    def lost(self) -> bool:
        """Whether a source is shown under a notice."""
        return any(view.notice for view in self.views if view.source.live)

    def news(self) -> list[str]:
        """What went wrong or well since the last call, a line each."""
        lines = [line for view in self.views for line in view.news]
        for view in self.views:
            view.news.clear()
        return lines

    def turn(self) -> list[tuple[SourceView, Frame]]:
        """The frames that are due now, at most one of each source."""
        if self._several and self.live:
            start = self._turn + self._turn_seconds
            time.sleep(max(start - time.monotonic(), 0.0))
            self._turn = max(start, time.monotonic() - self._turn_seconds)
        self._turns += 1
        for view in self.views:
            self._look(view)
        if not self.live and any(view.running and not view.waiting for view in self.views):
            return []  # files go in step, however fast each is decoded
        waiting = [(view, view.waiting) for view in self.views if view.waiting is not None]
        self._keep_time([frame.time for _, frame in waiting])
        due = [
            (view, frame)
            for view, frame in waiting
            if view.source.live or frame.time <= self.time - self._held + SAME_MOMENT
        ]
        for view, _ in due:
            view.waiting = None
        return due

    def hold(self, seconds: float) -> None:
        """Go on after a pause, in which live sources did not wait for files."""
        self._held += seconds if self.live else 0.0

    def seen(self) -> Frame | None:
        """The picture of the only source, or tiles; None before there is one."""
        if not self._several:
            return self.views[0].seen(self.time)
        tiles = [view.seen(self.time) for view in self.views]
        names = ", ".join(view.source.name for view in self.views)
        return Frame(grid([tile.image for tile in tiles if tile]), self._turns, self.time, names)

    def _look(self, view: SourceView) -> None:
        """One of several that fails does not stop the others; the user is told at once."""
        if not self._several:
            view.look()
            return
        ran = view.running
        try:
            view.look()
        except UserError as error:
            view.end(str(error))
        if ran and view.failure:
            view.news.append(view.failure)

    def _keep_time(self, times: list[float]) -> None:
        if not self._several:
            self.time = self.views[0].time
        elif self.live:
            self.time = time.monotonic() - self._start
        else:
            self.time = min(times, default=self.time)

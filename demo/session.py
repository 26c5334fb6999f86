"""The loop of a run: frames from the sources, through their pipelines, to sinks and pictures."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from demo.display.controls import Controls
from demo.display.mosaic import Mosaic
from demo.events import Notify, ignore
from demo.frames import Analysis, Frame, Timing
from demo.playback import Playback
from demo.sinks.base import PictureSink, Sink
from demo.sources.base import Source
from demo.sources.schedule import Feed, Schedule
from demo.timing import Stopwatch

REPEAT_SECONDS = 0.2  # between two records of the last picture while a source is lost


class FramePipeline(Protocol):
    """Finds and labels the faces of the frames of one source."""

    def process(self, frame: Frame) -> Analysis:
        """The frame with its faces; call it for the frames of a source in order."""
        ...


@dataclass
class Result:
    """How a run ended."""

    frames: int = 0
    quit: bool = False  # by the viewer
    interrupted: bool = False  # by a signal
    failures: list[str] = field(default_factory=list)  # of sources that ended before their end


class Session:
    """A run: every frame of the sources goes through its pipeline into all sinks; pictures with
    the overlay are drawn where a picture sink wants them. Runs once."""

    def __init__(  # noqa: PLR0913 - a run has so many parts, all but the first optional
        self,
        inputs: Sequence[tuple[Source, FramePipeline]],
        sinks: Sequence[Sink] = (),
        pictures: Sequence[PictureSink] = (),
        controls: Sequence[Controls] = (),
        stopwatch: Stopwatch | None = None,
        max_frames: int | None = None,
        notify: Notify = ignore,
        realtime: bool = False,
    ) -> None:
        """`stopwatch`: the one that the pipelines use. `notify` takes the events of the run.
        `realtime`: files play at their own rate, as where a picture sink is `realtime`."""
        self._sources = [source for source, _ in inputs]
        self._pipelines = [pipeline for _, pipeline in inputs]
        self._sinks, self._pictures, self._controls = sinks, pictures, controls
        self.stopwatch = stopwatch or Stopwatch()
        self._max_frames, self._notify, self._realtime = max_frames, notify, realtime
        self.result = Result()
        self._writing = False  # some sinks have the current frame, others not yet
        self._ending = False  # the run ends after the current frame

    def run(self, progress: Callable[[], object] | None = None) -> Result:
        """Work until all sources end, `max_frames` are done, the viewer quits or Ctrl-C is pressed;
        then everything is closed and complete. `progress` is called after each frame."""
        with self._opened() as loop:
            try:
                for _ in loop:
                    if progress:
                        progress()
            except KeyboardInterrupt:
                self.result.interrupted = True
        return self.result

    def defer_interrupt(self) -> bool:
        """Whether a signal handler can leave the interrupt to the session: sinks are being written,
        and the run ends once all have the same frame. Otherwise raise KeyboardInterrupt."""
        deferred = self._writing and not self._ending
        self._ending |= deferred
        return deferred

    def __iter__(self) -> Generator[Analysis]:
        """The same as a generator of analyses, in which Ctrl-C is raised."""
        with self._opened() as loop:
            yield from loop

    @contextmanager
    def _opened(self) -> Iterator[Iterator[Analysis]]:
        with ExitStack() as stack:
            for part in (self._sources, self._sinks, self._pictures):
                for each in part:
                    stack.enter_context(each)
            feeds = [Feed(source) for source in self._sources]
            yield self._loop(Schedule(feeds))
            if not self.result.quit:
                self.result.failures += [feed.failure for feed in feeds if feed.failure]

    def _loop(self, schedule: Schedule) -> Iterator[Analysis]:
        mosaic = Mosaic(schedule)
        playback = Playback(self._controls, schedule, mosaic, self._notify)
        repeat_at = 0.0  # seconds: the last picture of a lost source is recorded again
        while schedule.running and self.result.frames != self._max_frames:
            due, events = schedule.turn()
            for event in events:
                self._notify(event)
            if self._max_frames is not None:
                due = due[: self._max_frames - self.result.frames]
            results = [self._analyse(schedule.feeds.index(feed), frame) for feed, frame in due]
            for feed, analysis, _ in results:
                mosaic.update(feed, analysis, self._caption(feed))
            picture = None
            if due or (schedule.lost and schedule.time >= repeat_at):
                picture = self._draw(mosaic)
                repeat_at = schedule.time + REPEAT_SECONDS
            self._write(results, picture)
            if self._ending:
                raise KeyboardInterrupt
            yield from (analysis for _, analysis, _ in results)
            watched = self._realtime or any(sink.realtime for sink in self._pictures)
            self.result.quit = playback.obey(schedule.time if due and watched else None)
            if self.result.quit:
                return

    def _analyse(self, feed: int, frame: Frame) -> tuple[int, Analysis, Timing]:
        """Take one frame of a feed through its pipeline."""
        start = time.perf_counter()
        analysis = self._pipelines[feed].process(frame)
        processing = time.perf_counter() - start
        latency = time.monotonic() - frame.captured  # nan for files
        return feed, analysis, Timing(processing * 1e3, latency * 1e3)

    def _caption(self, feed: int) -> str:
        return "" if self._sources[feed].photos else self.stopwatch.line

    def _draw(self, mosaic: Mosaic) -> Frame | None:
        """The picture, if a sink wants it now."""
        if not any(sink.wanted for sink in self._pictures):
            return None
        with self.stopwatch.stage("draw"):
            return mosaic.picture()

    def _write(self, results: list[tuple[int, Analysis, Timing]], picture: Frame | None) -> None:
        """Give the results and the picture to all sinks."""
        self._writing = True
        try:
            for _, analysis, timing in results:
                for sink in self._sinks:
                    sink.write(analysis.frame, analysis.faces, timing)
                self.result.frames += 1
                self.stopwatch.frame_done()
        finally:
            self._writing = False  # a full disk may block a recorder, and Ctrl-C must end that
        if picture is None:
            return
        for viewer in self._pictures:
            if viewer.wanted:
                with self.stopwatch.stage("show" if viewer.realtime else "record"):
                    viewer.write(picture)

"""One run: every frame of the sources through their pipelines and into the sinks."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
from tqdm import tqdm

from demo.display.mosaic import Mosaic, SourceView
from demo.display.window import LOST, PAUSE, QUIT, SNAPSHOT, Window
from demo.errors import UserError
from demo.frames import Frame
from demo.sinks.video import Recorder, Sink, save_image
from demo.timing import Stopwatch

KEY_SECONDS = 0.03  # wait for a key while paused
PHOTO_SECONDS = 3.0  # a photo stays in the window
HOLD_SECONDS = 0.2  # between two records of a picture that stands still


@dataclass
class Result:
    """What a run did."""

    frames: int = 0
    quit: bool = False  # by a key or the window
    interrupted: bool = False  # by a signal


def prepare_process() -> None:
    """Keep OpenCV on one core a call, as the networks are: the reader and the writer have the
    others, and threads that wait for one another cost more than they gain on small pictures."""
    cv2.setNumThreads(1)


def run(
    views: Sequence[SourceView],
    sinks: Sequence[Sink],
    recorder: Recorder | None,
    window: Window | None,
    stopwatch: Stopwatch,
    max_frames: int | None,
    notify: Callable[[str], None],
) -> Result:
    """Work until all sources end, `max_frames` are done or the user quits; close everything.

    The sinks take every frame of every source; recorder and window what there is to see: the
    frames of one source or tiles of several, and while a live source is lost its last picture
    under a notice. Ctrl-C is a way to quit: sinks are closed and what they hold is complete.
    """
    result = Result()
    with ExitStack() as stack:
        for view in views:
            stack.enter_context(view.source)
        for sink in sinks:
            stack.enter_context(sink)
        if recorder:
            stack.enter_context(recorder)
        mosaic = Mosaic(views)
        progress = stack.enter_context(_progress(views, max_frames))
        tell = _beside_the_bar(notify)
        show = _Show(stack.enter_context(window), mosaic, tell) if window else None
        held = 0.0  # until then a picture that stands still is recorded
        try:
            while mosaic.running and result.frames != max_frames:
                frames = mosaic.turn()
                if max_frames is not None:
                    frames = frames[: max_frames - result.frames]
                for line in mosaic.news():
                    tell(line)
                for view, frame in frames:
                    _take(view, frame, sinks, stopwatch)
                    result.frames += 1
                    progress.update()
                seen = mosaic.seen() if frames or (mosaic.lost and mosaic.time >= held) else None
                if seen and recorder:
                    held = seen.time + HOLD_SECONDS
                    with stopwatch.stage("record"):
                        recorder.write(seen)
                command = show(seen) if show else None
                if command == QUIT:
                    result.quit = True
                    break
                if command == LOST:
                    tell("the display is gone: going on without a window")
                    show = None
        except KeyboardInterrupt:
            result.interrupted = True
    return result


def _take(view: SourceView, frame: Frame, sinks: Sequence[Sink], stopwatch: Stopwatch) -> None:
    """One frame from its pipeline into its view and the sinks."""
    faces = view.process(frame)
    with stopwatch.stage("draw"):
        view.draw(frame, faces, "" if view.source.photos else stopwatch.line)
    for sink in sinks:
        sink.write(frame, faces)
    stopwatch.frame_done()


def _progress(views: Sequence[SourceView], max_frames: int | None) -> tqdm:
    """A bar with rate and time left for files; silent for live sources, which have no end."""
    sources = [view.source for view in views]
    known = [source.count for source in sources if source.count]
    counts = [n for n in (sum(known) if len(known) == len(sources) else None, max_frames) if n]
    return tqdm(
        total=min(counts) if counts else None,
        desc=", ".join(Path(source.name).name for source in sources)[:30],
        unit="photo" if sources[0].photos else "frame",
        disable=any(source.live for source in sources),
        smoothing=0.1,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
    )


def _beside_the_bar(notify: Callable[[str], None]) -> Callable[[str], None]:
    """`notify` with the bar out of its way."""

    def tell(line: str) -> None:
        with tqdm.external_write_mode():
            notify(line)

    return tell


class _Show:
    """The window as a viewer uses it: files play at their own rate, keys pause, save and quit."""

    def __init__(self, window: Window, mosaic: Mosaic, notify: Callable[[str], None]) -> None:
        self._window, self._wall, self._notify = window, mosaic, notify
        self._photos = any(view.source.photos for view in mosaic.views)
        self._seen: Frame | None = None
        self._due = time.monotonic()

    def __call__(self, seen: Frame | None) -> str | None:
        """Show a picture, if there is a new one, and obey the keys; QUIT or LOST to end."""
        wait = self._shown(seen) if seen else 0.0
        end, paused = time.monotonic() + wait, False
        command = self._window.command(wait)
        while command or paused:
            if command in (QUIT, LOST):
                return command
            if command == SNAPSHOT and self._seen:
                self._notify(_snapshot(self._seen))
            if command == PAUSE:
                paused = not paused
            now = time.monotonic()
            command = self._window.command(KEY_SECONDS if paused else max(end - now, 0.0))
            if paused:
                self._wall.hold(time.monotonic() - now)
        return None

    def _shown(self, seen: Frame) -> float:
        """Show a picture; the seconds until the next one is due."""
        self._window.show(seen.image)
        last, self._seen = self._seen, seen
        if self._photos:
            return PHOTO_SECONDS
        now = time.monotonic()
        interval = seen.time - last.time if last and not self._wall.live else 0.0
        self._due = max(self._due + interval, now)
        return self._due - now


def _snapshot(seen: Frame) -> str:
    """Save a picture in the folder that the user is in; what came of it."""
    name = f"snapshot-{datetime.now():%Y%m%d-%H%M%S}-{seen.index:06d}.png"
    try:
        save_image(Path(name), seen.image)
    except UserError as error:
        return str(error)
    return f"saved {name}"

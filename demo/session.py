"""One run: every frame of a source through the pipeline and into the sinks."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from demo.draw import draw
from demo.frames import Faces, Frame
from demo.sinks import Sink, save_picture
from demo.sources import Source
from demo.timing import Stopwatch
from demo.window import PAUSE, QUIT, SNAPSHOT, Window

KEY_SECONDS = 0.03  # wait for a key while paused
PHOTO_SECONDS = 3.0  # a photo stays in the window


@dataclass
class Result:
    """What a run did."""

    frames: int = 0
    quit: bool = False  # by a key or the window
    interrupted: bool = False  # by a signal


def share_cores() -> None:
    """Keep OpenCV on one core a call, as the networks are: the reader and the writer have the
    others, and threads that wait for one another cost more than they gain on small pictures."""
    cv2.setNumThreads(1)


def run(
    source: Source,
    process: Callable[[Frame], Faces],
    sinks: Sequence[Sink],
    window: Window | None,
    stopwatch: Stopwatch,
    max_frames: int | None,
    notify: Callable[[str], None],
) -> Result:
    """Work until the source ends, `max_frames` are done or the user quits; close everything.

    Ctrl-C is a way to quit: sinks are closed and what they hold is complete.
    """
    result = Result()
    with ExitStack() as stack:
        stack.enter_context(source)
        for sink in sinks:
            stack.enter_context(sink)
        show = _Show(stack.enter_context(window), source, notify) if window else None
        progress = stack.enter_context(_progress(source, max_frames))
        try:
            for frame in source:
                faces = process(frame)
                drawn = _drawn(frame, faces, stopwatch, source.photos)
                with stopwatch.stage("write"):
                    for sink in sinks:
                        sink.write(frame, faces, drawn)
                stopwatch.frame_done()
                result.frames += 1
                progress.update()
                if show and show(frame, faces, drawn):
                    result.quit = True
                    break
                if result.frames == max_frames:
                    break
        except KeyboardInterrupt:
            result.interrupted = True
    return result


def _progress(source: Source, max_frames: int | None) -> tqdm:
    """A bar with rate and time left for files; silent for live sources, which have no end."""
    counts = [n for n in (source.count, max_frames) if n]
    return tqdm(
        total=min(counts) if counts else None,
        desc=Path(source.name).name[:30],
        unit="photo" if source.photos else "frame",
        disable=source.live,
        smoothing=0.1,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
    )


def _drawn(frame: Frame, faces: Faces, stopwatch: Stopwatch, photo: bool) -> np.ndarray:
    with stopwatch.stage("draw"):
        drawn = frame.image  # nobody needs the bare picture any more
        draw(drawn, faces, "" if photo else stopwatch.line)
    return drawn


class _Show:
    """The window as a viewer uses it: files play at their own rate, keys pause, save and quit."""

    def __init__(self, window: Window, source: Source, notify: Callable[[str], None]) -> None:
        self._window, self._notify = window, notify
        self._photos = source.photos
        self._interval = 1 / source.fps if source.fps and not source.live else 0.0  # seconds
        self._due = time.monotonic()

    def __call__(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> bool:
        """Show a frame and obey the keys; True to quit."""
        self._window.write(frame, faces, drawn)
        now = time.monotonic()
        self._due = max(self._due + self._interval, now)
        command = self._window.command(PHOTO_SECONDS if self._photos else self._due - now)
        paused = False
        while command or paused:
            if command == QUIT:
                return True
            if command == SNAPSHOT:
                path = Path(f"snapshot-{datetime.now():%Y%m%d-%H%M%S}-{frame.index:06d}.png")
                save_picture(path, drawn)
                self._notify(f"saved {path}")
            if command == PAUSE:
                paused = not paused
            command = self._window.command(KEY_SECONDS)
        return False

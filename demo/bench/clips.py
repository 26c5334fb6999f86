"""A clip as the source of a benchmark: as a video and as a camera."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from demo.build import Networks, load_networks, prepare_process
from demo.errors import UserError
from demo.options import Options
from demo.sources.base import Source
from demo.sources.open import open_source

CAMERA_FPS = 30.0
ON_CPU = Options(device="cpu")  # the same engine on every machine


class ClipCamera:
    """A capture that plays a clip in a loop at CAMERA_FPS, for some seconds from its construction.
    Frames are due at fixed times, so that a slow reader gets late frames and loses none."""

    fps = CAMERA_FPS

    def __init__(self, clip: str, seconds: float) -> None:
        self._clip, self._images = clip, _images(clip)
        self._start, self._seconds = time.monotonic(), seconds
        self._count = 0

    def read(self) -> np.ndarray | None:
        """Wait for the next image (H, W, 3) uint8 BGR; None when the time is over."""
        due = self._start + self._count / CAMERA_FPS
        time.sleep(max(due - time.monotonic(), 0.0))
        self._count += 1
        image = next(self._images, None)
        if image is None:
            self._images = _images(self._clip)
            image = next(self._images)
        return image if time.monotonic() < self._start + self._seconds else None

    def release(self) -> None:
        """Nothing to do: the clip is closed with its iterator."""


def _images(clip: str) -> Iterator[np.ndarray]:
    with video_source(clip) as source:
        for frame in source:
            yield frame.image


def video_source(clip: str) -> Source:
    """Open a video file. Raises UserError for any other kind of source."""
    source = open_source(clip)
    if source.live or source.photos:
        source.close()
        raise UserError(f"{clip} is not a video file: a benchmark needs the same frames every run")
    return source


@contextmanager
def networks(options: Options = ON_CPU) -> Iterator[Networks]:
    """Load the detector for video and the estimator that the options name, in a process set up as
    for a run; the estimator is closed on leaving the `with`. Raises UserError or ModelError."""
    prepare_process()
    loaded = load_networks(options, photos=False)
    with loaded.estimator:
        yield loaded

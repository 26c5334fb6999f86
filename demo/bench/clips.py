"""A clip as the source of a benchmark: as a video and as a camera."""

import math
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import numpy as np

from demo.build import prepare_process
from demo.errors import UserError
from demo.networks import Networks, load_networks
from demo.options import Options
from demo.sources.base import Source
from demo.sources.open import open_source

CAMERA_FPS = 30.0
ON_CPU = Options(device="cpu")  # the same engine on every machine


class ClipCamera:
    """A capture that plays a clip in a loop at a fixed rate, for some seconds from its first image.
    Frames are due at fixed times, so that a slow reader gets late frames and loses none."""

    def __init__(self, clip: str, seconds: float, fps: float = CAMERA_FPS) -> None:
        self.clip, self.seconds, self.fps = clip, seconds, fps
        self._images = _endless(clip)
        self._start, self._count = 0.0, 0

    @property
    def due(self) -> int:
        """How many frames it has for a reader that is fast enough."""
        return math.ceil(round(self.seconds * self.fps, 6))

    def read(self) -> np.ndarray | None:
        """Wait for the next image (H, W, 3) uint8 BGR; None when the time is over."""
        image = next(self._images, None)
        if not self._count:
            self._start = time.monotonic()
        due = self._start + self._count / self.fps
        time.sleep(max(due - time.monotonic(), 0.0))
        self._count += 1
        if time.monotonic() < self._start + self.seconds:
            return image
        # closing waits for the decoders, and a camera that ends tells so at once
        threading.Thread(target=self._images.close, name="closer", daemon=True).start()
        return None

    def release(self) -> None:
        """Nothing to do: the clip is closed when the time is over, or with its iterator."""


def _endless(clip: str) -> Generator[np.ndarray]:
    """The images of the clip, over and over. Each round is decoding while the one before it plays:
    a camera does not stop to open a file."""
    following = video_source(clip)
    try:
        while True:
            with following as source:
                following = video_source(clip)
                following.start()
                for frame in source:
                    yield frame.image
    finally:
        following.close()


def clip_rate(clip: str) -> float:
    """Frames per second of the clip; CAMERA_FPS where it states none. Raises UserError for any
    other kind of source."""
    with closing(video_source(clip)) as source:
        return source.fps or CAMERA_FPS


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

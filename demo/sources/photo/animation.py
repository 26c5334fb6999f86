"""Animated pictures that FFmpeg does not play: WebP, and PNG and AVIF in the same way."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source, mark_last
from demo.sources.decode.frames import MAX_VIDEO_PIXELS
from demo.sources.photo.colours import to_srgb
from demo.sources.photo.files import flattened, open_checked
from demo.sources.reader import FrameReader, TimedImage

SHORTEST_MS, ASSUMED_MS = 10, 100  # a frame that states no more lasts 100 ms, as in browsers


class AnimationSource(Source):
    """An animated picture as a video: every frame once, decoded ahead by a thread. `watch` yields
    "failed" after the last frame if one cannot be decoded."""

    live, photos, dropped = False, False, 0
    path: Path | None = None
    fps: float | None = None
    count: int | None = None

    def __init__(self, name: str) -> None:
        """Open a file. Raises UserError if it is too large or holds no frame."""
        self.name, self.path = name, Path(name)
        with ExitStack() as on_error:
            self._picture = on_error.enter_context(open_checked(self.path, name))
            if self._picture.width * self._picture.height > MAX_VIDEO_PIXELS:
                raise UserError(
                    f"{name} has more than {MAX_VIDEO_PIXELS // 1_000_000} million pixels per "
                    "frame: scale it down first"
                )
            self._convert = to_srgb(self._picture, self.path)
            self._first = self._frame(0)
            self._file = on_error.pop_all()
        self.fps = 1 / self._first[1]
        self.count = getattr(self._picture, "n_frames", 1)
        self._reader = FrameReader(self._decode, capacity=2)
        self._closed = False

    def start(self) -> None:
        """Start decoding."""
        self._reader.start()

    def close(self) -> None:
        """Stop decoding and close the file."""
        if not self._closed and self._reader.stop():
            self._file.close()
        self._closed = True

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield every frame, and a NoFrame whenever decoding takes longer than `patience`
        seconds."""
        return mark_last(self._watch(patience))

    def _watch(self, patience: float) -> Iterator[Frame | NoFrame | Event]:
        self.start()
        index, seconds = -1, 0.0
        try:
            for each in self._reader.frames(self.name, patience):
                if isinstance(each, Frame):
                    index, seconds = each.index, each.time
                yield each
        except UserError as error:
            text = f"{self.name} ends early after frame {index}: {error}"
            yield Event("failed", text, self.name, seconds)

    def _decode(self, stopped: threading.Event) -> Iterator[TimedImage]:
        """Yield images and their seconds since the first one. Runs in the reader thread."""
        seconds = 0.0
        for number in range(self.count or 1):
            image, length = self._frame(number) if number else self._first
            yield image, seconds
            seconds += length

    def _frame(self, number: int) -> TimedImage:
        """The image of a frame, and the seconds for which it lasts. Raises UserError."""
        try:
            self._picture.seek(number)
            image = flattened(self._picture, self._convert)
            stated = float(self._picture.info.get("duration") or 0)
        except Exception as error:  # Pillow's readers share no base class of their errors
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(f"{self.name}: frame {number} cannot be decoded ({reason})") from None
        return image, (stated if stated > SHORTEST_MS else ASSUMED_MS) / 1e3

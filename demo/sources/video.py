"""Videos: every frame of a file, in order."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Self

import av
from av.error import FFmpegError

from demo.errors import UserError
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS
from demo.sources.decoding import (
    BOUND,
    DECODERS,
    OPEN_SECONDS,
    UNDECODABLE,
    bgr,
    bound,
    pixel_aspect,
    reason,
    taken_size,
)
from demo.sources.reader import FrameReader, Picture
from demo.sources.redact import redact
from demo.sources.timestamps import ContinuousTimestamps

COMPLETE = 0.98  # of what the container announces
SHORT_SECONDS = 0.25  # what is told may last that much longer, or as long as a frame


class VideoSource:
    """A video file, every frame in order, decoded ahead by a thread."""

    live, photos, dropped = False, False, 0

    def __init__(self, name: str) -> None:
        """Open a path or an http address. Raises UserError where there is no video."""
        remote = "://" in name
        self.name = redact(name) if remote else name
        self.start = 0.0  # seconds on the file's clock, of the first frame once that was read
        self.warning: str | None = None
        self._heard = 0.0  # seconds on the file's clock, up to which there was sound
        try:
            self._container = av.open(
                name if remote else f"file:{name}",  # a colon in a path is no protocol's
                timeout=OPEN_SECONDS if remote else None,
                metadata_errors="replace",
                options=BOUND,
            )
            self._stream = next(s for s in self._container.streams.video if s.codec_context)
        except InterruptedError:  # PyAV has lost what the signal raised, as where a pipe is empty
            raise KeyboardInterrupt from None
        except (FFmpegError, StopIteration, OSError) as error:
            raise UserError(
                f"cannot read {self.name} as a video or photo ({reason(error)}): is the file "
                "complete?"
            ) from None
        bound(self._stream, self.name)
        self._aspect = pixel_aspect(self._stream.sample_aspect_ratio)
        size = self._stream.width, self._stream.height
        taken = taken_size(*size, self._aspect)
        self.scaled = taken[1] < size[1]  # then few frames are decoded at once
        self._stream.thread_type = "SLICE" if self.scaled else "AUTO"
        self._stream.codec_context.thread_count = DECODERS
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps: float | None = float(rate) if rate else None
        self.count: int | None = self._expected_count()
        self.taken: str | None = None  # size of the frames, where it is not the file's
        pictures = self._pictures()
        if taken != size:
            first = self._first(pictures)
            height, width = bgr(first, self._aspect).shape[:2]  # only a picture tells its rotation
            self.taken = f"{width}x{height}"
            pictures = chain([first], pictures)
        self._reader = FrameReader(
            lambda _: self._decode(pictures), capacity=1 if self.scaled else 2
        )

    def _expected_count(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        duration = self._container.duration
        return round(duration / av.time_base * self.fps) if duration and self.fps else None

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._reader.stop():
            self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        return (seen for seen in self.watch() if isinstance(seen, Frame))

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame]:
        """The frames and, where decoding one takes longer than `patience`, a NoFrame."""
        index, seconds = -1, 0.0
        while True:
            picture = self._reader.take(patience)
            if picture is not None:
                index, seconds = index + 1, picture[1]
                yield Frame(picture[0], index, seconds, self.name)
            elif self._reader.ended:
                break
            else:
                yield NoFrame(seconds, "")
        if index < 0:
            raise UserError(f"{self.name} {UNDECODABLE}")
        if self._reader.failure:
            self.warning = f"{self.name} breaks off after frame {index}: {self._reader.failure}"
        elif self._is_short(index + 1, seconds):
            self.warning = (
                f"{self.name} breaks off after frame {index}, second {seconds:.1f}: the file is "
                "truncated or damaged"
            )

    def _is_short(self, frames: int, seconds: float) -> bool:
        """Whether fewer frames came than the file says, and less time: an editor may have hidden
        frames that are still counted."""
        if self._stream.frames and frames >= COMPLETE * self._stream.frames - 1:
            return False
        last = max(SHORT_SECONDS, 1 / (self.fps or 25.0))
        return seconds + last < COMPLETE * self._told_seconds()

    def _told_seconds(self) -> float:
        """How long the file says that its picture lasts; if it tells only that, how long all does,
        unless it was the sound that lasted so long."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        try:  # Matroska's, from the start of the file to the end of this track
            hours, minutes, seconds = self._stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - self.start
        except (KeyError, ValueError):
            whole = (self._container.duration or 0) / av.time_base
            begun = (self._container.start_time or 0) / av.time_base
            return whole if self._heard - begun < COMPLETE * whole else 0.0

    def _first(self, pictures: Iterator[av.VideoFrame]) -> av.VideoFrame:
        try:
            return next(pictures)
        except (FFmpegError, StopIteration, OSError):
            raise UserError(f"{self.name} {UNDECODABLE}") from None

    def _decode(self, pictures: Iterator[av.VideoFrame]) -> Iterator[Picture]:
        clock, length = ContinuousTimestamps(), 1 / (self.fps or 25.0)
        for index, picture in enumerate(pictures):
            told = picture.time if picture.time is not None else index * length
            seconds = clock(told, length)
            self.start = self.start if index else seconds
            yield bgr(picture, self._aspect), seconds - self.start

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """Decode the pictures and note how far the sound reaches."""
        sounds = self._container.streams.audio
        packets: Iterator[Any] = self._container.demux(self._stream, *sounds)
        for packet in packets:
            if packet.stream.index == self._stream.index:
                yield from packet.decode()
            elif packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                self._heard = max(self._heard, float(end * packet.time_base))

"""Where frames come from: a camera, a stream, a video file, a photo, a folder of photos.

A live source gives its newest frame and counts those it dropped; a file drops none. `open_source`
is the one function for all of them.
"""

import math
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import unquote

import av
from av.error import FFmpegError

from demo.errors import UserError
from demo.frames import Frame, NoFrame
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
from demo.sources.live import TICK, Camera, LiveSource, Stream
from demo.sources.photos import OTHER_SUFFIXES, PHOTO_SUFFIXES, PhotoSource, is_photo, photos_in
from demo.sources.reader import FrameReader, Picture
from demo.sources.redact import redact
from demo.sources.timestamps import ContinuousTimestamps

FILES = {  # videos; by http, what else there is may be a camera's stream
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".3gp", ".ogv", ".mts", ".m2ts"),
}
CAMERA = re.compile(r"(?:/dev/video)?([0-9]{1,3})")
COMPLETE = 0.98  # of what the container announces
SHORT_SECONDS = 0.25  # what is told may last that much longer, or as long as a frame


class Source(Protocol):
    """An iterable of frames that is opened and closed by `with`."""

    name: str

    @property
    def live(self) -> bool:
        """Frames come at their own time, and only the newest is kept."""
        ...

    @property
    def photos(self) -> bool:
        """Frames have nothing to do with one another."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames a second; of a camera what it claims."""
        ...

    @property
    def count(self) -> int | None:
        """Frames in all, where that is known."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that were never seen; only a live source has any."""
        ...

    @property
    def warning(self) -> str | None:
        """Set after the last frame if it was not the end."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def watch(self, patience: float = TICK) -> Iterator[Frame | NoFrame]:
        """The frames and, where none came for `patience` seconds, a NoFrame."""
        ...


def open_source(spec: str, give_up: float = math.inf) -> Source:
    """The source for what the user typed. Raises UserError where it cannot be opened.

    One that is live reconnects until `give_up` seconds have passed without a picture.
    """
    if not spec:
        raise UserError("-s names nothing: give a camera, a file, a folder or an address")
    device = os.path.realpath(spec)  # udev names cameras in /dev/v4l/by-id
    if camera := CAMERA.fullmatch(spec) or CAMERA.fullmatch(device):  # a folder 7 is ./7
        number = int(camera[1])
        return LiveSource(str(number), lambda: Camera(number), give_up)
    if spec.startswith("file://"):
        spec = unquote(spec.removeprefix("file://"))
    elif "://" in spec:
        file = Path(re.split("[?#]", spec)[0])
        if spec.lower().startswith("http") and file.suffix.lower() in FILES:
            return VideoSource(spec)
        return LiveSource(redact(spec), lambda: Stream(spec), give_up)
    path = Path(spec)
    if path.is_dir():
        return PhotoSource(spec, *photos_in(path))
    if not path.exists():
        raise UserError(f"no such file or folder: {redact(spec)}")
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES or (suffix not in FILES and path.is_file() and is_photo(path)):
        return PhotoSource(spec, [path])
    if suffix in OTHER_SUFFIXES - FILES:
        raise UserError(f"{spec} is a picture of a kind that is not read: make it a JPEG")
    return VideoSource(spec)


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

    def watch(self, patience: float = TICK) -> Iterator[Frame | NoFrame]:
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

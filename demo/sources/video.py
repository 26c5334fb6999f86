"""Videos: every frame of a file, in order."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source
from demo.sources.colour import colour_notice
from demo.sources.decoding import (
    DECODER_THREADS,
    NETWORK_SECONDS,
    NOT_DECODABLE,
    frame_rate,
    open_video,
    output_size,
    pixel_aspect,
    reason,
    to_bgr,
)
from demo.sources.reader import FrameReader, TimedImage
from demo.sources.redact import redact
from demo.sources.timestamps import ContinuousTimestamps

COMPLETE_SHARE = (
    0.98  # of the frames or the duration that the file states; with less, it ends early
)
LAST_FRAME_SECONDS = 0.25  # how long the last frame may last, if not as long as the others
ASSUMED_FPS = 25.0  # of a file that states no frame rate


class VideoSource(Source):
    """A video file or a video at an http address: every frame in order, decoded ahead by a thread.

    `watch` yields the event "info" before the first frame if frames are scaled or tone-mapped while
    decoding, "warning" if their colours are not understood, and "failed" after the last frame if
    the video ends early.

    `first_pts` is the timestamp of the first frame on the file's own clock, in seconds. The reader
    thread sets it once, before `watch` yields that frame. From then on it does not change, and any
    thread may read it; before, it is 0.
    """

    live, photos, dropped = False, False, 0
    path: Path | None = None
    fps: float | None = None
    count: int | None = None

    def __init__(
        self,
        address: str,
        timeout: float = NETWORK_SECONDS,
        opened: tuple[InputContainer, av.VideoStream] | None = None,
    ) -> None:
        """Open a path or an http address, or take it as it was `opened`. Raises UserError if there
        is no video.

        `timeout`: seconds that a server may take to answer, now and at every read.
        """
        remote = "://" in address
        self.name = redact(address) if remote else address
        self.path = None if remote else Path(address)
        self.first_pts = 0.0
        self._audio_end = 0.0  # seconds on the file's clock: end of the latest audio packet
        self._closed = False
        self._timeout = timeout
        self._container, self._stream = opened or self._open(address, remote)
        self._aspect = pixel_aspect(self._stream.sample_aspect_ratio)
        size = self._stream.width, self._stream.height
        output = output_size(*size, self._aspect)
        self._resized, self._downscaled = output != size, output[1] < size[1]
        # With "AUTO", each thread decodes a frame of its own: too much memory for large frames.
        self._stream.thread_type = "SLICE" if self._downscaled else "AUTO"
        self._stream.codec_context.thread_count = DECODER_THREADS
        self.fps = frame_rate(self._stream)
        self.count = self._stated_frames()
        self._reader = FrameReader(self._decode, capacity=1 if self._downscaled else 2)

    def start(self) -> None:
        """Start decoding."""
        self._reader.start()

    def close(self) -> None:
        """Stop decoding and close the file.

        A thread that waits for a server longer than JOIN_SECONDS keeps its connection until the
        timeout of the connection.
        """
        if not self._closed and self._reader.stop():
            self._container.close()
        self._closed = True

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield every frame, and a NoFrame whenever decoding takes longer than `patience` seconds.

        Raises UserError if no frame can be decoded.
        """
        self.start()
        index, seconds, failure = -1, 0.0, ""
        while not self._reader.ended:
            try:
                item = self._reader.take(patience)
            except (FFmpegError, OSError) as error:
                failure = f": {reason(error, self._timeout)}"
                break
            if item is not None:
                index, seconds = index + 1, item[1]
                frame = Frame(item[0], index, seconds, self.name)
                if index == 0:
                    yield from self._changes(frame)
                yield frame
            elif not self._reader.ended:
                yield NoFrame(seconds)
        if self._closed:
            return
        if index < 0:
            raise UserError(f"{self.name} {NOT_DECODABLE}")
        if not failure and self._is_short(index + 1, seconds):
            failure = f", second {seconds:.1f}: the file is truncated or damaged"
        if failure:
            text = f"{self.name} ends early after frame {index}{failure}"
            yield Event("failed", text, self.name, seconds)

    def _open(self, address: str, remote: bool) -> tuple[InputContainer, av.VideoStream]:
        url = address if remote else f"file:{address}"  # else FFmpeg takes a colon for a protocol
        try:
            return open_video(url, self.name, self._timeout if remote else None, {})
        except InterruptedError:  # raised by Ctrl-C, for example while a pipe is empty
            raise KeyboardInterrupt from None
        except (FFmpegError, StopIteration, OSError) as error:
            raise UserError(
                f"cannot read {self.name} as a video or photo ({reason(error, self._timeout)}): "
                "is the file complete?"
            ) from None

    def _changes(self, frame: Frame) -> Iterator[Event]:
        """How the first frame differs from the file's."""
        if self._resized:
            height, width = frame.image.shape[:2]  # after rotation
            change = "scaled down" if self._downscaled else "stretched"
            text = f"{self.name}: frames are {change} to {width}x{height} while decoding"
            yield Event("info", text, self.name, frame.time)
        if notice := colour_notice(self._stream.codec_context):
            kind, text = notice
            yield Event(kind, f"{self.name}: {text}", self.name, frame.time)

    def _stated_frames(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        duration = self._container.duration
        return round(duration / av.time_base * self.fps) if duration and self.fps else None

    def _is_short(self, frames: int, seconds: float) -> bool:
        """Whether the file states more frames and a longer duration than there were.

        The number of frames alone is not enough: an editor may have hidden frames that still count.
        """
        if self._stream.frames and frames >= COMPLETE_SHARE * self._stream.frames - 1:
            return False
        last_frame = max(LAST_FRAME_SECONDS, 1 / (self.fps or ASSUMED_FPS))
        return seconds + last_frame < COMPLETE_SHARE * self._stated_seconds()

    def _stated_seconds(self) -> float:
        """Duration of the video track as the file states it, in seconds.

        If the file only states the duration of all tracks together: that one, or 0 if the audio
        lasted as long.
        """
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        try:  # in Matroska: from the start of the file to the end of this track
            hours, minutes, seconds = self._stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - self.first_pts
        except (KeyError, ValueError):
            whole = (self._container.duration or 0) / av.time_base
            start = (self._container.start_time or 0) / av.time_base
            return whole if self._audio_end - start < COMPLETE_SHARE * whole else 0.0

    def _decode(self, stopped: threading.Event) -> Iterator[TimedImage]:
        """Yield images and their seconds since the first one. Runs in the reader thread."""
        clock, length = ContinuousTimestamps(), 1 / (self.fps or ASSUMED_FPS)
        for index, decoded in enumerate(self._decoded_frames()):
            stated = decoded.time if decoded.time is not None else index * length
            seconds = clock(stated, length)
            self.first_pts = self.first_pts if index else seconds
            yield to_bgr(decoded, self._aspect), seconds - self.first_pts

    def _decoded_frames(self) -> Iterator[av.VideoFrame]:
        """Yield the decoded frames, and note on the way where the audio ends."""
        audio = self._container.streams.audio
        packets: Iterator[Any] = self._container.demux(self._stream, *audio)
        for packet in packets:
            if packet.stream.index == self._stream.index:
                yield from packet.decode()
            elif packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                self._audio_end = max(self._audio_end, float(end * packet.time_base))

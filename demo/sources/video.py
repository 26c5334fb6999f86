"""Videos: every frame of a file, in order."""

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source, mark_last
from demo.sources.decode.colour import colour_notice
from demo.sources.decode.completeness import StatedLength
from demo.sources.decode.frames import (
    DECODER_THREADS,
    NETWORK_SECONDS,
    NOT_DECODABLE,
    open_video,
    output_size,
    pixel_aspect,
    reason,
    to_bgr,
)
from demo.sources.decode.geometry import turn_of
from demo.sources.decode.timestamps import frame_rate
from demo.sources.decode.track import VideoTrack
from demo.sources.decode.tracks import Tracks
from demo.sources.net.redact import redact
from demo.sources.reader import FrameReader, TimedImage


class VideoSource(Source):
    """A video file or a video at an http address: every frame in order, decoded ahead by a thread.

    `watch` yields the event "info" before the first frame if frames are scaled or tone-mapped while
    decoding, "warning" where the picture, its colours or the clock of the file is not understood,
    and "failed" after the last frame if the video ends early or is damaged.

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
        opened: tuple[InputContainer, Tracks] | None = None,
    ) -> None:
        """Open a path, or take an address as it was `opened`. Raises UserError if there is no
        video.

        `timeout`: seconds that the server of an address may take at every read.
        """
        remote = "://" in address
        self.name = redact(address) if remote else address
        self.path = None if remote else Path(address)
        self.first_pts = 0.0
        self._closed, self._timeout = False, timeout
        self._warnings: deque[Event] = deque()  # of the reader thread
        self._jump_told = False
        self._container, tracks = opened or self._open(address)
        self._stream = tracks.video
        self._aspect = pixel_aspect(self._stream.sample_aspect_ratio)
        size = self._stream.width, self._stream.height
        output = output_size(*size, self._aspect)
        self._resized, self._downscaled = output != size, output[1] < size[1]
        # With "AUTO", each thread decodes a frame of its own: too much memory for large frames.
        self._stream.thread_type = "SLICE" if self._downscaled else "AUTO"
        self._stream.codec_context.thread_count = DECODER_THREADS
        self.fps = frame_rate(self._stream)
        self._stated = StatedLength(self._container, self._stream, self.fps)
        self.count = self._stated.frames()
        self._track = VideoTrack(self._container, tracks, self.fps, self._stated)
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
        return mark_last(self._watch(patience))

    def _watch(self, patience: float) -> Iterator[Frame | NoFrame | Event]:
        self.start()
        index, seconds, failure = -1, 0.0, ""
        try:
            for each in self._reader.frames(self.name, patience):
                if isinstance(each, Frame):
                    index, seconds = each.index, each.time
                    while self._warnings:
                        yield self._warnings.popleft()
                    if index == 0:
                        yield from self._changes(each)
                yield each
        except (FFmpegError, OSError) as error:
            failure = f": {reason(error, self._timeout)}"
        if self._closed:
            return
        if index < 0:
            raise UserError(f"{self.name} {NOT_DECODABLE}")
        if text := self._failure(index, seconds, failure):
            yield Event("failed", text, self.name, seconds)

    def _open(self, path: str) -> tuple[InputContainer, Tracks]:
        url = f"file:{path}"  # else FFmpeg takes a colon for a protocol
        try:
            return open_video(url, self.name, None, {})
        except InterruptedError:  # raised by Ctrl-C, for example while a pipe is empty
            raise KeyboardInterrupt from None
        except StopIteration:
            raise UserError(
                f"cannot read {self.name}: there is no video in it that can be decoded "
                "(covers of music are none)"
            ) from None
        except (FFmpegError, OSError) as error:
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

    def _failure(self, index: int, seconds: float, failure: str) -> str:
        """What is missing after the frame `index`, the last one; empty if nothing is.

        `failure`: why reading ended, empty at the end of the file.
        """
        reached = seconds + self._track.clock.skipped
        if not failure and self._stated.is_short(index + 1, reached, self.first_pts):
            failure = f", second {seconds:.1f}: the file is truncated or damaged"
        if failure:
            return f"{self.name} ends early after frame {index}{failure}"
        if count := self._track.undecodable:
            packets = "1 packet" if count == 1 else f"{count} packets"
            return f"{self.name} is damaged: {packets} cannot be decoded"
        return ""

    def _decode(self, stopped: threading.Event) -> Iterator[TimedImage]:
        """Yield images and their seconds since the first one. Runs in the reader thread."""
        understood, first = True, True
        for decoded, seconds in self._track:
            self.first_pts, first = (seconds if first else self.first_pts), False
            elapsed = seconds - self.first_pts
            understood = understood and self._is_understood(decoded, elapsed)
            self._note_jump()
            yield to_bgr(decoded, self._aspect), elapsed

    def _is_understood(self, decoded: av.VideoFrame, elapsed: float) -> bool:
        """Whether it is clear how the frame is made upright; if not, a warning is noted."""
        if turn_of(decoded) is not None:
            return True
        text = (
            f"{self.name}: its display matrix is no quarter turn or mirror image, "
            "frames are shown as stored"
        )
        self._warnings.append(Event("warning", text, self.name, elapsed))
        return False

    def _note_jump(self) -> None:
        """Warn of the first jump of the file's clock: a camera may make hundreds."""
        jumps = self._track.clock.jumps
        if not jumps or self._jump_told:
            return
        self._jump_told, (at, far) = True, jumps[0]
        elapsed = at - self.first_pts
        text = (
            f"{self.name}: its clock jumps ahead by {far:.0f} s after second {elapsed:.1f}, "
            "such gaps are left out"
        )
        self._warnings.append(Event("warning", text, self.name, elapsed))

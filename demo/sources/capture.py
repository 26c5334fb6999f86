"""Cameras and network streams as OpenCV and FFmpeg open them, once."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError, InvalidDataError

from demo.errors import UserError
from demo.sources.decode.frames import (
    NETWORK_SECONDS,
    NOT_DECODABLE,
    open_video,
    pixel_aspect,
    to_bgr,
)
from demo.sources.decode.timestamps import frame_rate
from demo.sources.net.http import Body, request
from demo.sources.net.redact import redact

TRANSPORT = {  # options of FFmpeg
    "rtsp_flags": "prefer_tcp",  # with UDP, a lost packet breaks a frame
    "allowed_extensions": "ALL",  # the parts of an HLS stream may have any name, as in browsers
    "extension_picky": "0",
    "multiple_requests": "1",  # else FFmpeg asks to close a connection, and may yet use it again
}
LIVE_FORMATS = ("mpjpeg", "image2")  # and those of one picture, "jpeg_pipe" and the like


@dataclass(frozen=True)
class LiveTimeouts:
    """Waiting times of cameras and streams, in seconds."""

    open: float = NETWORK_SECONDS  # for a server to answer; twice as long for a camera's driver
    read: float = 4.0  # without a frame from a stream: its connection is replaced
    stall: float = 3.0  # without a frame: the source counts as lost
    hang: float = 30.0  # in a driver that does not return: its thread is replaced
    recovery: float = 60.0  # of frames after a hang: the next hang is noticed after `hang` again
    first_wait: float = 0.5  # before the first attempt to reconnect; doubles with each attempt
    longest_wait: float = 8.0  # between two attempts


DEFAULT_TIMEOUTS = LiveTimeouts()


@dataclass(frozen=True)
class Way:
    """One of the ways to open an address."""

    options: tuple[tuple[str, str], ...] = ()  # of FFmpeg, besides TRANSPORT
    format: str | None = None  # as FFmpeg calls it; None: FFmpeg finds out
    body: type[Body] | None = None  # reads what an HTTP server sends; None: FFmpeg does


DEFAULT_WAY = Way()


class UndecodableError(UserError):
    """A stream was opened, but no frame of it could be decoded."""


class Capture(Protocol):
    """An open camera or stream."""

    @property
    def fps(self) -> float | None:
        """Frames per second as the device states; None if unknown."""
        ...

    def read(self) -> np.ndarray | None:
        """Wait for the next frame (H, W, 3) uint8 BGR; None if there will be no more."""
        ...

    def release(self) -> None:
        """Free the device or connection."""
        ...


class Camera:
    """A camera of this machine, read with OpenCV."""

    def __init__(self, number: int) -> None:
        """Open the camera. Raises UserError if it is absent or another program uses it."""
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise UserError(
                f"cannot open camera {number}: is it plugged in, or is another program using it?"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps: float | None = self._capture.get(cv2.CAP_PROP_FPS)

    def read(self) -> np.ndarray | None:
        """Wait for the next frame (H, W, 3) uint8 BGR; None after the camera was unplugged."""
        return self._capture.read()[1]

    def release(self) -> None:
        """Close the camera."""
        self._capture.release()


class Stream:
    """A network stream, read with FFmpeg. Undecodable data is skipped."""

    def __init__(
        self, address: str, timeouts: LiveTimeouts = DEFAULT_TIMEOUTS, way: Way = DEFAULT_WAY
    ) -> None:
        """Connect. Raises UserError if no frame can be decoded or its frames are too large, else
        whatever PyAV or `request` raise."""
        name = redact(address)
        self._timeouts = timeouts
        self.malformed = False  # a part of a multipart stream was not as the standard has it
        with ExitStack() as on_error:
            body = None
            if way.body:
                body = way.body(request(address, timeouts.read), timeouts.read)
                on_error.callback(body.close)
            options = TRANSPORT | dict(way.options)
            limits = timeouts.open, timeouts.read
            self.opened = open_video(body or address, name, limits, options, way.format)
            on_error.pop_all()
        self._body, (self._container, tracks) = body, self.opened
        stream = tracks.video
        self._aspect = pixel_aspect(stream.sample_aspect_ratio)
        stream.thread_type = "SLICE"  # frame threads would delay each frame by several
        self.fps = frame_rate(stream)
        self._images = self._decode(stream)
        if not stream.width:  # FFmpeg has decoded no frame yet
            first = self.read()
            if first is None:
                self.release()
                raise UndecodableError(f"{name} {NOT_DECODABLE}")
            self._images = chain([first], self._images)

    def read(self) -> np.ndarray | None:
        """Wait for the next frame (H, W, 3) uint8 BGR.

        None at the end of the stream, or if no frame came for `LiveTimeouts.read` seconds.
        """
        try:
            return next(self._images, None)
        except (FFmpegError, OSError) as error:
            self.malformed = self._body is None and isinstance(error, InvalidDataError)
            self.malformed &= self._container.format.name == "mpjpeg"
            return None

    @property
    def finite(self) -> bool:
        """Whether there is a video with an end at an address of http, and not a live stream."""
        container, stream = self.opened[0], self.opened[1].video
        kind, duration = container.format.name, container.duration
        if kind in LIVE_FORMATS or kind.endswith("_pipe") or not stream.width:
            return False
        if kind == "hls":
            return bool(duration)
        # A live stream in parts of MP4 has a duration: that of its first part.
        return container.size > 0 or stream.frames > 0 or bool(duration and "mov" not in kind)

    def release(self) -> None:
        """Close the connection."""
        self._container.close()
        if self._body:
            self._body.close()

    def _decode(self, stream: av.VideoStream) -> Iterator[np.ndarray]:
        last_frame = time.monotonic()
        for packet in self._container.demux(stream):
            try:
                for decoded in packet.decode():
                    last_frame = time.monotonic()
                    yield to_bgr(decoded, self._aspect)
            except (FFmpegError, ValueError):  # perhaps the next packet can be decoded
                if time.monotonic() - last_frame > self._timeouts.read:
                    return

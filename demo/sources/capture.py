"""Cameras and network streams as OpenCV and FFmpeg open them, once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError

from demo.errors import UserError
from demo.sources.decoding import (
    NETWORK_SECONDS,
    NOT_DECODABLE,
    open_video,
    pixel_aspect,
    reason,
    to_bgr,
)
from demo.sources.redact import redact
from demo.sources.timestamps import frame_rate

TRANSPORT = {"rtsp_transport": "tcp"}  # FFmpeg option: with UDP, a lost packet breaks a frame


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

    def __init__(self, address: str, timeouts: LiveTimeouts = DEFAULT_TIMEOUTS) -> None:
        """Connect. Raises UserError if no video arrives in time or its frames are too large."""
        name = redact(address)
        self._timeouts = timeouts
        try:
            self._container, tracks = open_video(
                address, name, (timeouts.open, timeouts.read), TRANSPORT
            )
        except (FFmpegError, StopIteration, OSError, ValueError) as error:
            raise UserError(
                f"cannot open stream {name} ({reason(error, timeouts.open)}): is the address right?"
            ) from None
        stream = tracks.video
        self._aspect = pixel_aspect(stream.sample_aspect_ratio)
        stream.thread_type = "SLICE"  # frame threads would delay each frame by several
        self.fps = frame_rate(stream)
        self._images = self._decode(stream)
        if not stream.width:  # FFmpeg has decoded no frame yet
            first = self.read()
            if first is None:
                self.release()
                raise UserError(f"{name} {NOT_DECODABLE}")
            self._images = chain([first], self._images)

    def read(self) -> np.ndarray | None:
        """Wait for the next frame (H, W, 3) uint8 BGR.

        None at the end of the stream, or if no frame came for `LiveTimeouts.read` seconds.
        """
        try:
            return next(self._images, None)
        except (FFmpegError, OSError):
            return None

    def release(self) -> None:
        """Close the connection."""
        self._container.close()

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

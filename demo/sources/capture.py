"""Cameras and network streams as OpenCV and FFmpeg open them."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError

from demo.errors import UserError
from demo.sources.decoding import BOUND, OPEN_SECONDS, UNDECODABLE, bgr, bound, pixel_aspect, reason
from demo.sources.redact import redact

READ_SECONDS = 4.0  # a connection without a picture for so long is given up for a new one
TRANSPORT = {"rtsp_transport": "tcp"}  # by UDP, a lost packet is a broken picture


class Capture(Protocol):
    """An open camera or stream."""

    @property
    def fps(self) -> float | None:
        """Frames a second that it claims."""
        ...

    def read(self) -> np.ndarray | None:
        """Wait for the next picture (H, W, 3) uint8 BGR; None where there will be no more."""
        ...

    def release(self) -> None: ...


class Camera:
    """A camera of this machine, by OpenCV."""

    def __init__(self, number: int) -> None:
        """Raises UserError where there is no such camera or another program uses it."""
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise UserError(
                f"cannot open camera {number}: is it plugged in, or is another program using it?"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps: float | None = self._capture.get(cv2.CAP_PROP_FPS)

    def read(self) -> np.ndarray | None:
        """None when it was unplugged."""
        return self._capture.read()[1]

    def release(self) -> None:
        self._capture.release()


class Stream:
    """A network stream, by FFmpeg. What cannot be decoded is passed over."""

    def __init__(self, address: str) -> None:
        """Raises UserError where no video answers within OPEN_SECONDS, or one too large."""
        name = redact(address)
        try:
            self._container = av.open(
                address,
                timeout=(OPEN_SECONDS, READ_SECONDS),
                metadata_errors="replace",
                options=TRANSPORT | BOUND,
            )
            stream = next(s for s in self._container.streams.video if s.codec_context)
        except (FFmpegError, StopIteration, OSError, ValueError) as error:
            raise UserError(
                f"cannot open stream {name} ({reason(error)}): is the address right?"
            ) from None
        bound(stream, name)
        self._aspect = pixel_aspect(stream.sample_aspect_ratio)
        stream.thread_type = "SLICE"  # threads by frame would hold pictures back
        rate = stream.average_rate or stream.guessed_rate
        self.fps: float | None = float(rate) if rate else None
        self._pictures = self._decode(stream)
        if not stream.width:  # none of its pictures could be decoded yet
            first = self.read()
            if first is None:
                raise UserError(f"{name} {UNDECODABLE}")
            self._pictures = chain([first], self._pictures)

    def _decode(self, stream: av.VideoStream) -> Iterator[np.ndarray]:
        seen = time.monotonic()
        for packet in self._container.demux(stream):
            try:
                for picture in packet.decode():
                    seen = time.monotonic()
                    yield bgr(picture, self._aspect)
            except (FFmpegError, ValueError):  # garbage: perhaps the next packet is a picture
                if time.monotonic() - seen > READ_SECONDS:
                    return

    def read(self) -> np.ndarray | None:
        """None at the end, and where nothing came for READ_SECONDS."""
        try:
            return next(self._pictures, None)
        except (FFmpegError, OSError):
            return None

    def release(self) -> None:
        self._container.close()

"""The loops that OpenCV offers for a video: what a machine can do at most with no faces at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from demo.bench.laps import Clock, Lap
from demo.errors import UserError


def readable(clip: str) -> bool:
    """Whether OpenCV decodes a frame of the clip."""
    with _opened(clip) as capture:
        return bool(capture.read()[0])


def decode_only(clip: str) -> Lap:
    """Decode the clip with cv2.VideoCapture."""
    with _opened(clip) as capture:
        clock, frames = Clock(), 0
        while capture.read()[0]:
            frames += 1
        return clock.lap(frames)


def decode_and_encode(clip: str) -> Lap:
    """Decode the clip and write every frame to an .mp4 file as MPEG-4, at the rate of the clip.
    Raises UserError if this OpenCV has no such encoder."""
    with _opened(clip) as capture, TemporaryDirectory() as folder:
        clock, frames = Clock(), 0
        fps, codec = capture.get(cv2.CAP_PROP_FPS), cv2.VideoWriter.fourcc(*"mp4v")
        path, writer = str(Path(folder) / "copy.mp4"), cv2.VideoWriter()
        while True:
            done, image = capture.read()
            if not done:
                break
            if not frames and not writer.open(path, codec, fps, image.shape[1::-1]):
                raise UserError("this OpenCV cannot write mp4v to compare with: remove --record")
            writer.write(image)
            frames += 1
        writer.release()
        return clock.lap(frames)


@contextmanager
def _opened(clip: str) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(clip)
    try:
        yield capture
    finally:
        capture.release()

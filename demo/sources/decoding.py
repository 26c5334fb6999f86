"""The pictures of files and streams as FFmpeg decodes them: bounded, upright, of square pixels."""

import math
import os
from fractions import Fraction

import av
import numpy as np
from av.error import ExitError

from demo.errors import UserError

OPEN_SECONDS = 10.0  # for a server to answer; of a video also later
MAX_VIDEO_PIXELS = 36_000_000  # of a frame: 8K
LARGE, TAKEN = 10_000_000, 4_000_000  # pixels: 4K; larger frames are taken at no more than these
BOUND = {"max_pixels": str(MAX_VIDEO_PIXELS)}  # for FFmpeg, while it opens a source and after
UNDECODABLE = (
    "holds no frame that can be decoded: is it damaged, or are they larger than "
    f"{MAX_VIDEO_PIXELS // 1_000_000} million pixels?"
)
DECODERS = max(1, (os.cpu_count() or 2) // 2)  # threads: the others detect
WIDEST = 4  # heights, of a pixel that is believed


def bound(stream: av.VideoStream, name: str) -> None:
    """Refuse frames of more than MAX_VIDEO_PIXELS, the stream's own and any that come later."""
    if stream.width * stream.height > MAX_VIDEO_PIXELS:
        raise UserError(
            f"{name} has {stream.width}x{stream.height} pixels a frame, more than "
            f"{MAX_VIDEO_PIXELS // 1_000_000} million: scale it down first"
        )
    stream.codec_context.options = BOUND


def bgr(picture: av.VideoFrame, aspect: float) -> np.ndarray:
    """A picture (H, W, 3) uint8 BGR as it is meant to be seen, at the size at which it is taken."""
    width, height = taken_size(picture.width, picture.height, aspect)
    image = picture.to_ndarray(format="bgr24", width=width, height=height, threads=DECODERS)
    turns = round((picture.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def taken_size(width: int, height: int, aspect: float = 1.0) -> tuple[int, int]:
    """Size at which frames of another are taken, whose pixels are `aspect` times as wide as high:
    those beyond 4K, of which a decoder holds half a gigabyte, at a half, a third, …"""
    width = max(round(width * aspect), 1)
    parts = math.ceil(math.sqrt(width * height / TAKEN)) if width * height > LARGE else 1
    return width // parts, height // parts


def pixel_aspect(ratio: Fraction | None) -> float:
    """Width of a pixel in its heights, as a source tells it; 1 where that cannot be."""
    return float(ratio) if ratio and 1 / WIDEST <= ratio <= WIDEST else 1.0


def reason(error: BaseException) -> str:
    """Why nothing came, without the address, which FFmpeg's own words repeat with its password."""
    if isinstance(error, ExitError):
        return f"no answer within {OPEN_SECONDS:.0f} s"
    if isinstance(error, StopIteration):
        return "no picture track that can be decoded"
    return getattr(error, "strerror", None) or type(error).__name__

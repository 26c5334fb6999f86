"""FFmpeg's decoded frames as images: limited in size, upright, with square pixels."""

import math
import os
from contextlib import ExitStack
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.error import ExitError

from demo.errors import UserError
from demo.sources.decode.colour import to_bgr24
from demo.sources.decode.geometry import AS_STORED, turn_of, upright
from demo.sources.decode.tracks import Tracks, select_tracks
from demo.sources.net.http import Body

NETWORK_SECONDS = 10.0  # how long a server may take to answer
MAX_VIDEO_PIXELS = 36_000_000  # per frame: 8K has 35 million
DOWNSCALE_ABOVE_PIXELS = 10_000_000  # per frame: 4K has 9 million
DOWNSCALE_TO_PIXELS = 4_000_000  # per frame, at most
PIXEL_LIMIT = {"max_pixels": str(MAX_VIDEO_PIXELS)}  # FFmpeg option: larger frames do not decode
NOT_DECODABLE = (
    "holds no frame that can be decoded: is it damaged, or are its frames larger than "
    f"{MAX_VIDEO_PIXELS // 1_000_000} million pixels?"
)
DECODER_THREADS = max(1, (os.cpu_count() or 2) // 2)  # the other cores find faces
MAX_PIXEL_ASPECT = 4  # a more extreme aspect ratio is an error of the file


def open_video(
    url: str | Body,
    name: str,
    timeout: float | tuple[float, float] | None,
    options: dict[str, str],
    container_format: str | None = None,
) -> tuple[InputContainer, Tracks]:
    """Open `url` and select its picture and its sound.

    `timeout` is PyAV's: seconds, or seconds to open and to read. Raises UserError if a frame has
    more than MAX_VIDEO_PIXELS (later ones fail to decode), StopIteration if there is no video, and
    whatever PyAV raises.
    """
    container = av.open(
        url,
        "r",
        format=container_format,
        timeout=timeout,
        metadata_errors="replace",
        options=options | PIXEL_LIMIT,
    )
    with ExitStack() as on_error:
        on_error.callback(container.close)
        tracks = select_tracks(container)
        if tracks is None:
            raise StopIteration
        stream = tracks.video
        if stream.width * stream.height > MAX_VIDEO_PIXELS:
            raise UserError(
                f"{name} has {stream.width}x{stream.height} pixels per frame, more than "
                f"{MAX_VIDEO_PIXELS // 1_000_000} million: scale it down first"
            )
        stream.codec_context.options = PIXEL_LIMIT
        on_error.pop_all()
    return container, tracks


def to_bgr(decoded: av.VideoFrame, aspect: float) -> np.ndarray:
    """Image (H, W, 3) uint8 BGR of a decoded frame: upright, at its `output_size`."""
    width, height = output_size(decoded.width, decoded.height, aspect)
    image = to_bgr24(decoded, width, height, DECODER_THREADS)
    return upright(image, turn_of(decoded) or AS_STORED)


def output_size(width: int, height: int, aspect: float = 1.0) -> tuple[int, int]:
    """Width and height of the image that is made of a decoded frame, with square pixels.

    `aspect` is the pixel width divided by the pixel height of the frame. Above
    DOWNSCALE_ABOVE_PIXELS, both sides are divided by the same integer, so that at most
    DOWNSCALE_TO_PIXELS remain, since a decoder holds 0.5 GB of such frames.
    """
    width = max(round(width * aspect), 1)
    divisor = 1
    if width * height > DOWNSCALE_ABOVE_PIXELS:
        divisor = math.ceil(math.sqrt(width * height / DOWNSCALE_TO_PIXELS))
    return width // divisor, height // divisor


def pixel_aspect(ratio: Fraction | None) -> float:
    """Pixel width divided by pixel height; 1 if the file gives none or an absurd one."""
    return float(ratio) if ratio and 1 / MAX_PIXEL_ASPECT <= ratio <= MAX_PIXEL_ASPECT else 1.0


def reason(error: Exception, timeout: float) -> str:
    """Why opening or reading failed, in a few words.

    FFmpeg's own message would repeat the address with its password. `timeout` is the number of
    seconds that the server had to answer.
    """
    if isinstance(error, ExitError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, StopIteration):
        return "no video track that can be decoded"
    return getattr(error, "strerror", None) or type(error).__name__

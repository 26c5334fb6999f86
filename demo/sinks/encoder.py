"""H.264 encoders for recordings: their settings, and how one is opened."""

import os
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

TIME_BASE = Fraction(1, 90_000)  # seconds: the tick of a recording
PIXELS = "nv12"  # what x264 works on, and what hardware takes
MAX_THREADS = 4  # of an encoder
COLOURS = {  # AVCOL_SPC_* of the file, its primaries and its transfer, by the matrix
    Colorspace.ITU601: (6, ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M),
    Colorspace.ITU709: (1, ColorPrimaries.BT709, ColorTrc.BT709),
}
# Threads share a frame: as fast as a frame for each thread, without the memory and the delay of
# those. The header of the stream is the same in all steps of a quality, so that the encoder of
# another step can go on with it.
COMMON = "sliced-threads=1:stitchable=1:ref=1:weightp=0:8x8dct=1:scenecut=0"


@dataclass(frozen=True)
class Encoding:
    """What can be chosen for the encoder of a recording."""

    encoder: str = "auto"  # or a key of demo.sinks.hardware.ENCODERS
    quality: str = "normal"  # or "small" or "high"
    live: bool = False  # the source does not wait: the quality falls where the encoder is too slow


class Picture(NamedTuple):
    """The pictures of a recording."""

    width: int
    height: int
    rate: Fraction  # per second
    matrix: Colorspace


@dataclass(frozen=True)
class Setting:
    """An encoder of FFmpeg with its options."""

    codec: str
    options: dict[str, str] = field(default_factory=dict)
    bits: float | None = None  # per pixel, where the options set no quality


def x264(preset: str, qp: int, *parameters: str) -> Setting:
    """x264 at a constant quantizer, 0 to 51. A constant rate factor, which analyses every frame at
    half size first, costs a third more time for the same quality at the same size."""
    options = {"preset": preset, "tune": "zerolatency", "bf": "0", "qp": str(qp)}
    return Setting("libx264", options | {"x264-params": ":".join((COMMON, *parameters))})


FAST, SMALL = "cabac=0", "cabac=1"  # CAVLC takes a tenth less time, CABAC a tenth less room
STEPS = {  # of x264 by quality: each takes less time than the one before
    "small": (
        x264("veryfast", 26, SMALL),
        x264("superfast", 27, SMALL),
        x264("ultrafast", 28, SMALL),
    ),
    "normal": (
        x264("superfast", 22, FAST),
        x264("ultrafast", 24, FAST, "subme=1"),
        x264("ultrafast", 28, FAST),
    ),
    "high": (
        x264("superfast", 18, FAST),
        x264("ultrafast", 20, FAST, "subme=1"),
        x264("ultrafast", 26, FAST),
    ),
}


def configure(codec: Any, setting: Setting, picture: Picture) -> None:
    """Prepare a codec context that is not open yet."""
    codec.width, codec.height, codec.pix_fmt = picture.width, picture.height, PIXELS
    codec.framerate, codec.time_base = picture.rate, TIME_BASE
    codec.gop_size = max(1, round(picture.rate))
    codec.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
    codec.color_range = ColorRange.MPEG
    codec.colorspace, codec.color_primaries, codec.color_trc = COLOURS[picture.matrix]
    codec.options = setting.options
    if setting.bits is not None:
        pixels = picture.width * picture.height * max(Fraction(10), picture.rate)  # a second
        codec.bit_rate = round(setting.bits * pixels)


def opened(setting: Setting, picture: Picture) -> Any:
    """An encoder whose header stays outside of its packets. Raises FFmpegError, and ValueError if
    this FFmpeg has no such encoder."""
    codec: Any = av.CodecContext.create(setting.codec, "w")
    configure(codec, setting, picture)
    codec.flags |= Flags.global_header
    codec.open()
    return codec

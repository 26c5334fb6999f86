"""Which encoder a recording gets: one of the hardware where it works, else x264."""

import time
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.reformatter import Colorspace

from demo.errors import UserError
from demo.sinks.encoder import PIXELS, STEPS, TIME_BASE, Encoding, Picture, Setting, opened

SOFTWARE = "x264"
HARDWARE = {  # by --encoder, in the order in which they are tried: FFmpeg's encoder, its options
    "nvenc": ("h264_nvenc", {"forced-idr": "1", "delay": "0", "bf": "0"}),
    "qsv": ("h264_qsv", {"forced_idr": "1", "async_depth": "1", "bf": "0"}),
    "amf": ("h264_amf", {"forced_idr": "1", "bf": "0"}),
    "videotoolbox": ("h264_videotoolbox", {"allow_sw": "0", "bf": "0"}),
    "mf": ("h264_mf", {"hw_encoding": "1"}),
    "v4l2m2m": ("h264_v4l2m2m", {}),
}
ENCODERS = (SOFTWARE, *HARDWARE)
BITS = {"small": 0.08, "normal": 0.15, "high": 0.3}  # per pixel, of hardware
TRIAL_FRAMES, TRIAL_KEYFRAME = 8, 4
TRIAL = Picture(640, 480, Fraction(25), Colorspace.ITU601)
MAX_ERROR = 4.0  # levels of 255: mean of the luma, of a trial
LOAD = 0.5  # of the time of a frame, for its encoding in a trial


def check(encoding: Encoding) -> None:
    """Raise UserError if the named encoder or quality cannot be had here."""
    if encoding.quality not in BITS:
        raise UserError(f"--quality {encoding.quality}: choose {', '.join(BITS)}")
    if encoding.encoder not in ("auto", *ENCODERS):
        raise UserError(f"--encoder {encoding.encoder}: choose auto, {', '.join(ENCODERS)}")
    if encoding.encoder in HARDWARE and not works(_hardware(encoding), TRIAL):
        text = f"--encoder {encoding.encoder}: it does not work on this machine: "
        raise UserError(f"{text}remove it, or choose {SOFTWARE}")


def choose(encoding: Encoding, picture: Picture) -> tuple[Setting, ...]:
    """The settings for a recording of such pictures; each takes less time than the one before."""
    if encoding.encoder in HARDWARE:
        return (_hardware(encoding),)
    if encoding.encoder == "auto":
        for name in HARDWARE:
            setting = _hardware(Encoding(name, encoding.quality))
            if works(setting, picture):
                return (setting,)
    return STEPS[encoding.quality]


def works(setting: Setting, picture: Picture) -> bool:
    """Whether an encoder opens here, is fast enough, keeps the order of frames, makes key frames on
    demand, and keeps the picture."""
    with suppress(FFmpegError, OSError, ValueError):
        return _is_faithful(opened(setting, picture), picture)
    return False


def _hardware(encoding: Encoding) -> Setting:
    codec, options = HARDWARE[encoding.encoder]
    return Setting(codec, options, BITS[encoding.quality])


def _is_faithful(encoder: Any, picture: Picture) -> bool:
    frames = [_trial_frame(picture, k) for k in range(TRIAL_FRAMES)]
    packets = list(encoder.encode(frames[0]))  # the first one may wait for the device
    start = time.perf_counter()
    for frame in [*frames[1:], None]:
        packets += encoder.encode(frame)
    seconds = (time.perf_counter() - start) / (TRIAL_FRAMES - 1)
    if [packet.pts for packet in packets] != [frame.pts for frame in frames]:  # B-frames
        return False
    if not (packets[0].is_keyframe and packets[TRIAL_KEYFRAME].is_keyframe):
        return False
    return seconds * picture.rate <= LOAD and _error(encoder, packets, frames) <= MAX_ERROR


def _error(encoder: Any, packets: list[Any], frames: list[Any]) -> float:
    """Mean difference of the decoded luma."""
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.extradata = encoder.extradata
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    if len(decoded) != len(frames):
        return 255.0
    pairs = zip(decoded, frames, strict=True)
    return max(float(np.abs(_luma(one) - _luma(other)).mean()) for one, other in pairs)


def _luma(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="gray").astype(np.int16)


def _trial_frame(picture: Picture, index: int) -> av.VideoFrame:
    """A slope that moves, in grey."""
    x, y = np.arange(picture.width) + 8 * index, np.arange(picture.height)
    grey = np.full((picture.height * 3 // 2, picture.width), 128, np.uint8)
    grey[: picture.height] = 16 + (x[None] + y[:, None]) % 512 * 200 // 512
    frame = av.VideoFrame.from_ndarray(grey, format=PIXELS)
    frame.time_base, frame.pts = TIME_BASE, round(index / picture.rate / TIME_BASE)
    frame.pict_type = PictureType.I if index in (0, TRIAL_KEYFRAME) else PictureType.NONE
    return frame

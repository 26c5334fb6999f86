"""Decoded frames as BGR: by the matrix, range, primaries and transfer that the video states."""

import struct
from contextlib import suppress
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc

from demo.events import Kind
from demo.sources.decode.tonemap import HLG_PEAK, PQ_PEAK, PRIMARIES, WHITE, colours_of, to_srgb

HD_WIDTH, HD_HEIGHT = 1280, 720  # from one of them on, video that states no matrix has BT.709's
SCALER_MATRICES = {1, 4, 5, 6, 7, 9}  # AVCOL_SPC_* that FFmpeg's scaler converts
CONSTANT_LUMINANCE = 10  # AVCOL_SPC_BT2020_CL
USUAL_PEAK = 1000.0  # cd/m²: of PQ that states none
HDR: dict[int, str] = {ColorTrc.ARIB_STD_B67: "HLG", ColorTrc.SMPTE2084: "PQ"}
DOLBY_VISION_TAGS = {"dvh1", "dvhe"}  # H.265 in MP4; other profiles state their colours
WIDE_PRIMARIES = PRIMARIES.keys() - {ColorPrimaries.BT709}
MASTERING = struct.Struct("=72x2i4xi")  # AVMasteringDisplayMetadata: brightest, whether stated
LIGHT_LEVEL = struct.Struct("=I")  # AVContentLightMetadata: brightest pixel


def to_bgr24(decoded: av.VideoFrame, width: int, height: int, threads: int) -> np.ndarray:
    """Image (H, W, 3) uint8 BGR of a decoded frame. HDR is tone-mapped to SDR; primaries wider than
    BT.709's are converted to those."""
    matrix = _matrix(decoded)
    if decoded.color_trc not in HDR and decoded.color_primaries not in WIDE_PRIMARIES:
        return decoded.to_ndarray(
            format="bgr24", width=width, height=height, src_colorspace=matrix, threads=threads
        )
    image = decoded.to_ndarray(
        format="gbrp16le", width=width, height=height, src_colorspace=matrix, threads=threads
    )
    return to_srgb(image, colours_of(decoded.color_trc, _primaries(decoded), _peak(decoded)))


def colour_notice(codec: av.VideoCodecContext) -> tuple[Kind, str] | None:
    """What the user should know of the colours of a video: kind and text of an event."""
    if hdr := HDR.get(codec.color_trc):
        return "info", f"HDR ({hdr}) is tone-mapped to SDR"
    if codec.codec_tag in DOLBY_VISION_TAGS and codec.color_trc == ColorTrc.UNSPECIFIED:
        text = "the colours of Dolby Vision profile 5 are wrong: export it as HDR10 or SDR"
        return "warning", text
    return None


def standard_matrix(width: int, height: int) -> Colorspace:
    """The matrix of video that states none: BT.709 from HD on, else BT.601."""
    hd = width >= HD_WIDTH or height >= HD_HEIGHT
    return Colorspace.ITU709 if hd else Colorspace.ITU601


def _matrix(decoded: av.VideoFrame) -> Colorspace | None:
    """The matrix to read a frame with; None: as it states."""
    if decoded.colorspace in SCALER_MATRICES or decoded.format.is_rgb:
        return None
    if decoded.colorspace == CONSTANT_LUMINANCE or _primaries(decoded) == ColorPrimaries.BT2020:
        return Colorspace.BT2020
    return standard_matrix(decoded.width, decoded.height)


def _primaries(decoded: av.VideoFrame) -> int:
    """BT.2020's for HDR that states none; BT.709's for those that hardly differ from them."""
    stated = decoded.color_primaries
    if stated == ColorPrimaries.UNSPECIFIED and decoded.color_trc in HDR:
        return ColorPrimaries.BT2020
    return stated if stated in PRIMARIES else ColorPrimaries.BT709


def _peak(decoded: av.VideoFrame) -> float:
    """The brightest light of HDR in cd/m²: the least that the frame states, from WHITE on."""
    if decoded.color_trc != ColorTrc.SMPTE2084:
        return HLG_PEAK
    stated: list[float] = []
    with suppress(ValueError):  # PyAV refuses all side data where it does not know a part
        side: Any = decoded.side_data
        if Type.MASTERING_DISPLAY_METADATA in side:
            data = bytes(side[Type.MASTERING_DISPLAY_METADATA])
            brightest, divisor, known = MASTERING.unpack_from(data)
            stated += [brightest / divisor] if known and divisor else []
        if Type.CONTENT_LIGHT_LEVEL in side:
            stated += LIGHT_LEVEL.unpack_from(bytes(side[Type.CONTENT_LIGHT_LEVEL]))
    return float(np.clip(min(filter(None, stated), default=USUAL_PEAK), WHITE, PQ_PEAK))

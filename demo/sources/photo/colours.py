"""The colours of photo files as sRGB, which screens show and networks were trained on.

A profile or code points say what the numbers of a file mean: Display P3 of phones, Adobe RGB of
cameras, CMYK of print, HDR. Photos in sRGB, or nearly so, are left as they are.
"""

import io
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import ColorPrimaries

from demo.sources.decode.colour import HDR
from demo.sources.decode.tonemap import HLG_PEAK, PRIMARIES, colours_of
from demo.sources.decode.tonemap import to_srgb as light_to_srgb

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Content = Path | bytes  # a file, or what one holds
ToSrgb = Callable[[np.ndarray], np.ndarray]  # (h, w, 3 or 4) uint8 -> (h, w, 3) uint8 RGB
STRIP_PIXELS = 1_000_000  # converted at a time, so that a large photo is not in memory twice
SAME = 3  # of 255: colours that differ by no more are the same
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile -> Pillow's mode
PROBE = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(1, -1, 3).astype(np.uint8)
GRAY_MODES = {"1", "L", "LA", "La"}


def to_srgb(picture: "ImageFile", content: Content) -> ToSrgb | None:
    """The conversion of a picture's pixels to sRGB, None if there is nothing to convert. It takes
    RGB, or CMYK if that is the picture's mode. A profile that is damaged or of other colours than
    the picture counts as none."""
    stated, profile = _code_points(picture, content), picture.info.get("icc_profile")
    if profile and not (stated and picture.format == "PNG"):  # they overrule it
        gray = picture.mode in GRAY_MODES or picture.mode.startswith("I")
        return by_profile(profile, "L" if gray else "CMYK" if picture.mode == "CMYK" else "RGB")
    return by_code_points(*stated) if stated else None


def convert_strips(image: np.ndarray, convert: Callable[[np.ndarray, int], np.ndarray]) -> None:
    """Replace an image (H, W, 3) by strips: `convert` takes one and its first row."""
    rows = max(STRIP_PIXELS // image.shape[1], 1)
    for top in range(0, len(image), rows):
        image[top : top + rows] = convert(image[top : top + rows], top)


@lru_cache(maxsize=8)
def by_profile(profile: bytes, mode: str) -> ToSrgb | None:
    """The conversion by an ICC profile of a picture in RGB, gray ("L") or CMYK."""
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if MODES[source.profile.xcolor_space.strip()] != mode:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError):
        return None

    def convert(pixels: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(pixels[..., 0] if mode == "L" else pixels)
        image = Image.frombuffer(mode, pixels.shape[1::-1], pixels, "raw", mode, 0, 1)
        return np.asarray(ImageCms.applyTransform(image, transform))

    return convert if mode == "CMYK" else _if_needed(convert)


@lru_cache(maxsize=8)
def by_code_points(primaries: int, transfer: int) -> ToSrgb | None:
    """The conversion of RGB with these primaries and transfer of ITU-T H.273; HDR is tone-mapped.
    Those that are not known count as sRGB's."""
    if primaries not in PRIMARIES:
        primaries = ColorPrimaries.BT2020 if transfer in HDR else ColorPrimaries.BT709
    colours = colours_of(transfer, primaries, HLG_PEAK)

    def convert(pixels: np.ndarray) -> np.ndarray:
        bgr = light_to_srgb(pixels.astype(np.uint16) * 257, colours)
        return bgr[..., ::-1]

    return _if_needed(convert)


def _if_needed(convert: ToSrgb) -> ToSrgb | None:
    """The conversion, unless it changes no colour."""
    change = np.abs(convert(PROBE).astype(int) - PROBE)
    return convert if change.max() > SAME else None


def _code_points(picture: "ImageFile", content: Content) -> tuple[int, int] | None:
    """Primaries and transfer as a PNG or AVIF states them."""
    reader = {"PNG": _png_code_points, "AVIF": _avif_code_points}.get(picture.format or "")
    if reader is None:
        return None
    if isinstance(content, bytes):
        return reader(content)
    with content.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        return reader(mapped)  # the headers: the pixels are not read


def _png_code_points(content: bytes | mmap) -> tuple[int, int] | None:
    """Those of the chunk cICP, before the pixels."""
    place = 8
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if kind == b"IDAT":
            return None
        if kind == b"cICP" and place + 10 <= len(content):
            return content[place + 8], content[place + 9]
        place += size + 12
    return None


def _avif_code_points(content: bytes | mmap) -> tuple[int, int] | None:
    """Those of the first colour box with code points, in meta/iprp/ipco."""
    for meta in _boxes(content, b"meta"):
        for properties in _boxes(meta[4:], b"iprp"):
            for container in _boxes(properties, b"ipco"):
                for box in _boxes(container, b"colr"):
                    if box[:4] == b"nclx" and len(box) >= 8:
                        primaries, transfer = struct.unpack_from(">HH", box, 4)
                        return primaries, transfer
    return None


def _boxes(content: bytes | mmap, wanted: bytes) -> Iterator[bytes]:
    """The contents of the boxes of a kind (ISO 14496-12)."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1 and place + 16 <= len(content):
            size, head = struct.unpack_from(">Q", content, place + 8)[0], 16
        end = place + size if size else len(content)
        if end < place + head:
            return
        if kind == wanted:
            yield content[place + head : end]
        place = end

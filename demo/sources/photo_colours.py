"""The colours of photo files as sRGB, which screens show and networks were trained on.

A profile or code points say what the numbers of a file mean: Display P3 of phones, Adobe RGB of
cameras, CMYK of print, HDR. Photos in sRGB, or nearly so, are left as they are.
"""

import io
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

ToSrgb = Callable[[np.ndarray], np.ndarray]  # (h, w, 3 or 4) uint8 -> (h, w, 3) uint8 RGB
STRIP_PIXELS = 1_000_000  # converted at a time, so that a large photo is not in memory twice
SAME = 3  # of 255: colours that differ by no more are the same
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile -> Pillow's mode
PROBE = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(1, -1, 3).astype(np.uint8)

# Code points of ITU-T H.273
XYZ_OF_709 = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
XYZ_OF_PRIMARIES = {
    9: ((0.6370, 0.1446, 0.1689), (0.2627, 0.6780, 0.0593), (0.0, 0.0281, 1.0610)),  # BT.2020
    12: ((0.4866, 0.2657, 0.1982), (0.2290, 0.6917, 0.0793), (0.0, 0.0451, 1.0439)),  # Display P3
}
GAMMA_22, LINEAR, PQ, HLG = 4, 8, 16, 18  # transfers; all others are taken for that of sRGB
SDR_WHITE = 203.0  # cd/m², of HDR (ITU-R BT.2408)
HDR_PEAK = 1000.0  # cd/m², which becomes white
STEPS = 4095  # of the table from light to sRGB


def to_srgb(picture: "ImageFile", path: Path) -> ToSrgb | None:
    """The conversion of a picture's pixels to sRGB, None if there is nothing to convert. It takes
    RGB, or CMYK if that is the picture's mode. A damaged profile counts as none."""
    if profile := picture.info.get("icc_profile"):
        return by_profile(profile, picture.mode == "CMYK")
    return by_code_points(*_code_points(picture, path))


def convert_strips(image: np.ndarray, convert: Callable[[np.ndarray, int], np.ndarray]) -> None:
    """Replace an image (H, W, 3) by strips: `convert` takes one and its first row."""
    rows = max(STRIP_PIXELS // image.shape[1], 1)
    for top in range(0, len(image), rows):
        image[top : top + rows] = convert(image[top : top + rows], top)


@lru_cache(maxsize=8)
def by_profile(profile: bytes, cmyk: bool) -> ToSrgb | None:
    """The conversion by an ICC profile of RGB, gray or CMYK."""
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES[source.profile.xcolor_space.strip()]
        if (mode == "CMYK") != cmyk:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError):
        return None

    def convert(pixels: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(pixels[..., 0] if mode == "L" else pixels)
        image = Image.frombuffer(mode, pixels.shape[1::-1], pixels, "raw", mode, 0, 1)
        return np.asarray(ImageCms.applyTransform(image, transform))

    return convert if cmyk else _if_needed(convert)


@lru_cache(maxsize=8)
def by_code_points(primaries: int, transfer: int) -> ToSrgb | None:
    """The conversion of RGB with these primaries and transfer of ITU-T H.273."""
    light = _light_of(transfer)
    matrix = np.eye(3)
    if primaries in XYZ_OF_PRIMARIES:
        matrix = np.linalg.inv(XYZ_OF_709) @ np.array(XYZ_OF_PRIMARIES[primaries])
    levels = np.linspace(0, 1, STEPS + 1) ** 2  # more of them where it is dark
    table = np.rint(255 * _encoded(levels)).astype(np.uint8)

    def convert(pixels: np.ndarray) -> np.ndarray:
        linear = light[pixels] @ matrix.T.astype(np.float32)
        if transfer in (PQ, HLG):
            linear = _tone_mapped(linear)
        return np.asarray(table[np.rint(STEPS * np.sqrt(linear.clip(0, 1))).astype(np.int32)])

    return _if_needed(convert)


def _if_needed(convert: ToSrgb) -> ToSrgb | None:
    """The conversion, unless it changes no colour."""
    change = np.abs(convert(PROBE).astype(int) - PROBE)
    return convert if change.max() > SAME else None


def _light_of(transfer: int) -> np.ndarray:
    """Light (256,) float32 of the levels 0 to 255; 1 is the white of SDR."""
    level = np.arange(256) / 255
    if transfer == PQ:  # SMPTE ST 2084
        power = level ** (1 / 78.84375)
        ratio = (power - 0.8359375).clip(0) / (18.8515625 - 18.6875 * power)
        light = 10_000 / SDR_WHITE * ratio ** (1 / 0.1593017578125)
    elif transfer == HLG:  # ITU-R BT.2100, at a peak of HDR_PEAK
        low, high = level**2 / 3, (np.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = HDR_PEAK / SDR_WHITE * np.where(level <= 0.5, low, high) ** 1.2
    elif transfer in (GAMMA_22, LINEAR):
        light = level ** (2.2 if transfer == GAMMA_22 else 1)
    else:
        light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _encoded(light: np.ndarray) -> np.ndarray:
    """The sRGB levels, 0 to 1, of light from 0 to 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _tone_mapped(light: np.ndarray) -> np.ndarray:
    """HDR light (h, w, 3) compressed so that HDR_PEAK becomes 1, by the curve of Reinhard et al.
    (2002) on the strongest channel, which keeps the hue."""
    strongest = light.max(axis=2, keepdims=True).clip(1e-6)
    compressed = (1 + strongest * (SDR_WHITE / HDR_PEAK) ** 2) / (1 + strongest)
    mapped: np.ndarray = light * compressed
    return mapped


def _code_points(picture: "ImageFile", path: Path) -> tuple[int, int]:
    """Primaries and transfer as a PNG or AVIF states them, else those of sRGB."""
    reader = {"PNG": _png_code_points, "AVIF": _avif_code_points}.get(picture.format or "")
    found = reader(path.read_bytes()) if reader else None
    return found or (1, 13)


def _png_code_points(content: bytes) -> tuple[int, int] | None:
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


def _avif_code_points(content: bytes) -> tuple[int, int] | None:
    """Those of the first colour box with code points, in meta/iprp/ipco."""
    for meta in _boxes(content, b"meta"):
        for properties in _boxes(meta[4:], b"iprp"):
            for container in _boxes(properties, b"ipco"):
                for box in _boxes(container, b"colr"):
                    if box[:4] == b"nclx" and len(box) >= 8:
                        primaries, transfer = struct.unpack_from(">HH", box, 4)
                        return primaries, transfer
    return None


def _boxes(content: bytes, wanted: bytes) -> Iterator[bytes]:
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

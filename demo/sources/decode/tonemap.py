"""HDR and wide colours as sRGB pixels, with their white at the brightness of paper.

Transfer functions: ITU-R BT.2100. White: ITU-R BT.2408. Tone mapping: Reinhard et al., Photographic
Tone Reproduction for Digital Images, 2002, equation 4, for the light above a knee.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc

WHITE = 203.0  # cd/m²: paper in HDR video; it becomes the white of sRGB
KNEE = 0.7  # of white: darker light, so nearly all of faces, is shown as in SDR
HLG_PEAK = 1000.0  # cd/m²: of the display for which HLG's system gamma is 1.2
HLG_GAMMA = 1.2
PQ_PEAK = 10_000.0  # cd/m²
CODES = 65_536  # of 16 bits
STRIP_PIXELS = 32_768  # that are converted at once: they stay in the processor's cache

PRIMARIES = {  # x and y of red, green and blue; white is D65 in all of them
    ColorPrimaries.BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    ColorPrimaries.BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    ColorPrimaries.SMPTE431: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    ColorPrimaries.SMPTE432: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
D65 = 0.3127, 0.3290  # x and y


class Colours(NamedTuple):
    """The colours of a video, as tables and matrices."""

    light: np.ndarray  # (CODES,) float32, 0..1: light of a channel by its code
    luminance: np.ndarray  # (1, 3) float32: R, G, B → index in `gain`
    gain: np.ndarray  # (CODES,) float32: factor for the light, 1 = sRGB's white, by luminance
    to_bgr: np.ndarray  # (3, 3) float32: R, G, B → B, G, R of sRGB, times CODES - 1


def to_srgb(image: np.ndarray, colours: Colours) -> np.ndarray:
    """Image (H, W, 3) uint16 RGB as uint8 BGR; colours beyond sRGB are clipped."""
    pixels = np.empty(image.shape, np.uint8)
    rows = max(1, STRIP_PIXELS // image.shape[1])
    for top in range(0, len(image), rows):
        strip = slice(top, top + rows)
        light = cv2.LUT(image[strip], colours.light)
        linear = cv2.transform(light, colours.to_bgr)
        luminance = cv2.transform(light, colours.luminance).astype(np.uint16)
        gain = cv2.cvtColor(cv2.LUT(luminance, colours.gain), cv2.COLOR_GRAY2BGR)
        codes = cv2.multiply(linear, gain, dtype=cv2.CV_16U)  # rounds and clips
        cv2.LUT(codes, srgb_codes(), dst=pixels[strip])
    return pixels


@lru_cache(maxsize=8)
def colours_of(transfer: int, primaries: int, peak: float) -> Colours:
    """The colours of video with FFmpeg's `transfer` and `primaries`, 0 .. `peak` cd/m² bright.

    A transfer that is not HDR's counts as sRGB's, there and back.
    """
    code = np.linspace(0, 1, CODES)
    luminance = np.maximum(code, 1 / CODES)  # relative to the brightest
    gain = np.ones(CODES)
    if transfer == ColorTrc.ARIB_STD_B67:
        light = hlg_scene(code)
        gain = tone_mapped(peak / WHITE * luminance**HLG_GAMMA, peak) / luminance
    elif transfer == ColorTrc.SMPTE2084:
        light = np.minimum(pq_light(code) / peak, 1)
        gain = tone_mapped(peak / WHITE * luminance, peak) / luminance
    else:
        light = srgb_light(code)
    to_xyz = _to_xyz(primaries)
    to_bgr = (np.linalg.inv(_to_xyz(ColorPrimaries.BT709)) @ to_xyz)[::-1]
    scaled = (light, to_xyz[1:2] * (CODES - 2), gain, to_bgr * (CODES - 1))
    return Colours(*(each.astype(np.float32) for each in scaled))


def tone_mapped(light: np.ndarray, peak: float) -> np.ndarray:
    """Light 0 .. peak / WHITE as 0 .. 1: unchanged up to KNEE, compressed from there."""
    above = np.maximum(light - KNEE, 0) / (1 - KNEE)
    most = (peak / WHITE - KNEE) / (1 - KNEE)
    compressed = above * (1 + above / most**2) / (1 + above)
    return np.where(light < KNEE, light, KNEE + (1 - KNEE) * compressed)


def hlg_scene(code: np.ndarray) -> np.ndarray:
    """Light of the scene, 0 .. 1, by the code of HLG."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def pq_light(code: np.ndarray) -> np.ndarray:
    """Light in cd/m² by the code of PQ."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = code ** (1 / m2)
    light: np.ndarray = PQ_PEAK * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light


def srgb_light(code: np.ndarray) -> np.ndarray:
    """Light, 0 .. 1, by the code of sRGB."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=1)
def srgb_codes() -> np.ndarray:
    """Code of sRGB (CODES,) uint8 by light 0 .. 1."""
    light = np.linspace(0, 1, CODES)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(code * 255).astype(np.uint8)


def _to_xyz(primaries: int) -> np.ndarray:
    """Matrix (3, 3) from light of R, G, B to X, Y, Z; white has Y = 1."""

    def xyz(x: float, y: float) -> list[float]:
        return [x / y, 1, (1 - x - y) / y]

    columns = np.array([xyz(*each) for each in PRIMARIES[ColorPrimaries(primaries)]]).T
    return columns * np.linalg.solve(columns, xyz(*D65))

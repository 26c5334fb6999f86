"""Frames as JPEG: each is encoded once for all viewers of a width, and only when one asks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from demo.display.overlay import annotate
from demo.web.hub import Newest

WIDTHS = (320, 480, 640, 960, 1280, 1920)  # pixels
ENCODERS = 2  # threads
QUALITY = 80  # of JPEG, 0 to 100


class Pictures:
    """The JPEGs of the newest frames."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(ENCODERS, "encoder")
        self._made: dict[tuple[str, int, bool], tuple[int, asyncio.Future[bytes]]] = {}

    async def jpeg(self, newest: Newest, width: int, overlay: bool = False) -> bytes:
        """The frame at most `width` pixels wide, with boxes and labels if `overlay`. Raises
        asyncio.CancelledError when the server closes."""
        key = newest.frame.source, width, overlay
        number, made = self._made.get(key, (0, None))
        if made is None or number != newest.number:
            loop = asyncio.get_running_loop()
            made = loop.run_in_executor(self._executor, encode, newest, width, overlay)
            self._made[key] = newest.number, made
        return await asyncio.shield(made)


def width_for(wanted: int, limit: int) -> int:
    """The least of WIDTHS that has `wanted` pixels, at most `limit` of them from the smallest."""
    place = next((k for k, width in enumerate(WIDTHS) if width >= wanted), len(WIDTHS) - 1)
    return WIDTHS[min(place, limit)]


def encode(newest: Newest, width: int, overlay: bool) -> bytes:
    """A frame as JPEG."""
    image = newest.frame.image
    if overlay:
        image = annotate(image, newest.faces)
    return jpeg_bytes(_shrunk(image, width))


def jpeg_bytes(image: np.ndarray) -> bytes:
    """An image (H, W, 3) uint8 BGR as JPEG."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes()


def _shrunk(image: np.ndarray, width: int) -> np.ndarray:
    height, full = image.shape[:2]
    if full <= width:
        return image
    size = (width, max(1, round(height * width / full)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

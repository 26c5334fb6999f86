"""The live picture in a window, and its keys."""

import os
import time
from typing import Self

import cv2
import numpy as np

from demo.display.controls import Command
from demo.display.screen import screen_size
from demo.display.x11 import DisplayConnections
from demo.errors import UserError
from demo.frames import Frame

KEYS: dict[int, Command] = {ord("q"): "quit", 27: "quit", ord(" "): "pause", ord("s"): "snapshot"}
KEY_SECONDS = 0.03  # between two looks at the keys
SCREEN_SHARE = 0.9  # of the screen's sides: the rest is for its bars and the window's frame


class Window:
    """A picture sink that shows the picture, and controls by its keys. All waiting is done outside
    of the toolkit, see `DisplayConnections`."""

    def __init__(self, title: str) -> None:
        """Open it. Raises UserError if this OpenCV has no windows."""
        self._title = title
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # unused fonts
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise UserError("this OpenCV has no window support: use --no-display") from None
        self._closed = False
        self._screen = screen_size()
        self._size = 0, 0  # width and height in which all pictures fitted so far
        self._display = DisplayConnections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, if it is still open."""
        if self._closed:
            return
        self._closed = True
        if not self._display.lost() and self._is_open():
            cv2.destroyWindow(self._title)
        self._display.close()

    @property
    def wanted(self) -> bool:
        """Whether the display is still there."""
        return not self._display.lost()

    realtime = wanted

    def write(self, picture: Frame) -> None:
        """Show the whole picture, the first one as large as its pixels if the screen is; the window
        grows for larger ones, until the screen is full."""
        fitted = window_size(picture.image.shape, self._screen)
        before = self._size
        self._size = max(fitted[0], before[0]), max(fitted[1], before[1])
        cv2.imshow(self._title, padded(picture.image, *self._size))
        if self._size != before:  # the toolkit takes the aspect from the picture that it shows
            cv2.resizeWindow(self._title, *self._size)

    def command(self, wait: float) -> Command | None:
        """The command of a key pressed within `wait` seconds; "quit" if the window was closed,
        "lost" if its display is gone."""
        end = time.monotonic() + wait
        while not self._display.lost():
            key = cv2.waitKey(1) & 0xFF
            if not self._is_open():
                return "quit"
            left = end - time.monotonic()
            if key in KEYS or left <= 0:
                return KEYS.get(key)
            self._display.lost(min(left, KEY_SECONDS))
        return "lost"

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the last window was closed and the toolkit is gone
            return False


def window_size(shape: tuple[int, ...], screen: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a window for an image of `shape` (H, W, …) on a screen of (W, H)."""
    height, width = shape[:2]
    scale = min(1, SCREEN_SHARE * screen[0] / width, SCREEN_SHARE * screen[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def padded(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The image (H, W, 3) in the middle of black bars that give it the aspect of a window, in which
    it has all its pixels, for a viewer who zooms; without bars of less than a pixel there."""
    rows, columns = image.shape[:2]
    across = round(rows * width / height) - columns
    down = round(columns * height / width) - rows
    if max(across * height / rows, down * width / columns) <= 1:
        return image
    left, top = max(across, 0), max(down, 0)
    sides = top // 2, top - top // 2, left // 2, left - left // 2
    return cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=(0, 0, 0))

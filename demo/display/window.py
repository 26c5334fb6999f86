"""The live picture in a window, and its keys."""

import os
import time
from typing import Self

import cv2

from demo.display.controls import Command
from demo.display.x11 import DisplayConnections
from demo.errors import UserError
from demo.frames import Frame

KEYS: dict[int, Command] = {ord("q"): "quit", 27: "quit", ord(" "): "pause", ord("s"): "snapshot"}
KEY_SECONDS = 0.03  # between two looks at the keys


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
        self._sized = self._closed = False
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
        """Show the picture, as large as its pixels the first time."""
        image = picture.image
        if not self._sized:
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(self._title, image)

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

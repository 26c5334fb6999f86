"""The live picture and its keys."""

import os
import socket
import sys
from typing import Self

import cv2
import numpy as np

from demo.errors import UserError
from demo.frames import Faces, Frame

QUIT, PAUSE, SNAPSHOT = "quit", "pause", "snapshot"
KEYS = {ord("q"): QUIT, 27: QUIT, ord(" "): PAUSE, ord("s"): SNAPSHOT}


class Window:
    """The live picture; `command` tells what a key asked for."""

    def __init__(self, title: str) -> None:
        self._title = title
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # fonts it never uses
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise UserError("this OpenCV has no window support: use --no-display") from None
        self._sized = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_open():
            cv2.destroyWindow(self._title)

    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None:
        """Show a frame."""
        if not self._sized:
            cv2.resizeWindow(self._title, drawn.shape[1], drawn.shape[0])
            self._sized = True
        cv2.imshow(self._title, drawn)

    def command(self, wait: float) -> str | None:
        """QUIT, PAUSE or SNAPSHOT if a key asked for it within `wait` seconds, QUIT if the window
        was closed."""
        key = cv2.waitKey(max(1, round(wait * 1e3))) & 0xFF
        return KEYS.get(key) if self._is_open() else QUIT

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the last window was closed and the toolkit is gone
            return False


def display_exists() -> bool:
    """Whether a window can be opened: on Linux, an X server answers at $DISPLAY. (Where none does,
    the toolkit would end the process.)"""
    if not sys.platform.startswith("linux"):
        return True
    host, _, screen = os.environ.get("DISPLAY", "").rpartition(":")
    number = screen.partition(".")[0]
    if not number.isdigit():
        return False
    if host and host != "unix":
        return _answers(socket.AF_INET, (host, 6000 + int(number)))
    path = f"/tmp/.X11-unix/X{number}"
    return any(_answers(socket.AF_UNIX, place) for place in (path, "\0" + path))


def _answers(family: socket.AddressFamily, place: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(place)
        except OSError:
            return False
        return True

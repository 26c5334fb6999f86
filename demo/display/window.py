"""The live picture and its keys."""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from demo.errors import UserError

QUIT, PAUSE, SNAPSHOT, LOST = "quit", "pause", "snapshot", "lost"
KEYS = {ord("q"): QUIT, 27: QUIT, ord(" "): PAUSE, ord("s"): SNAPSHOT}
LOOK_SECONDS = 0.03  # between two looks at the keys
X_PORT = 6000  # of display 0, by TCP: ssh -X


class Window:
    """The live picture; `command` tells what a key asked for.

    When the display goes away, a toolkit of X ends the process from within its next call. So the
    connection is looked at before each call, and all waiting is done outside of the toolkit.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # fonts it never uses
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise UserError("this OpenCV has no window support: use --no-display") from None
        self._sized = self._lost = False
        self._connections = list(_connections())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._lose(0.0) and self._is_open():
            cv2.destroyWindow(self._title)
        for each in self._connections:
            each.close()

    def show(self, image: np.ndarray) -> None:
        """Show a picture, where the display is still there."""
        if self._lose(0.0):
            return
        if not self._sized:
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(self._title, image)

    def command(self, wait: float) -> str | None:
        """QUIT, PAUSE or SNAPSHOT if a key asked for it within `wait` seconds, QUIT if the window
        was closed, LOST if its display went away."""
        end = time.monotonic() + wait
        while not self._lose(0.0):
            key = cv2.waitKey(1) & 0xFF
            if not self._is_open():
                return QUIT
            left = end - time.monotonic()
            if key in KEYS or left <= 0:
                return KEYS.get(key)
            self._lose(min(left, LOOK_SECONDS))
        return LOST

    def _lose(self, wait: float) -> bool:
        """Wait so many seconds; whether the display went away until then."""
        if not self._connections:
            time.sleep(wait)
        elif not self._lost:
            hangup = select.poll()
            for each in self._connections:
                hangup.register(each, select.POLLRDHUP)
            self._lost = bool(hangup.poll(wait * 1e3))
        return self._lost

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
    host, number = _display()
    if number < 0:
        return False
    if host:
        return _answers(socket.AF_INET, (host, X_PORT + number))
    return any(_answers(socket.AF_UNIX, mark + _path(number)) for mark in ("", "\0"))


def _display() -> tuple[str, int]:
    """Host, "" where it is this machine by a Unix socket, and number of $DISPLAY; -1 for none."""
    host, _, screen = os.environ.get("DISPLAY", "").rpartition(":")
    number = screen.partition(".")[0]
    return "" if host == "unix" else host, int(number) if number.isdigit() else -1


def _path(number: int) -> str:
    return f"/tmp/.X11-unix/X{number}"


def _answers(family: socket.AddressFamily, place: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(place)
        except OSError:
            return False
        return True


def _connections() -> Iterator[socket.socket]:
    """Copies of the toolkit's connections to the X server, where the system lists them (Linux)."""
    for entry in Path("/proc/self/fd").glob("*"):
        if entry.is_socket():
            each = socket.socket(fileno=os.dup(int(entry.name)))
            if _is_of_display(each):
                yield each
            else:
                each.close()


def _is_of_display(each: socket.socket) -> bool:
    number = _display()[1]
    try:
        peer = each.getpeername()
    except OSError:  # it listens, or has ended
        return False
    if each.family == socket.AF_UNIX:
        return os.fsdecode(peer).endswith(_path(number))
    return each.family in (socket.AF_INET, socket.AF_INET6) and peer[1] == X_PORT + number

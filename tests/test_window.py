"""The window and its end: closed by its button, a display that goes away, a folder that is locked."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import av
import cv2
import numpy as np
import pytest

import stream
from demo.errors import UserError
from demo.frames import NO_FACES, Frame
from demo.window import LOST, QUIT, SNAPSHOT, Window, display_exists

ROOT = Path(__file__).resolve().parents[1]
NOTICE = "the display is gone: going on without a window"
LOST_SECONDS = 2.0  # of a recording, at most, where the display goes while a frame is drawn
PICTURE = np.zeros((4, 6, 3), np.uint8)
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
needs_xvfb = pytest.mark.skipif(not which("Xvfb"), reason="needs Xvfb")


class Toolkit:
    """What of cv2 the window uses, connected to a display if there is one; keys are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[int] = []
        self.open, self.shown = True, 0
        self.server: socket.socket | None = None
        self._connection: socket.socket | None = None
        for name in ("namedWindow", "destroyWindow", "resizeWindow"):
            monkeypatch.setattr(cv2, name, getattr(self, name))
        monkeypatch.setattr(cv2, "imshow", self.imshow)
        monkeypatch.setattr(cv2, "waitKey", self.wait_key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: float(self.open))

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be a display, too."""
        number = os.getpid()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"\0/tmp/.X11-unix/X{number}")
        self._listening.listen()
        monkeypatch.setenv("DISPLAY", f":{number}.0")

    def namedWindow(self, *_: object) -> None:  # noqa: N802
        if hasattr(self, "_listening"):
            self._connection = socket.socket(socket.AF_UNIX)
            self._connection.connect(self._listening.getsockname())
            self.server = self._listening.accept()[0]

    def destroyWindow(self, *_: object) -> None:  # noqa: N802
        self._serve()

    def resizeWindow(self, *_: object) -> None:  # noqa: N802
        self._serve()

    def imshow(self, *_: object) -> None:
        self._serve()
        self.shown += 1

    def wait_key(self, _: int) -> int:
        self._serve()
        return self.keys.pop(0) if self.keys else -1

    def _serve(self) -> None:
        """End the process where the display is gone, as Qt and GTK do."""
        if self.server is not None and self.server.fileno() < 0:
            raise SystemExit(1)

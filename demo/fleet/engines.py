"""What runs cameras: an engine starts the process of a camera, here or on another machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from demo.fleet.camera import Camera
from demo.fleet.report import Report


class CameraProcess(Protocol):
    """The process of a camera."""

    def poll(self) -> Report:
        """The newest report, without waiting; `ended` is set once all files are complete, or there
        is no process."""
        ...

    def stop(self) -> None:
        """Let it end after the frame, with all files complete, without waiting for that."""
        ...

    def kill(self) -> None:
        """End it now, if it did not end by itself, and release everything."""
        ...


# Starts a camera with its folder and a number of threads for each network. Raises OSError or
# UserError where that fails.
Engine = Callable[[Camera, Path, int], CameraProcess]

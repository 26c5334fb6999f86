"""A recording that can be stopped and started again."""

from dataclasses import replace
from pathlib import Path
from typing import Self

from demo.frames import Frame
from demo.sinks.video import VideoRecorder


class SwitchedRecorder:
    """A picture sink: a recording, from which the time is cut for which it was switched off.

    `on` may be set by any thread.
    """

    realtime = False

    def __init__(self, recorder: VideoRecorder) -> None:
        self._recorder = recorder
        self._on = True
        self._last: float | None = None  # time of the last recorded picture, seconds
        self._length = 0.0  # seconds, of the picture before the last
        self._cut = 0.0  # seconds left out so far
        self._stopped = False  # since the last recorded picture

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._recorder.__exit__(*exception)

    @property
    def on(self) -> bool:
        """Whether it is switched on."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._stopped |= not on
        self._on = on

    wanted = on

    @property
    def path(self) -> Path:
        """The file."""
        return self._recorder.path

    @property
    def written(self) -> bool:
        """Whether there is a file."""
        return self._recorder.written

    def write(self, picture: Frame) -> None:
        """Record a picture. Raises UserError if an earlier one could not be written."""
        if self._last is not None:
            length = picture.time - self._last
            if self._stopped:
                self._cut += max(length - self._length, 0.0)
            else:
                self._length = length
        self._stopped, self._last = False, picture.time
        self._recorder.write(replace(picture, time=picture.time - self._cut))

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
        self.on = True
        self._recorder = recorder
        self._last: float | None = None  # time of the last recorded picture, seconds
        self._length = 0.0  # seconds, of the picture before the last
        self._cut = 0.0  # seconds left out so far
        self._was_on = True

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._recorder.__exit__(*exception)

    @property
    def wanted(self) -> bool:
        """Whether it is switched on."""
        self._was_on &= self.on
        return self.on

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
            if self._was_on:
                self._length = length
            else:
                self._cut += max(length - self._length, 0.0)
        self._was_on, self._last = True, picture.time
        self._recorder.write(replace(picture, time=picture.time - self._cut))

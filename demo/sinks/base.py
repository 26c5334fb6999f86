"""Protocols of the outputs of a run: sinks take results, picture sinks take pictures."""

from typing import Protocol, Self

from demo.frames import Faces, Frame, Timing


class Sink(Protocol):
    """Takes the faces of every frame of every source."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Take a frame, clean of overlays, and its faces. Raises UserError if that fails."""
        ...


class PictureSink(Protocol):
    """Takes the pictures of a run: frames with their overlay, or a mosaic of several sources."""

    @property
    def wanted(self) -> bool:
        """Whether a picture would be used now; where none is wanted, none is drawn."""
        ...

    @property
    def realtime(self) -> bool:
        """Whether a person watches, so that files play at their own rate."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def write(self, picture: Frame) -> None:
        """Take a picture; its image never changes. Raises UserError if that fails."""
        ...

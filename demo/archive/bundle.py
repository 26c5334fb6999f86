"""Photos of one folder as a source, a part of them at a time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS
from demo.sources.photo.source import PhotoSource


class BundleSource(PhotoSource):
    """Photos that have names and indices of their own, as in the run over their whole folder."""

    def __init__(self, name: str, paths: list[Path], names: list[str], first: int) -> None:
        """`names` of the photos in results; `first`: index of the first one."""
        super().__init__(name, paths)
        self._names = dict(zip(map(str, paths), names, strict=True))
        self._first = first

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield what `PhotoSource.watch` does."""
        for each in super().watch(patience):
            if isinstance(each, Frame):
                name = self._names[each.source]
                yield replace(each, index=self._first + each.index, source=name)
            else:
                yield each

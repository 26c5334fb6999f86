"""What every source of frames offers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from demo.events import Event
from demo.frames import Frame, NoFrame

POLL_SECONDS = 0.05  # how long the main loop waits for a frame before it looks at the keys


class Source(Protocol):
    """An iterable of frames.

    A source is open from its construction on, reads from `start` on (or from entering a `with`),
    and is released by `close` (or by leaving the `with`), started or not. A class that inherits
    from `Source` gets `with`, iteration, and a `start_clock` that does nothing.
    """

    name: str  # for display and logs; unique in a run

    @property
    def path(self) -> Path | None:
        """The local file or folder; None for cameras and network addresses."""
        ...

    @property
    def live(self) -> bool:
        """Frames arrive at their own time, and only the newest is kept."""
        ...

    @property
    def photos(self) -> bool:
        """Frames are independent pictures."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames per second as the file or the camera states; None if unknown."""
        ...

    @property
    def count(self) -> int | None:
        """Number of frames, if known."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that newer ones replaced before they were taken; 0 for files."""
        ...

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Start reading. A second call does nothing."""
        ...

    def close(self) -> None:
        """Stop reading and release the device or file. A second call does nothing."""
        ...

    def start_clock(self, moment: float) -> None:
        """Let `Frame.time` of a live source count from `moment`, by time.monotonic().

        Several live sources share one clock in this way. Files keep their own.
        """
        return

    def __iter__(self) -> Iterator[Frame]:
        return (seen for seen in self.watch() if isinstance(seen, Frame))

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield frames as they come, and start reading if `start` was not called.

        Yields a NoFrame whenever no frame came for `patience` seconds, and events ("info",
        "warning", "lost", "back", "failed") where they happen. Ends after the last frame, or when
        the source is closed. Raises UserError if a file holds no frame at all.
        """
        ...


def title_of(name: str) -> str:
    """The name of a source in short: of a file without its folder."""
    return name if "://" in name else Path(name).name


def mark_last(seen: Iterator[Frame | NoFrame | Event]) -> Iterator[Frame | NoFrame | Event]:
    """What a file's `watch` yields, with `Frame.last` set: each frame waits for the next one."""
    held: Frame | None = None
    for each in seen:
        if held and (
            isinstance(each, Frame) or (isinstance(each, Event) and each.kind == "failed")
        ):
            yield held if isinstance(each, Frame) else replace(held, last=True)
            held = None
        if isinstance(each, Frame):
            held = each
        else:
            yield each
    if held:
        yield replace(held, last=True)

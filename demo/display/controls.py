"""What a viewer can ask for."""

from typing import Literal, Protocol

Command = Literal["quit", "pause", "snapshot", "lost"]  # lost: the viewer's display is gone


class Controls(Protocol):
    """Gives the viewer's commands: the keys of a window, the buttons of a page."""

    def command(self, wait: float) -> Command | None:
        """The next command, if one comes within `wait` seconds."""
        ...

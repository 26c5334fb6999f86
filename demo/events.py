"""What happens in a run besides frames and faces: the one channel for messages and faults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "info",  # for the user to know: the device in use, a file that was written
    "warning",  # something is left out or degraded, and the run continues
    "lost",  # a live source stopped delivering frames and is being reopened
    "back",  # it delivers again
    "failed",  # a source ended before its end, or is damaged; the run's exit code is 2
]


@dataclass(frozen=True)
class Event:
    """One message of a run."""

    kind: Kind
    text: str  # one line for the user, without secrets
    source: str = ""  # name of the source, "" for the run as a whole
    time: float = 0.0  # seconds since the start of the source


Notify = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A `Notify` that drops every event."""

"""What the process of a camera reports to the driver."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """How a camera's process is. A value: it can be pickled."""

    state: str = "starting"  # then "running", or "lost": no frames come, it is reconnecting
    part: int = 0  # number of the process, from 1; 0: not known yet
    pid: int = 0
    host: str = ""
    frames: int = 0
    fps: float = 0.0  # of the last seconds
    people: int = 0  # since the process began
    in_view: int = 0  # people in the last frame
    link: str = ""  # of its page
    error: str = ""  # the last line about something that went wrong
    ended: bool = False  # it is the last report

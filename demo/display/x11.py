"""The X server of a window on Linux: whether one answers, and whether it is still there."""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

X_PORT = 6000  # of display 0, by TCP: ssh -X


class DisplayConnections:
    """The toolkit's connections to the X server. When they break, the X library ends the process
    from within the toolkit's next call; so they are checked before each call."""

    def __init__(self) -> None:
        """Call it after the toolkit has connected."""
        self._connections = list(_connections())
        self._lost = False

    def lost(self, wait: float = 0.0) -> bool:
        """Wait for `wait` seconds; whether the display was lost by then."""
        if not self._connections:
            time.sleep(wait)
        elif not self._lost:
            hangup = select.poll()
            for each in self._connections:
                hangup.register(each, select.POLLRDHUP)
            self._lost = bool(hangup.poll(wait * 1e3))
        return self._lost

    def close(self) -> None:
        """Close our copies; the toolkit keeps its own."""
        for each in self._connections:
            each.close()


def display_exists() -> bool:
    """Whether a window can be opened. On Linux an X server must answer at $DISPLAY; without one the
    toolkit would end the process."""
    if not sys.platform.startswith("linux"):
        return True
    host, number = _display()
    if number < 0:
        return False
    if host:
        return _answers(socket.AF_INET, (host, X_PORT + number))
    return any(_answers(socket.AF_UNIX, mark + _path(number)) for mark in ("", "\0"))


def _display() -> tuple[str, int]:
    """Host and number of $DISPLAY: host "" for a Unix socket, number -1 if there is none."""
    host, _, screen = os.environ.get("DISPLAY", "").rpartition(":")
    number = screen.partition(".")[0]
    return "" if host == "unix" else host, int(number) if number.isdigit() else -1


def _path(number: int) -> str:
    return f"/tmp/.X11-unix/X{number}"


def _answers(family: socket.AddressFamily, place: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(place)
        except OSError:
            return False
        return True


def _connections() -> Iterator[socket.socket]:
    """Copies of this process's connections to the X server, where the system lists them (Linux)."""
    for entry in Path("/proc/self/fd").glob("*"):
        if entry.is_socket():
            each = socket.socket(fileno=os.dup(int(entry.name)))
            if _is_of_display(each):
                yield each
            else:
                each.close()


def _is_of_display(each: socket.socket) -> bool:
    number = _display()[1]
    try:
        peer = each.getpeername()
    except OSError:  # a listening or closed socket
        return False
    if each.family == socket.AF_UNIX:
        return os.fsdecode(peer).endswith(_path(number))
    return each.family in (socket.AF_INET, socket.AF_INET6) and peer[1] == X_PORT + number

"""The time of a file whose own clock may start anew."""

RESTART = 0.5  # seconds back, from which a clock was set anew: damaged files repeat less


class ContinuousTimestamps:
    """Makes the times of a file run on where two recordings were joined into one."""

    def __init__(self) -> None:
        self._ahead = 0.0  # seconds, of what is told before what the file says
        self._end: float | None = None  # seconds, of what came last

    def __call__(self, seconds: float, length: float) -> float:
        """The time of what begins at `seconds` on the file's clock and lasts for `length`."""
        if self._end is not None and seconds + self._ahead < self._end - length - RESTART:
            self._ahead = self._end - seconds
        at = seconds + self._ahead
        self._end = max(self._end or at, at + length)
        return at

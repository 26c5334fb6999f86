"""Continuous timestamps for files whose own clock restarts."""

CLOCK_RESTART_SECONDS = 0.5  # a larger step back is a restart; damaged files repeat less


class ContinuousTimestamps:
    """Makes the timestamps of a file continuous where two recordings were joined into one."""

    def __init__(self) -> None:
        self._offset = 0.0  # seconds to add to the file's clock
        self._end: float | None = None  # seconds: end of the latest frame or packet

    def __call__(self, seconds: float, duration: float) -> float:
        """Return the continuous timestamp, in seconds, of a frame or packet.

        `seconds` is its timestamp on the file's clock, `duration` its length in seconds.
        """
        if self._end is not None:
            earliest = self._end - duration - CLOCK_RESTART_SECONDS
            if seconds + self._offset < earliest:
                self._offset = self._end - seconds
        timestamp = seconds + self._offset
        self._end = max(self._end or timestamp, timestamp + duration)
        return timestamp

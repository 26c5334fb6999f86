"""Whether the encoder of a live recording keeps up."""

from fractions import Fraction

WINDOW_SECONDS = 0.5  # of pictures, from one decision to the next
BUSY, CALM = 0.6, 0.4  # of the time of a picture, for its encoding: too much; room for more
CALM_WINDOWS = 20  # one after the other, before a step back


class Pace:
    """Chooses the step of an encoder by the time that pictures take: a higher one where the
    encoder is nearly too slow, a lower one after ten seconds with room for it. The first half
    second does not count: everything starts then."""

    def __init__(self, rate: Fraction, steps: int) -> None:
        """`rate`: pictures per second, of one source; `steps`: how many there are, each faster than
        the last."""
        self._rate, self._last = float(rate), steps - 1
        self._window = max(4, round(WINDOW_SECONDS * rate))  # pictures
        self._seconds: list[float] = []
        self._start: float | None = None  # of the window, by the pictures' time; None: the first
        self._calm = 0  # windows with room for a lower step, one after the other
        self.step = self.highest = 0  # now, and ever

    def note(self, moment: float, seconds: float) -> None:
        """Take the time of a picture, and the time that its encoding took; `step` may change."""
        self._seconds.append(seconds)
        if len(self._seconds) < self._window:
            return
        if self._start is not None:
            self._decide(moment - self._start)
        self._seconds.clear()
        self._start = moment

    def _decide(self, span: float) -> None:
        """Choose the step after a window of `span` seconds."""
        count = len(self._seconds)
        rate = max(self._rate, count / max(span, 1e-3))  # several sources give more pictures
        load = sum(self._seconds) / count * rate
        self._calm = self._calm + 1 if load < CALM else 0
        if load > BUSY:
            self.step = min(self.step + 1, self._last)
        elif self._calm == CALM_WINDOWS:
            self.step, self._calm = max(self.step - 1, 0), 0
        self.highest = max(self.step, self.highest)

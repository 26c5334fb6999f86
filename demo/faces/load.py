"""Less work per frame where frames take longer than a budget."""

CROPS_PER_FRAME = 12  # at most; faces of a crowd take turns
# crops per frame, and factor on the detection interval
STEPS = ((CROPS_PER_FRAME, 1), (6, 1), (3, 1), (1, 1), (1, 2), (1, 4), (1, 8))
MEAN_WEIGHT = 0.1  # of the newest frame in the running mean
STEP_FRAMES = 15  # between two steps, so that the mean shows the effect of the last one
ROOM = 0.7  # share of the budget below which the work grows again


class LoadController:
    """Reduces the work while the mean time per frame exceeds the budget: first fewer crops are
    estimated per frame, then new faces are searched less often. Known faces are always measured."""

    def __init__(self, milliseconds: float | None) -> None:
        """`milliseconds` per frame; None: no budget, and results do not depend on time."""
        self._limit = milliseconds
        self._mean: float | None = None
        self._step = self._frames = 0

    @property
    def crops(self) -> int:
        """Greatest number of crops per frame."""
        return STEPS[self._step][0]

    @property
    def interval_factor(self) -> int:
        """Factor on the detection interval."""
        return STEPS[self._step][1]

    def spent(self, milliseconds: float) -> None:
        """Add the time of one frame."""
        if self._limit is None:
            return
        mean = milliseconds if self._mean is None else self._mean
        self._mean = mean + MEAN_WEIGHT * (milliseconds - mean)
        self._frames += 1
        if self._frames % STEP_FRAMES:
            return
        if self._mean > self._limit:
            self._step = min(self._step + 1, len(STEPS) - 1)
        elif self._mean < ROOM * self._limit:
            self._step = max(self._step - 1, 0)

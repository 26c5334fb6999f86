"""How much may be done in a frame so that its time stays within a budget."""

CROPS_A_FRAME = 12  # at most: a crowd takes turns
# crops a frame, and by what the search for new faces is interval_factor
STEPS = ((CROPS_A_FRAME, 1), (6, 1), (3, 1), (1, 1), (1, 2), (1, 4), (1, 8))
SHARE = 0.1  # of the newest frame in the running mean
SETTLE = 15  # frames between two steps: the mean has to see what the last one did
ROOM = 0.7  # of the budget: below this, more is done again


class LoadController:
    """Steps down while the mean time of a frame is over the budget: first fewer crops for age and
    gender, then rarer searches for new faces. Known faces are measured in every frame anyway."""

    def __init__(self, milliseconds: float | None) -> None:
        """None: no limit, and nothing depends on the time."""
        self._limit = milliseconds
        self._mean: float | None = None
        self._step = self._frames = 0

    @property
    def crops(self) -> int:
        """Crops in a frame, at most."""
        return STEPS[self._step][0]

    @property
    def interval_factor(self) -> int:
        """By which the frames between two searches are multiplied."""
        return STEPS[self._step][1]

    def spent(self, milliseconds: float) -> None:
        """Count one frame's time."""
        if self._limit is None:
            return
        mean = milliseconds if self._mean is None else self._mean
        self._mean = mean + SHARE * (milliseconds - mean)
        self._frames += 1
        if self._frames % SETTLE:
            return
        if self._mean > self._limit:
            self._step = min(self._step + 1, len(STEPS) - 1)
        elif self._mean < ROOM * self._limit:
            self._step = max(self._step - 1, 0)

"""Distributions of a session, in memory that does not grow with it."""

from typing import Any

import numpy as np

from demo.sinks.words import AGE_BAR_YEARS, AGE_BARS, GENDERS

TIME_BINS = np.geomspace(1e-4, 100.0, 400) * 1e3  # upper ends, in ms: each 3.5 % above the last


class TimeHistogram:
    """Times in milliseconds."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(TIME_BINS) + 1, int)

    def add(self, milliseconds: float) -> None:
        """Count a time."""
        self._counts[np.searchsorted(TIME_BINS, milliseconds)] += 1

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many percent of the times lie, up to 3.5 % too high; 0 where
        there are none."""
        total = self._counts.sum()
        if not total:
            return 0.0
        place = np.searchsorted(np.cumsum(self._counts), percent / 100 * total)
        return float(TIME_BINS[min(int(place), len(TIME_BINS) - 1)])

    def record(self) -> dict[str, float]:
        """Median and 95th percentile, as in the summary's JSON."""
        return {"p50": round(self.percentile(50), 1), "p95": round(self.percentile(95), 1)}

    def bins(self) -> dict[str, int]:
        """Times per bin that holds some, by its index, for `add_bins`."""
        return {str(k): int(self._counts[k]) for k in np.flatnonzero(self._counts)}

    def add_bins(self, bins: dict[str, int]) -> None:
        """Add the times of another histogram."""
        for place, times in bins.items():
            self._counts[int(place)] += times

    def __bool__(self) -> bool:
        return bool(self._counts.any())


class AgeHistogram:
    """People by gender and decade of age."""

    def __init__(self) -> None:
        self._counts = np.zeros((len(GENDERS), AGE_BARS), int)

    def add(self, gender: str, age: float | None) -> None:
        """Count a person; nothing is counted where the age, in years, is not known."""
        if age is not None:
            band = min(max(int(age // AGE_BAR_YEARS), 0), AGE_BARS - 1)
            self._counts[GENDERS.index(gender), band] += 1

    def add_bins(self, record: dict[str, Any]) -> None:
        """Add the people of another histogram, from its record."""
        self._counts += [record[gender] for gender in GENDERS]

    def record(self) -> dict[str, Any]:
        """The lower ends of the bands in years, and people per band by gender, as in the summary's
        JSON."""
        counts = dict(zip(GENDERS, self._counts.tolist(), strict=True))
        return {"from": [AGE_BAR_YEARS * k for k in range(AGE_BARS)], **counts}

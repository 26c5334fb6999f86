"""What an estimated age is worth: the range that holds the true age in nine of ten cases.

A manifest holds it as a table, fitted by `models.calibrate` on val splits: between its knots one
interpolates. (Probabilities of gender need no table: they are trained by a proper score.)
"""

from collections.abc import Mapping, Sequence

import numpy as np

COVERAGE = 0.9  # share of true ages that lie in their range
KNOTS = np.arange(0.0, 101.0, 5.0)  # years, of estimated ages
BANDWIDTH = 12.0  # years: estimates so near count as alike
BANDS = (0, 4, 9, 16, 26, 36, 46, 61, 76)  # of true ages, from these years on
RARITY = 0.7  # power of a band's weight by which its faces weigh less
MIN_REACH = 1.0  # years, of a range to either side

Table = Mapping[str, Sequence[float]]  # name -> its values at the knots


def age_range(table: Table, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends (N,) in years of the ranges of estimated ages (N,); nan without a table."""
    if "age" not in table:
        unknown = np.full(len(ages), np.nan, np.float32)
        return unknown, unknown
    low = np.interp(ages, table["age"], table["age_low"])
    high = np.interp(ages, table["age"], table["age_high"])
    return np.minimum(low, ages).astype(np.float32), np.maximum(high, ages).astype(np.float32)


def fit_age_range(
    guesses: np.ndarray, ages: np.ndarray, weights: np.ndarray
) -> dict[str, list[float]]:
    """Table of ranges that hold COVERAGE of the true `ages` (N,) by their `weights` (N,), given the
    estimates (N,).

    The ends are quantiles of the true age among faces of like estimate, those of rare ages weighing
    more: else the ranges would hold nearly all of the commonest ages and too few of the others. One
    factor widens or narrows all of them to COVERAGE.
    """
    band = np.searchsorted(BANDS, ages, side="right") - 1
    rarer = np.bincount(band, weights)[band] ** -RARITY
    near = weights * rarer * np.exp(-0.5 * ((guesses - KNOTS[:, None]) / BANDWIDTH) ** 2)
    order = np.argsort(ages, kind="stable")
    share = np.cumsum(near[:, order], axis=1)
    share /= share[:, -1:]
    ends = [[np.searchsorted(s, (1 + c) / 2) for s in share] for c in (-COVERAGE, COVERAGE)]
    low, high = ages[order][np.minimum(ends, len(ages) - 1)]
    reaches = np.maximum([KNOTS - low, high - KNOTS], MIN_REACH)
    below, above = (np.interp(guesses, KNOTS, reach) for reach in reaches)
    missed = np.maximum((guesses - ages) / below, (ages - guesses) / above)
    below, above = reaches * np.quantile(missed, COVERAGE, weights=weights, method="inverted_cdf")
    return {
        "age": KNOTS.tolist(),
        "age_low": np.maximum(KNOTS - below, 0.0).round(2).tolist(),
        "age_high": (KNOTS + above).round(2).tolist(),
    }

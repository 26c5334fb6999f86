"""What an estimate is worth: the range that holds the true age in nine of ten cases, and the
temperature that makes of a network's confidence in a gender how often it is right.

A manifest holds both as a table, fitted by `models.calibrate` on val splits: between the knots of
the ages one interpolates.
"""

from collections.abc import Mapping, Sequence

import numpy as np

COVERAGE = 0.9  # share of true ages that lie in their range
KNOTS = np.arange(0.0, 101.0, 5.0)  # years, of estimated ages
BANDWIDTH = 5.0  # years: estimates so near count as alike
BANDS = (0, 4, 9, 16, 26, 36, 46, 61, 76)  # of true ages, from these years on
RARITY = 0.5  # power of a band's weight by which its faces weigh less
NEED = 2.0  # times that those of a band weigh more, or less, for how much of it ranges hold
ROUNDS, HASTE = 20, 4.0  # of finding that; change by a share that is missing, as a power of e
LEAST = 1e-3  # probability: nothing is surer
TEMPERATURES = np.geomspace(0.25, 4.0, 401)
FOLDS = 5  # parts of the faces, each of which is judged by a table of the others
MIN_REACH = 1.0  # years, of a range to either side

Table = Mapping[str, Sequence[float]]  # name -> its values, those of ages at the knots


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

    Faces of rare ages weigh more, and so do those of bands that the ranges hold less of, in a few
    rounds: else they would hold nearly all of the commonest ages and too few of the others.
    """
    order = np.argsort(ages - guesses, kind="stable")
    guesses, ages, weights = guesses[order], ages[order], weights[order]
    errors = ages - guesses
    band = np.unique(np.searchsorted(BANDS, ages, side="right"), return_inverse=True)[1]
    total = np.bincount(band, weights)
    need = np.ones(len(total))
    for _ in range(ROUNDS):
        reaches = _reaches(guesses, errors, weights, weights * (need * total**-RARITY)[band])
        below, above = (np.interp(guesses, KNOTS, reach) for reach in reaches)
        held = np.bincount(band, weights * ((-errors <= below) & (errors <= above))) / total
        need = np.clip(need * np.exp(HASTE * (COVERAGE - held)), 1 / NEED, NEED)
    below, above = reaches
    return {
        "age": KNOTS.tolist(),
        "age_low": np.maximum(KNOTS - below, 0.0).round(2).tolist(),
        "age_high": (KNOTS + above).round(2).tolist(),
    }


def _reaches(
    guesses: np.ndarray, errors: np.ndarray, weights: np.ndarray, heeded: np.ndarray
) -> np.ndarray:
    """Years below and above (2, K) the KNOTS: quantiles of the ascending errors (N,) among faces of
    like estimate, which are `heeded` (N,) so much. One factor widens or narrows all of them to
    COVERAGE by the `weights`, of one face more than there are (split conformal prediction, Lei et
    al. 2018)."""
    near = heeded * np.exp(-0.5 * ((guesses - KNOTS[:, None]) / BANDWIDTH) ** 2)
    share = np.cumsum(near, axis=1)
    share /= share[:, -1:]
    ends = [[np.searchsorted(s, (1 + c) / 2) for s in share] for c in (-COVERAGE, COVERAGE)]
    low, high = errors[np.minimum(ends, len(errors) - 1)]
    reaches = np.maximum([-low, high], MIN_REACH)
    below, above = (np.interp(guesses, KNOTS, reach) for reach in reaches)
    missed = np.maximum(-errors / below, errors / above)
    faces = weights.sum() ** 2 / (weights**2).sum()
    level = min(COVERAGE * (1 + 1 / faces), 1.0)
    factor = np.quantile(missed, level, weights=weights, method="inverted_cdf")
    return np.maximum(reaches * factor, MIN_REACH)


def tempered(table: Table, males: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of male (N,) of a network's (N,), on the same side of one half; as
    they are without a table."""
    if "temperature" not in table:
        return males
    sure = np.clip(males, LEAST, 1 - LEAST)
    odds = (sure / (1 - sure)) ** (1 / table["temperature"][0])
    return (odds / (1 + odds)).astype(males.dtype)


def fit_temperature(guesses: np.ndarray, males: np.ndarray, weights: np.ndarray) -> float:
    """The temperature (Guo et al. 2017) under which the probabilities of male (N,) say best who is
    male (N,), by the logarithmic score."""
    scores = []
    for temperature in TEMPERATURES:
        told = tempered({"temperature": [temperature]}, guesses.astype(float))
        scores.append(np.sum(weights * np.log(np.where(males == 1, told, 1 - told))))
    return round(float(TEMPERATURES[np.argmax(scores)]), 3)


def judged(
    guesses: np.ndarray, ages: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends (N,) of the ranges that faces would get by tables of other faces: the N parted in FOLDS
    at random, the same at every call."""
    fold = np.random.default_rng(0).permutation(len(ages)) % FOLDS
    low, high = np.zeros((2, len(ages)), np.float32)
    for part in range(FOLDS):
        own, others = fold == part, fold != part
        table = fit_age_range(guesses[others], ages[others], weights[others])
        low[own], high[own] = age_range(table, guesses[own])
    return low, high

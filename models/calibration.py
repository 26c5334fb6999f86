"""What the answers of a network are worth: a 90 % range for an age, a probability for a gender.

A manifest holds both as tables, fitted by `models.calibrate` on val splits: between their knots one
interpolates.
"""

from collections.abc import Mapping, Sequence

import numpy as np

COVERAGE = 0.9  # share of true ages that lie in their range
KNOTS = np.arange(0.0, 101.0, 5.0)  # years, of estimated ages
BANDWIDTH = 6.0  # years: estimates so near count as alike
BANDS = (0, 4, 9, 16, 26, 36, 46, 61, 76)  # of true ages: none may be covered much less than others
ROUNDS = 300
BINS = 12

Table = Mapping[str, Sequence[float]]  # name -> its values at the knots


def age_range(table: Table, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends (N,) in years of the ranges of estimated ages (N,); nan without a table."""
    if "age" not in table:
        unknown = np.full(len(ages), np.nan, np.float32)
        return unknown, unknown
    low = np.interp(ages, table["age"], table["age_low"])
    high = np.interp(ages, table["age"], table["age_high"])
    return np.minimum(low, ages).astype(np.float32), np.maximum(high, ages).astype(np.float32)


def probability(table: Table, males: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (N,) of the network's outputs (N,); as they are without a table."""
    if "output" not in table:
        return males
    return np.interp(males, table["output"], table["male"]).astype(np.float32)


def fit_age_range(guesses: np.ndarray, ages: np.ndarray) -> dict[str, list[float]]:
    """Table of the ranges that hold COVERAGE of the true `ages` (N,), in all and as nearly as can
    be in every band of them, given the estimates (N,).

    Quantiles of the true age among estimates alike, in which the faces of a band that is covered
    too rarely weigh more; then all ranges are widened by one factor until COVERAGE holds.
    """
    band = np.searchsorted(BANDS, ages, side="right") - 1
    weights = np.ones(len(BANDS))
    near = np.exp(-0.5 * ((guesses[None] - KNOTS[:, None]) / BANDWIDTH) ** 2)
    order = np.argsort(ages)
    low = high = KNOTS
    for _ in range(ROUNDS):
        share = near[:, order] * weights[band[order]]
        share = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True)
        low = np.array([ages[order][np.searchsorted(s, (1 - COVERAGE) / 2)] for s in share])
        high = np.array([ages[order][np.searchsorted(s, (1 + COVERAGE) / 2)] for s in share])
        held = (ages >= np.interp(guesses, KNOTS, low)) & (ages <= np.interp(guesses, KNOTS, high))
        covered = np.bincount(band, held, len(BANDS)) / np.maximum(np.bincount(band), 1)
        weights *= np.exp(0.5 * (COVERAGE - covered))
    low, high = np.minimum(low, KNOTS), np.maximum(high, KNOTS)
    below = np.maximum(guesses - np.interp(guesses, KNOTS, low), 1e-6)
    above = np.maximum(np.interp(guesses, KNOTS, high) - guesses, 1e-6)
    factor = np.quantile(np.maximum((guesses - ages) / below, (ages - guesses) / above), COVERAGE)
    return {
        "age": KNOTS.tolist(),
        "age_low": np.maximum(KNOTS - factor * (KNOTS - low), 0.0).round(2).tolist(),
        "age_high": (KNOTS + factor * (high - KNOTS)).round(2).tolist(),
    }


def fit_probability(outputs: np.ndarray, males: np.ndarray) -> dict[str, list[float]]:
    """Table from a network's outputs (N,) to the share of men (1) among such faces: bins of equally
    many faces, made monotonic."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(outputs)
    bins = np.array_split(order, BINS)
    given = np.array([outputs[rows].mean() for rows in bins])
    share = isotonic_regression([males[rows].mean() for rows in bins]).x
    return {
        "output": [0.0, *given.clip(1e-3, 1 - 1e-3).round(4).tolist(), 1.0],
        "male": [0.0, *share.round(4).tolist(), 1.0],
    }

"""Calibration: age ranges that contain nine of ten true ages, and a temperature that turns the
network's probability of male into the frequency with which it is right.

A manifest holds both as one table, which `models.calibrate` fits on val splits. Between the knots,
which are estimated ages, ranges are interpolated.
"""

from collections.abc import Mapping, Sequence

import numpy as np

COVERAGE = 0.9  # share of true ages inside their range
KNOTS = np.arange(0.0, 101.0, 5.0)  # years, estimated ages
BANDWIDTH = 5.0  # years, standard deviation of the Gaussian kernel around a knot
# years, first and last true age of each band
AGE_BANDS = ((0, 3), (4, 8), (9, 15), (16, 25), (26, 35), (36, 45), (46, 60), (61, 75), (76, None))
RARITY = 0.5  # a face weighs (weight of its band) ** -RARITY
MAX_BOOST = 2.0  # a band is boosted or damped at most so many times for its coverage
ROUNDS, STEP = 20, 4.0  # of adjusting the boosts: each multiplies by exp(STEP · missing coverage)
MIN_PROBABILITY = 1e-3  # probabilities are clipped to this and to 1 minus this
TEMPERATURES = np.geomspace(0.25, 4.0, 401)
FOLDS = 5  # of cross-fitting
MIN_REACH = 1.0  # years, from an estimate to either end of its range

Table = Mapping[str, Sequence[float]]  # "age", "age_low", "age_high" (K,) years; "temperature" (1,)


def age_range(table: Table, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (N,) float32, in years, of the ranges of estimated ages (N,); nan if the
    table has no ranges."""
    if "age" not in table:
        unknown = np.full(len(estimates), np.nan, np.float32)
        return unknown, unknown
    knots, lows, highs = (np.array(table[name]) for name in ("age", "age_low", "age_high"))
    # np.interp would hand over the interpreter, and take a millisecond to get it back
    passed = np.clip((estimates[:, None] - knots[:-1]) / np.diff(knots), 0, 1)  # (N, K - 1)
    low, high = (ends[0] + passed @ np.diff(ends) for ends in (lows, highs))
    return np.minimum(low, estimates).astype(np.float32), np.maximum(high, estimates).astype(
        np.float32
    )


def fit_age_range(
    estimates: np.ndarray, ages: np.ndarray, weights: np.ndarray
) -> dict[str, list[float]]:
    """Fit the table of ranges: COVERAGE of the true `ages` (N,), by their `weights` (N,), lie in
    the ranges of the `estimates` (N,), all in years.

    Faces of rare ages weigh more, and so do, in a few rounds, those of bands with low coverage:
    otherwise the ranges would contain nearly all of the common ages and too few of the rare ones.
    """
    order = np.argsort(ages - estimates, kind="stable")
    estimates, ages, weights = estimates[order], ages[order], weights[order]
    errors = ages - estimates
    starts = [first for first, _ in AGE_BANDS]
    band = np.unique(np.searchsorted(starts, ages, side="right"), return_inverse=True)[1]
    total = np.bincount(band, weights)
    boost = np.ones(len(total))
    for _ in range(ROUNDS):
        emphasis = weights * (boost * total**-RARITY)[band]
        reaches = _error_quantiles(estimates, errors, weights, emphasis)
        below, above = (np.interp(estimates, KNOTS, reach) for reach in reaches)
        covered = np.bincount(band, weights * ((-errors <= below) & (errors <= above))) / total
        boost = np.clip(boost * np.exp(STEP * (COVERAGE - covered)), 1 / MAX_BOOST, MAX_BOOST)
    below, above = reaches
    return {
        "age": KNOTS.tolist(),
        "age_low": np.maximum(KNOTS - below, 0.0).round(2).tolist(),
        "age_high": (KNOTS + above).round(2).tolist(),
    }


def _error_quantiles(
    estimates: np.ndarray, errors: np.ndarray, weights: np.ndarray, emphasis: np.ndarray
) -> np.ndarray:
    """Years below and above (2, K) each knot: quantiles of the `errors` (N,), ascending, weighted
    by `emphasis` (N,) and by a kernel over the estimated age. One factor then scales them all so
    that COVERAGE of the faces, by `weights`, lies inside (split conformal prediction, Lei et al.
    2018, which counts one face more than there are)."""
    near = emphasis * np.exp(-0.5 * ((estimates - KNOTS[:, None]) / BANDWIDTH) ** 2)
    share = np.cumsum(near, axis=1)
    share /= share[:, -1:]
    ends = [[np.searchsorted(s, (1 + c) / 2) for s in share] for c in (-COVERAGE, COVERAGE)]
    low, high = errors[np.minimum(ends, len(errors) - 1)]
    reaches = np.maximum([-low, high], MIN_REACH)
    below, above = (np.interp(estimates, KNOTS, reach) for reach in reaches)
    relative = np.maximum(-errors / below, errors / above)  # above 1: outside the range
    effective_count = weights.sum() ** 2 / (weights**2).sum()  # Kish 1965
    level = min(COVERAGE * (1 + 1 / effective_count), 1.0)
    factor = np.quantile(relative, level, weights=weights, method="inverted_cdf")
    return np.asarray(np.maximum(reaches * factor, MIN_REACH))


def cross_fitted_ranges(
    estimates: np.ndarray, ages: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (N,) float32, in years, of each face's range by a table that was fitted
    on other faces: FOLDS random folds, the same ones in every call."""
    fold = np.random.default_rng(0).permutation(len(ages)) % FOLDS
    low, high = np.zeros((2, len(ages)), np.float32)
    for part in range(FOLDS):
        held_out, fitted = fold == part, fold != part
        table = fit_age_range(estimates[fitted], ages[fitted], weights[fitted])
        low[held_out], high[held_out] = age_range(table, estimates[held_out])
    return low, high


def apply_temperature(table: Table, male_probs: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (N,) of a network's probabilities of male (N,), on the same side of
    one half; unchanged if the table has no temperature (temperature scaling, Guo et al. 2017)."""
    if "temperature" not in table:
        return male_probs
    clipped = np.clip(male_probs, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    odds = (clipped / (1 - clipped)) ** (1 / table["temperature"][0])
    return np.asarray(odds / (1 + odds), male_probs.dtype)


def fit_temperature(male_probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature with the best weighted log-likelihood of the `labels` (N,), 1 for male and 0
    for female, under the probabilities of male (N,)."""
    scores = []
    for temperature in TEMPERATURES:
        calibrated = apply_temperature({"temperature": [temperature]}, male_probs.astype(float))
        likelihood = np.where(labels == 1, calibrated, 1 - calibrated)
        scores.append(np.sum(weights * np.log(likelihood)))
    return round(float(TEMPERATURES[np.argmax(scores)]), 3)

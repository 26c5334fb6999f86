"""Metrics of an evaluation: errors with intervals, calibration, and fairness between groups.

CSn, or CA(n), is the share of faces with an age error of at most n years; the predicted gender is
male if its probability is at least 0.5; coverage is the share of true ages inside their 90 % range;
ECE is the expected calibration error of the gender (Guo et al. 2017).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.inference.calibration import AGE_BANDS, COVERAGE

METRICS = ("mae", "cs3", "cs5", "cs7", "gender_accuracy", "coverage", "range_width", "ece")
ADULT = 16  # years, youngest adult
BEHIND, GROUP = 0.06, 100  # largest accepted gap to all adults, for groups of at least GROUP faces
COVERED, BAND = (0.84, 0.96), 200  # accepted coverage, for bands of at least BAND faces
MIN_FACES = 20  # smaller groups are never listed
BINS = 15  # of the confidence in the predicted gender, 0.5 to 1, for the ECE
RESAMPLES, SEED = 1000, 1  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles of a 95 % interval
Z95 = 1.96  # standard deviations of a 95 % interval of a normal distribution


@dataclass(frozen=True, eq=False)
class Results:
    """Labels and predictions, one row per readable picture; nan for a missing label or output."""

    rows: np.ndarray  # (N,) int, index of the sample
    ages: np.ndarray  # (N,) float, years, exact label
    label_low: np.ndarray  # (N,) float, years, lowest age of the label
    label_high: np.ndarray  # (N,) float, years, highest age of the label
    males: np.ndarray  # (N,) float, 1 or 0, label
    races: np.ndarray  # (N,) str, label, "" if missing
    predicted_ages: np.ndarray  # (N,) float, years
    male_probs: np.ndarray  # (N,) float, predicted probability of male
    range_low: np.ndarray  # (N,) float, years, predicted 90 % range
    range_high: np.ndarray  # (N,) float, years
    face_found: np.ndarray  # (N,) bool
    bin_probs: np.ndarray  # (N, C) float, predicted probabilities of age bins; (N, 1) nan if none

    def __getitem__(self, rows: np.ndarray) -> "Results":
        """The rows of an index array (M,) or a mask (N,)."""
        return Results(**{name: column[rows] for name, column in vars(self).items()})

    def __len__(self) -> int:
        return len(self.ages)

    @property
    def age_known(self) -> np.ndarray:
        """(N,) bool: the age is labelled and predicted."""
        return np.asarray(np.isfinite(self.predicted_ages) & np.isfinite(self.ages))

    @property
    def gender_known(self) -> np.ndarray:
        """(N,) bool: the gender is labelled and predicted."""
        return np.asarray(np.isfinite(self.male_probs) & np.isfinite(self.males))

    @property
    def range_known(self) -> np.ndarray:
        """(N,) bool: the age is labelled, and an age range is predicted."""
        return np.asarray(np.isfinite(self.range_low) & np.isfinite(self.ages))

    @property
    def gender_right(self) -> np.ndarray:
        """(N,) bool: the predicted gender is the labelled one; meaningful where `gender_known`."""
        return np.asarray((self.male_probs >= 0.5) == (self.males == 1))

    @property
    def inside(self) -> np.ndarray:
        """(N,) bool: the age is inside the predicted range; meaningful where `range_known`."""
        return np.asarray((self.ages >= self.range_low) & (self.ages <= self.range_high))


def metrics(results: Results) -> dict[str, Any]:
    """n, METRICS and the ends of their 95 % intervals; None for a metric without values."""
    errors = np.abs(results.predicted_ages - results.ages)[results.age_known]
    gendered, ranged = results[results.gender_known], results[results.range_known]
    mae_low, mae_high = bootstrap_interval(errors)
    gender_low, gender_high = _interval_of_share(gendered.gender_right)
    coverage_low, coverage_high = _interval_of_share(ranged.inside)
    return {
        "n": len(results),
        "faces_found": int(results.face_found.sum()),
        "mae": mean(errors),
        "mae_low": mae_low,
        "mae_high": mae_high,
        **{f"cs{years}": mean(errors <= years) for years in (3, 5, 7)},
        "gender_accuracy": mean(gendered.gender_right),
        "gender_low": gender_low,
        "gender_high": gender_high,
        "coverage": mean(ranged.inside),
        "coverage_low": coverage_low,
        "coverage_high": coverage_high,
        "range_width": mean(ranged.range_high - ranged.range_low),
        "ece": calibration_error(gendered),
    }


def mean(values: np.ndarray) -> float | None:
    """The mean of values (N,), rounded to four decimals; None if there is none."""
    return round(float(values.mean()), 4) if len(values) else None


def _interval_of_share(right: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    return wilson_interval(right) if len(right) else (None, None)


def bootstrap_interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """Ends of the 95 % bootstrap interval of the mean of values (N,), the same at every call; None
    for fewer than two values."""
    if len(values) < 2:
        return None, None
    rng, count = np.random.default_rng(SEED), RESAMPLES // 10
    means = [values[rng.integers(0, len(values), (count, len(values)))].mean(1) for _ in range(10)]
    low, high = np.percentile(np.concatenate(means), INTERVAL)
    return round(float(low), 4), round(float(high), 4)


def calibration_error(gendered: Results) -> float | None:
    """Expected calibration error over faces of known gender (Guo et al. 2017): mean distance
    between confidence and accuracy over BINS bins of equal width. None without faces."""
    if not len(gendered):
        return None
    confidence = np.maximum(gendered.male_probs, 1 - gendered.male_probs)
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, gendered.gender_right - confidence)
    return round(float(np.abs(gaps).sum() / len(gendered)), 4)


def split_by_group(results: Results) -> dict[str, dict[str, Results]]:
    """The results of each age band, gender and race; groups without faces are left out."""
    by_age = {
        band_name(low, high): (results.ages >= low)
        & (results.ages < (math.inf if high is None else high + 1))
        for low, high in AGE_BANDS
    }
    by_gender = {"female": results.males == 0, "male": results.males == 1}
    by_race = {str(race): results.races == race for race in sorted(set(results.races)) if race}
    kinds = {"by_age": by_age, "by_gender": by_gender, "by_race": by_race}
    return {
        kind: {name: results[rows] for name, rows in masks.items() if rows.any()}
        for kind, masks in kinds.items()
    }


def band_name(low: int, high: int | None) -> str:
    """The name of an age band in years, "4-8" or "76+"."""
    return f"{low}+" if high is None else f"{low}-{high}"


def group_metrics(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """The metrics of each age band, gender and race."""
    return {
        kind: {name: metrics(part) for name, part in named.items()}
        for kind, named in split_by_group(results).items()
    }


def fairness(results: Results) -> dict[str, dict[str, Any]]:
    """Gender accuracy of `adults` with the groups BEHIND it, metrics of `children`, and `coverage`
    of age bands with those outside COVERED.

    A group or band is listed if it misses the target and is large (GROUP, BAND), or if its 95 %
    interval excludes the overall accuracy or COVERAGE. None for values without faces.
    """
    adults = results[(results.label_low >= ADULT) & results.gender_known]
    children = results[results.label_high < ADULT]
    overall = mean(adults.gender_right)
    named = [each for kind in split_by_group(adults).values() for each in kind.items()]
    goal = overall or 0.0
    by_age = split_by_group(results[results.range_known])["by_age"]
    bands = {name: part.inside for name, part in by_age.items()}
    outside = [name for name, inside in bands.items() if _missed(inside, COVERED, COVERAGE, BAND)]
    return {
        "adults": {
            "n": len(adults),
            "gender_accuracy": overall,
            "behind": {
                name: {"n": len(part), "gender_accuracy": mean(part.gender_right)}
                for name, part in named
                if _missed(part.gender_right, (goal - BEHIND, 1.0), goal, GROUP)
            },
        },
        "children": {name: metrics(children)[name] for name in ("n", "mae", "gender_accuracy")},
        "coverage": {
            "bands": {
                name: {"n": len(inside), "coverage": mean(inside)}
                for name, inside in bands.items()
                if len(inside) >= BAND or name in outside
            },
            "outside": outside,
        },
    }


def _missed(right: np.ndarray, limits: tuple[float, float], goal: float, enough: int) -> bool:
    """Whether the share of true values is outside the limits; for fewer than `enough` values its
    95 % interval must also exclude the goal. False for fewer than MIN_FACES values."""
    share = mean(right)
    if share is None or len(right) < MIN_FACES:
        return False
    low, high = wilson_interval(right)
    within = round(limits[0], 4) <= share <= round(limits[1], 4)
    return not within and (len(right) >= enough or not low <= goal <= high)


def wilson_interval(right: np.ndarray) -> tuple[float, float]:
    """Ends of the 95 % interval of the share of true values in (N,) bool, N ≥ 1 (Wilson 1927).
    Unlike a bootstrap interval it has a width even if all values are equal."""
    z2, n, share = Z95**2, len(right), float(right.mean())
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return round(middle - half, 4), round(middle + half, 4)

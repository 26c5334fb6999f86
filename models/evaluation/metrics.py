"""What an evaluation says: errors with their intervals, calibration, and how evenly both fall.

CSn, or CA(n), is the share of faces whose age is off by at most n years (error ≤ n); gender is male
from a probability of one half on; coverage is the share of true ages inside their 90 % range; ECE
is the expected calibration error of the gender (Guo et al. 2017).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.inference.calibration import AGE_BANDS, COVERAGE

METRICS = ("mae", "cs3", "cs5", "cs7", "gender_accuracy", "coverage", "range_width", "ece")
ADULT = 16  # years
BEHIND, GROUP = 0.06, 100  # a group of so many adults may be less right than all by so much
COVERED, BAND = (0.84, 0.96), 200  # coverage that a band of so many faces should have
FEWEST = 20  # faces of a smaller group, which is named if chance does not explain its figure
BINS = 15  # of the confidence in the chosen gender, which lies in 0.5..1
RESAMPLES, SEED = 1000, 1
INTERVAL = (2.5, 97.5)  # per cent
DEVIATIONS = 1.96  # of a normal distribution, to either side, that hold as much


@dataclass(frozen=True, eq=False)
class Results:
    """One row per picture that could be read; nan where a label or an output is not known."""

    rows: np.ndarray  # (N,) int, which of the samples
    ages: np.ndarray  # (N,) float, years, labelled
    least_ages: np.ndarray  # (N,) float, years that the label says at least
    most_ages: np.ndarray  # (N,) float, years that it says at most
    males: np.ndarray  # (N,) float, 1 or 0, labelled
    races: np.ndarray  # (N,) str, "" where not labelled
    guessed_ages: np.ndarray  # (N,) float, years
    guessed_males: np.ndarray  # (N,) float, probability
    age_low: np.ndarray  # (N,) float, years: the range that should hold the age
    age_high: np.ndarray  # (N,) float, years
    found: np.ndarray  # (N,) bool, whether a face was found
    shares: np.ndarray  # (N, C) float, probabilities of classes of ages; (N, 1) nan without them

    def __getitem__(self, rows: np.ndarray) -> "Results":
        return Results(*(column[rows] for column in vars(self).values()))

    def __len__(self) -> int:
        return len(self.ages)

    @property
    def age_known(self) -> np.ndarray:
        """(N,) bool: labelled and estimated."""
        return np.isfinite(self.guessed_ages) & np.isfinite(self.ages)

    @property
    def gender_known(self) -> np.ndarray:
        """(N,) bool: labelled and estimated."""
        return np.isfinite(self.guessed_males) & np.isfinite(self.males)

    @property
    def ranged(self) -> np.ndarray:
        """(N,) bool: labelled, and with a range."""
        return np.isfinite(self.age_low) & np.isfinite(self.ages)

    @property
    def gender_right(self) -> np.ndarray:
        """(N,) bool, where the gender is known."""
        return (self.guessed_males >= 0.5) == (self.males == 1)

    @property
    def inside(self) -> np.ndarray:
        """(N,) bool, where there are ranges: whether they hold the age."""
        return (self.ages >= self.age_low) & (self.ages <= self.age_high)


def metrics(results: Results) -> dict[str, Any]:
    """n, METRICS and the ends of 95 % intervals; None for what cannot be computed."""
    errors = np.abs(results.guessed_ages - results.ages)[results.age_known]
    gendered, ranged = results[results.gender_known], results[results.ranged]
    mae_low, mae_high = interval(errors)
    gender_low, gender_high = wilson(gendered.gender_right) if len(gendered) else (None, None)
    coverage_low, coverage_high = wilson(ranged.inside) if len(ranged) else (None, None)
    return {
        "n": len(results),
        "faces_found": int(results.found.sum()),
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
        "range_width": mean(ranged.age_high - ranged.age_low),
        "ece": calibration_error(gendered),
    }


def mean(values: np.ndarray) -> float | None:
    """To four places; None of no values."""
    return round(float(values.mean()), 4) if len(values) else None


def interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """Ends of the 95 % bootstrap interval of the mean of values (N,), the same at every call; None
    of fewer than two."""
    if len(values) < 2:
        return None, None
    rng, count = np.random.default_rng(SEED), RESAMPLES // 10
    means = [values[rng.integers(0, len(values), (count, len(values)))].mean(1) for _ in range(10)]
    low, high = np.percentile(np.concatenate(means), INTERVAL)
    return round(float(low), 4), round(float(high), 4)


def calibration_error(gendered: Results) -> float | None:
    """Mean distance, over faces of known gender, between the confidence in the chosen gender and
    the share of right ones in its bin, one of BINS of equal width."""
    if not len(gendered):
        return None
    confidence = np.maximum(gendered.guessed_males, 1 - gendered.guessed_males)
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, gendered.gender_right - confidence)
    return round(float(np.abs(gaps).sum() / len(gendered)), 4)


def parts(results: Results) -> dict[str, dict[str, Results]]:
    """The results by age band, gender and race, without the groups that have no face."""
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
    """ "4-8", "76+"."""
    return f"{low}+" if high is None else f"{low}-{high}"


def groups(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """The metrics of all parts."""
    return {
        kind: {name: metrics(part) for name, part in named.items()}
        for kind, named in parts(results).items()
    }


def fairness(results: Results) -> dict[str, dict[str, Any]]:
    """How even the results are: `adults` with the groups that lag BEHIND in gender accuracy,
    `children` by themselves, and the `coverage` of the age bands with those that are not as COVERED
    as they should be. A group or band is named by its figure if it has GROUP or BAND faces; a
    smaller one if besides its 95 % interval leaves out the share of all adults, or COVERAGE. None
    for what is not known."""
    adults = results[(results.least_ages >= ADULT) & results.gender_known]
    children = results[results.most_ages < ADULT]
    overall = mean(adults.gender_right)
    named = [each for kind in parts(adults).values() for each in kind.items()]
    goal = overall or 0.0
    bands = {name: part.inside for name, part in parts(results[results.ranged])["by_age"].items()}
    outside = [name for name, inside in bands.items() if _outside(inside, COVERED, COVERAGE, BAND)]
    return {
        "adults": {
            "n": len(adults),
            "gender_accuracy": overall,
            "behind": {
                name: {"n": len(part), "gender_accuracy": mean(part.gender_right)}
                for name, part in named
                if _outside(part.gender_right, (goal - BEHIND, 1.0), goal, GROUP)
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


def _outside(right: np.ndarray, limits: tuple[float, float], goal: float, enough: int) -> bool:
    """Whether the share of what is true lies outside the limits, and of fewer than `enough` values
    its interval leaves out the goal; fewer than FEWEST are too few to tell."""
    share = mean(right)
    if share is None or len(right) < FEWEST:
        return False
    low, high = wilson(right)
    within = round(limits[0], 4) <= share <= round(limits[1], 4)
    return not within and (len(right) >= enough or not low <= goal <= high)


def wilson(right: np.ndarray) -> tuple[float, float]:
    """Ends of the 95 % interval of the share of what is true in (N,) bool, N ≥ 1 (Wilson 1927):
    unlike a bootstrap it has a width where all are true."""
    z2, n, share = DEVIATIONS**2, len(right), float(right.mean())
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return round(middle - half, 4), round(middle + half, 4)

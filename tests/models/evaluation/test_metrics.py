"""The metrics of an evaluation, computed by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.evaluation import metrics
from models.evaluation.metrics import Results
from models.inference.calibration import AGE_BANDS

nan = float("nan")


def results(
    ages: Sequence[float],
    predicted_ages: Sequence[float],
    males: Sequence[float] | None = None,
    male_probs: Sequence[float] | None = None,
    races: Sequence[str] | None = None,
    **limits: Sequence[float],
) -> Results:
    unknown = [nan] * len(ages)
    return Results(
        rows=np.arange(len(ages)),
        ages=np.array(ages, float),
        label_low=np.nan_to_num(np.array(ages, float), nan=0),
        label_high=np.nan_to_num(np.array(ages, float), nan=116),
        males=np.array(males or unknown, float),
        races=np.array(races or [""] * len(ages)),
        predicted_ages=np.array(predicted_ages, float),
        male_probs=np.array(male_probs or unknown, float),
        range_low=np.array(limits.get("low", unknown), float),
        range_high=np.array(limits.get("high", unknown), float),
        face_found=np.ones(len(ages), bool),
        bin_probs=np.full((len(ages), 1), nan),
    )


def test_errors_count_up_to_and_with_the_year() -> None:
    found = metrics.metrics(results([30, 30, 30, 30, 30], [33, 25, 37, 37.5, 30]))
    low, high = metrics.bootstrap_interval(np.array([3, 5, 7, 7.5, 0]))
    assert found == {
        "n": 5,
        "faces_found": 5,
        "mae": 4.5,  # 3, 5, 7, 7.5, 0
        "mae_low": low,
        "mae_high": high,
        "cs3": 0.4,
        "cs5": 0.6,
        "cs7": 0.8,
        "gender_accuracy": None,
        "gender_low": None,
        "gender_high": None,
        "coverage": None,
        "coverage_low": None,
        "coverage_high": None,
        "range_width": None,
        "ece": None,
    }


def test_one_half_is_male() -> None:
    found = metrics.metrics(results([nan] * 4, [nan] * 4, [1, 1, 0, 0], [0.5, 0.49, 0.5, 0.1]))
    assert found["gender_accuracy"] == 0.5
    assert found["mae"] is None


def test_faces_without_a_label_do_not_count() -> None:
    found = metrics.metrics(results([20, nan, 40], [22, 90, 44], [1, 0, nan], [0.9, 0.8, 0.9]))
    assert (found["n"], found["mae"], found["cs3"]) == (3, 3.0, 0.5)
    assert found["gender_accuracy"] == 0.5


def test_groups_hold_their_own_faces_only() -> None:
    ages = [0, 3.5, 4, 8, 76, 101, nan]
    predictions = [1, 5.5, 4, 12, 70, 100, 3]
    males, races = [1, 1, 0, 0, 1, nan, 0], ["x", "y", "x", "", "y", "x", "y"]
    groups = metrics.group_metrics(results(ages, predictions, males, [0.6] * 7, races))
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_age"].items()} == {
        "0-3": (2, 1.5),
        "4-8": (2, 2.0),
        "76+": (2, 3.5),
    }
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_gender"].items()} == {
        "female": (3, 2.0),
        "male": (3, 3.0),
    }
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_race"].items()} == {
        "x": (3, 0.6667),
        "y": (3, 4.0),
    }
    assert groups["by_gender"]["female"]["gender_accuracy"] == 0.0


def test_the_age_bands_leave_no_gap() -> None:
    lows, highs = zip(*AGE_BANDS, strict=True)
    assert [low - 1 for low in lows[1:]] == list(highs[:-1])
    assert (lows[0], highs[-1]) == (0, None)


def test_a_range_holds_its_ends() -> None:
    found = metrics.metrics(
        results(
            [20, 30, 41, nan, 50], [20] * 5, low=[20, 25, 30, 1, nan], high=[22, 30, 40, 9, nan]
        )
    )
    assert found["coverage"] == 0.6667  # of 3 that are labelled and have a range
    assert found["range_width"] == 5.6667  # 2, 5, 10


def test_the_calibration_error_weighs_the_gap_of_every_bin_by_its_faces() -> None:
    # confidences 0.9, 0.9 (bin 12 of 15), both right; 0.6, 0.6 (bin 3), one right
    found = metrics.metrics(results([nan] * 4, [nan] * 4, [1, 0, 1, 1], [0.9, 0.1, 0.6, 0.4]))
    assert found["ece"] == 0.1  # 2/4 · |1 - 0.9| + 2/4 · |0.5 - 0.6|
    sure = metrics.metrics(results([nan] * 2, [nan] * 2, [1, 0], [1.0, 0.0]))
    assert sure["ece"] == 0.0


def test_an_interval_is_that_of_the_binomial_and_the_same_every_time() -> None:
    right = np.arange(400) % 10 > 0
    low, high = metrics.bootstrap_interval(right)
    assert (low, high) == metrics.bootstrap_interval(right)
    deviation = (0.9 * 0.1 / 400) ** 0.5  # 0.015
    assert (low, high) == pytest.approx((0.9 - 1.96 * deviation, 0.9 + 1.96 * deviation), abs=0.003)
    assert metrics.bootstrap_interval(np.array([3.0, 3.0])) == (3.0, 3.0)
    assert (
        metrics.bootstrap_interval(np.array([3.0]))
        == metrics.bootstrap_interval(np.array([]))
        == (None, None)
    )


def adults(groups: dict[str, tuple[int, int]]) -> Results:
    """Women of 30, per race (count, how many of them are taken for men)."""
    races = [race for race, (count, _) in groups.items() for _ in range(count)]
    wrong = [k < mistaken for count, mistaken in groups.values() for k in range(count)]
    predictions = [0.9 if w else 0.1 for w in wrong]
    return results([30] * len(races), [30] * len(races), [0] * len(races), predictions, races)


def test_a_small_group_is_listed_if_its_interval_excludes_the_mean() -> None:
    # all: 0.9214; 19 of 25 lie in 0.566 to 0.885, 21 of 25 in 0.653 to 0.936, 6 of 19 are too few
    fair = metrics.fairness(
        adults({"w": (1000, 53), "x": (25, 10), "y": (25, 6), "z": (19, 13), "v": (25, 4)})
    )
    assert fair["adults"]["behind"] == {
        "x": {"n": 25, "gender_accuracy": 0.6},
        "y": {"n": 25, "gender_accuracy": 0.76},
    }
    ends = metrics.wilson_interval(np.arange(25) < 15)
    assert ends == pytest.approx((0.4074, 0.7660), abs=1e-4)
    assert metrics.wilson_interval(np.ones(5, bool)) == pytest.approx((0.5655, 1.0), abs=1e-4)


def test_a_large_group_that_lags_is_listed_and_a_small_one_is_not() -> None:
    # 0.87 of 400: the mean is 0.87; x lags by 0.07, y by 0.06 exactly, z has too few faces
    fair = metrics.fairness(adults({"w": (101, 6), "x": (100, 20), "y": (100, 19), "z": (99, 7)}))
    assert fair["adults"]["n"] == 400
    assert fair["adults"]["gender_accuracy"] == 0.87
    assert fair["adults"]["behind"] == {"x": {"n": 100, "gender_accuracy": 0.8}}


def test_children_are_counted_apart_from_adults() -> None:
    fair = metrics.fairness(
        results([15, 16, nan, 8], [18, 16, 1, 9], [1, 1, 1, 0], [0.2, 0.9, 0.1, 0.1])
    )
    assert fair["children"] == {"n": 2, "mae": 2.0, "gender_accuracy": 0.5}
    assert fair["adults"] == {"n": 1, "gender_accuracy": 1.0, "behind": {}}
    assert fair["coverage"] == {"bands": {}, "outside": []}


def test_an_age_known_as_a_range_makes_an_adult_or_a_child_where_it_is_clear() -> None:
    ranges = replace(
        results([nan] * 4, [20] * 4, [1] * 4, [0.9, 0.1, 0.1, 0.9]),
        label_low=np.array([20, 10, 3, 16]),
        label_high=np.array([30, 20, 10, 116]),
    )
    fair = metrics.fairness(ranges)
    assert (fair["adults"]["n"], fair["adults"]["gender_accuracy"]) == (2, 1.0)
    assert fair["children"] == {"n": 1, "mae": None, "gender_accuracy": 0.0}


def test_bands_with_too_much_or_too_little_coverage_are_listed() -> None:
    count, inside = 200, {20: 168, 30: 167, 40: 193, 50: 192}  # 0.84, 0.835, 0.965, 0.96
    ages = [age for age in inside for _ in range(count)] + [70] * 25 + [80] * 25
    high = [age if k < n else age - 1 for age, n in inside.items() for k in range(count)]
    high += [70] * 20 + [0] * 5 + [80] * 15 + [0] * 10  # in 0.609 to 0.911, in 0.407 to 0.766
    fair = metrics.fairness(results(ages, ages, low=[0] * len(ages), high=high))
    assert fair["coverage"]["bands"] == {
        "16-25": {"n": 200, "coverage": 0.84},
        "26-35": {"n": 200, "coverage": 0.835},
        "36-45": {"n": 200, "coverage": 0.965},
        "46-60": {"n": 200, "coverage": 0.96},
        "76+": {"n": 25, "coverage": 0.6},
    }
    assert fair["coverage"]["outside"] == ["26-35", "36-45", "76+"]

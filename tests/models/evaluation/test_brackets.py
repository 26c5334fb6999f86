"""Accuracy in the age brackets of Adience."""

import numpy as np

from models.evaluation.brackets import bracket_metrics, label_brackets, nearest_brackets

nan = float("nan")


def test_ages_are_in_their_bracket_or_the_nearest() -> None:
    ages = np.array([0, 2.9, 3.4, 3.6, 14.5, 22, 23.5, 58, 120])
    assert nearest_brackets(ages).tolist() == [0, 0, 0, 1, 3, 3, 4, 7, 7]
    low, high = np.array([25, 60, 30, 25, 0]), np.array([33, 101, 30, 30, 116])
    assert label_brackets(low, high).tolist() == [4, 7, -1, -1, -1]


def test_exact_and_one_off_come_from_ages_and_top_two_from_classes() -> None:
    low, high = np.array([25.0, 25, 38, 30]), np.array([33.0, 33, 44, 30])
    ages = np.array([30.0, 40, 15, 30])  # right, one off, two off, no bracket
    found = bracket_metrics(low, high, ages, np.full((4, 1), nan))
    assert found == {
        "bracket_n": 3, "bracket_exact": 0.3333, "bracket_1off": 0.6667, "bracket_top2": None,
    }  # fmt: skip
    shares = np.zeros((4, 8))
    shares[[0, 1, 2], [5, 3, 7]], shares[[0, 1, 2], [4, 4, 6]] = 0.6, 0.4
    found = bracket_metrics(low, high, ages, shares)
    assert found == {
        "bracket_n": 3, "bracket_exact": 0.0, "bracket_1off": 0.6667, "bracket_top2": 0.6667,
    }  # fmt: skip
    assert bracket_metrics(low[3:], high[3:], ages[3:]) == {}
    assert bracket_metrics(low[:2], high[:2], ages[:2]) == {}

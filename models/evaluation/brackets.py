"""Adience's eight brackets of age: which one a face is in, and how often a network says so."""

from typing import Any

import numpy as np

from models.datasets.labels import BRACKETS
from models.evaluation.metrics import mean

ENDS = np.array(BRACKETS, float)


def labelled(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Bracket (N,) int of labels from `low` (N,) to below `high` (N,) years; -1 if it is none."""
    same = (ENDS[:, 0] == low[:, None]) & (ENDS[:, 1] + 1 == high[:, None])
    return np.where(same.any(axis=1), same.argmax(axis=1), -1)


def nearest(ages: np.ndarray) -> np.ndarray:
    """Bracket (N,) int that ages (N,) in years are in or, between two, nearest to."""
    below, above = ENDS[:, 0] - ages[:, None], ages[:, None] - ENDS[:, 1] - 1
    return np.asarray(np.maximum(np.maximum(below, above), 0).argmin(axis=1))


def bracket_figures(
    low: np.ndarray, high: np.ndarray, ages: np.ndarray, shares: np.ndarray | None = None
) -> dict[str, Any]:
    """Share of right brackets, of those at most one off, and of those among the two likeliest, over
    the faces whose label is a bracket; nothing if these are of one bracket only.

    A network whose classes are the brackets says them by `shares` (N, 8), any other one by its
    ages (N,) in years, and then there is no second one.
    """
    truth = labelled(low, high)
    known = (truth >= 0) & np.isfinite(ages)
    truth, ages = truth[known], ages[known]
    if len(np.unique(truth)) < 2:
        return {}
    likeliest = None
    if shares is not None and shares.shape[1] == len(ENDS):
        likeliest = np.argsort(-shares[known], axis=1, kind="stable")
    guess = nearest(ages) if likeliest is None else likeliest[:, 0]
    top2 = None if likeliest is None else mean((likeliest[:, :2] == truth[:, None]).any(axis=1))
    off = np.abs(guess - truth)
    return {
        "bracket_n": len(truth),
        "bracket_exact": mean(off == 0),
        "bracket_1off": mean(off <= 1),
        "bracket_top2": top2,
    }

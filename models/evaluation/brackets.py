"""Accuracy in the eight age brackets of Adience."""

from typing import Any

import numpy as np

from models.datasets.adience import BRACKETS
from models.evaluation.metrics import mean

ENDS = np.array(BRACKETS, float)  # (8, 2), first and last year


def label_brackets(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Bracket (N,) int of labels from `low` (N,) to below `high` (N,) years; -1 for a label that is
    not a bracket."""
    same = (ENDS[:, 0] == low[:, None]) & (ENDS[:, 1] + 1 == high[:, None])
    return np.where(same.any(axis=1), same.argmax(axis=1), -1)


def nearest_brackets(ages: np.ndarray) -> np.ndarray:
    """Bracket (N,) int that contains each age (N,) in years or, between two, the nearest one."""
    below, above = ENDS[:, 0] - ages[:, None], ages[:, None] - ENDS[:, 1] - 1
    return np.asarray(np.maximum(np.maximum(below, above), 0).argmin(axis=1))


def bracket_metrics(
    low: np.ndarray, high: np.ndarray, ages: np.ndarray, bin_probs: np.ndarray | None = None
) -> dict[str, Any]:
    """Accuracy over the faces whose label is a bracket: exact, 1-off (at most one bracket off) and
    top-2 (among the two most probable); {} if all labels are the same bracket.

    `low`, `high` (N,) are labels and `ages` (N,) predictions in years. With `bin_probs` (N, 8),
    probabilities of the brackets, the most probable one counts; otherwise the bracket of the
    predicted age, and top-2 is None.
    """
    truth = label_brackets(low, high)
    known = (truth >= 0) & np.isfinite(ages)
    truth, ages = truth[known], ages[known]
    if len(np.unique(truth)) < 2:
        return {}
    ranked = None
    if bin_probs is not None and bin_probs.shape[1] == len(ENDS):
        ranked = np.argsort(-bin_probs[known], axis=1, kind="stable")
    predicted = nearest_brackets(ages) if ranked is None else ranked[:, 0]
    top2 = None if ranked is None else mean((ranked[:, :2] == truth[:, None]).any(axis=1))
    off = np.abs(predicted - truth)
    return {
        "bracket_n": len(truth),
        "bracket_exact": mean(off == 0),
        "bracket_1off": mean(off <= 1),
        "bracket_top2": top2,
    }

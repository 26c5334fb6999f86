"""What training minimises and measures, for every network: the age, its classes, the gender."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Loss = Callable[[Any, Any], Any]
EPSILON = 1e-7  # least probability under a logarithm
BETA = 0.999  # of the effective number of samples (Cui et al., CVPR 2019)


def years_outside(target: Any, age: Any) -> Any:
    """Years by which `age` (N,) misses low and high, the first two columns of the target (N, 3):
    the absolute error of an exact age."""
    age = ops.reshape(age, (-1,))
    return ops.maximum(target[:, 0] - age, 0.0) + ops.maximum(age - target[:, 1], 0.0)


def age_loss(trust: float, agreement: float = 0.0) -> Loss:
    """Years off the label and, weighing `trust`, off the teachers' age (third column). With
    `agreement` also so many times the years off the mean of two crops of a face, one after the
    other in the batch."""

    def loss(target: Any, age: Any) -> Any:
        off_teachers = ops.abs(target[:, 2] - ops.reshape(age, (-1,)))
        years = (1 - trust) * years_outside(target, age) + trust * off_teachers
        if agreement:
            crops = ops.reshape(age, (-1, 2))
            years = years + agreement * ops.repeat(ops.abs(crops[:, 0] - crops[:, 1]) / 2, 2)
        return years

    return loss


def two_points(ages: Any, nodes: Sequence[float]) -> Any:
    """Shares (N, C) of ages (N,) between their two neighbours among the nodes (C,), in years and
    ascending: their mean is the age (C3AE, CVPR 2019). Ages beyond the ends are at the ends."""
    places = ops.array(nodes, "float32")
    ages = ops.expand_dims(ops.clip(ages, places[0], places[-1]), 1)
    rising = (ages - places[:-1]) / (places[1:] - places[:-1])
    full = ops.ones_like(ages)
    hats = ops.minimum(
        ops.concatenate([full, rising], axis=1), ops.concatenate([1 - rising, full], axis=1)
    )
    return ops.clip(hats, 0.0, 1.0)


def nodes_loss(
    nodes: Sequence[float], trust: float, focal: float = 0.0, counts: np.ndarray | None = None
) -> Loss:
    """Cross-entropy of the classes (N, C) against the two points of the wanted age: the one that is
    guessed, within low and high (target (N, 3), see `node_ranges` of `models.training.batches`),
    mixed with the teachers' by `trust`. 0 where the age is unknown (-1). With `focal` γ every class
    weighs (1 - p)^γ and by its `counts` (C,) of faces."""
    weights = np.ones(len(nodes), np.float32) if counts is None else class_balance(counts)

    def loss(target: Any, shares: Any) -> Any:
        guess = ops.stop_gradient(ops.sum(shares * ops.array(nodes, "float32"), axis=-1))
        guess = ops.minimum(ops.maximum(guess, target[:, 0]), target[:, 1])
        wanted = two_points((1 - trust) * guess + trust * target[:, 2], nodes)
        terms = -wanted * ops.log(ops.maximum(shares, EPSILON))
        if focal:
            terms = terms * ops.array(weights) * (1 - shares) ** focal
        return ops.where(target[:, 0] < 0, 0.0, ops.sum(terms, axis=-1))

    return loss


def class_balance(counts: np.ndarray) -> np.ndarray:
    """Weights (C,) of classes with so many faces (C,); their mean over the faces is 1."""
    weights = (1 - BETA) / (1 - BETA ** np.maximum(counts, 1.0))
    return np.asarray(weights / np.average(weights, weights=counts), np.float32)


def _crossentropy(wanted: Any, probability: Any) -> Any:
    p = ops.clip(probability, EPSILON, 1 - EPSILON)
    return -wanted * ops.log(p) - (1 - wanted) * ops.log(1 - p)


GENDER_ERRORS: dict[str, Loss] = {
    "brier": lambda wanted, p: ops.square(p - wanted),
    "absolute": lambda wanted, p: ops.abs(p - wanted),
    "crossentropy": _crossentropy,
}


def gender_loss(trust: float, kind: str = "brier", smoothing: float = 0.0) -> Loss:
    """Error of the probability against the label, mixed with the teachers' probability by `trust`.
    Where the gender is unknown (-1) it is `trust` times the error against the teachers', and 0
    where they do not know it either. The squared one (Brier score) is a proper score, so the
    output is calibrated, and one whose gradient lives on beyond 0 and 1. `smoothing` is taken from
    the labelled gender for the other."""
    error = GENDER_ERRORS[kind]

    def loss(target: Any, probability: Any) -> Any:
        label = target[:, 0] * (1 - 2 * smoothing) + smoothing
        taught = target[:, 1]
        guess = ops.reshape(probability, (-1,))
        known = error((1 - trust) * label + trust * taught, guess)
        unknown = ops.where(taught < 0, 0.0, trust * error(taught, guess))
        return ops.where(target[:, 0] < 0, unknown, known)

    return loss


class GenderAccuracy(keras.metrics.Mean):
    """Share of faces on the labelled side of one half, the teachers' where the label is unknown;
    nan where they do not know either."""

    def __init__(self, name: str = "gender_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, target: Any, probability: Any, sample_weight: Any = None) -> None:
        guess = ops.cast(ops.reshape(probability, (-1,)) >= 0.5, "float32")
        label, taught = target[:, 0], target[:, 1]
        teachers_side = ops.where(taught < 0, -1.0, ops.cast(taught >= 0.5, "float32"))
        wanted = ops.where(label < 0, teachers_side, label)
        super().update_state(ops.equal(guess, wanted), ops.cast(wanted >= 0, "float32"))

    def result(self) -> Any:
        return self.total / self.count

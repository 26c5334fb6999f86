"""Losses and metrics of training: age in years, age bins, gender."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Loss = Callable[[Any, Any], Any]
EPSILON = 1e-7  # smallest probability under a logarithm
BETA = 0.999  # of the effective number of samples (Cui et al., CVPR 2019)

# Targets of all losses are made by models.training.batches.make_targets.


def years_outside(target: Any, age: Any) -> Any:
    """Years (N,) by which the age (N,) or (N, 1) is outside low and high, the first two columns of
    the target (N, 3). For an exact age this is the absolute error."""
    age = ops.reshape(age, (-1,))
    return ops.maximum(target[:, 0] - age, 0.0) + ops.maximum(age - target[:, 1], 0.0)


def age_loss(distill_weight: float, consistency: float = 0.0) -> Loss:
    """Loss of the age, in years: (1 - w)·years outside the label + w·distance to the teachers' age
    (third column of the target), w being `distill_weight`.

    `consistency` adds that many times the distance to the mean of two crops of the same face, which
    follow each other in the batch.
    """

    def loss(target: Any, age: Any) -> Any:
        off_teachers = ops.abs(target[:, 2] - ops.reshape(age, (-1,)))
        years = (1 - distill_weight) * years_outside(target, age) + distill_weight * off_teachers
        if consistency:
            crops = ops.reshape(age, (-1, 2))
            years = years + consistency * ops.repeat(ops.abs(crops[:, 0] - crops[:, 1]) / 2, 2)
        return years

    return loss


def two_points(ages: Any, age_bins: Sequence[float]) -> Any:
    """Two-point representation (N, C) of ages (N,): the age is split between its two neighbours
    among the age bins (C,), in years and ascending, so that the mean is the age (C3AE: Zhang et
    al., CVPR 2019). Ages beyond the first or last bin belong to that bin alone."""
    centres = ops.array(age_bins, "float32")
    ages = ops.expand_dims(ops.clip(ages, centres[0], centres[-1]), 1)
    rising = (ages - centres[:-1]) / (centres[1:] - centres[:-1])
    full = ops.ones_like(ages)
    hats = ops.minimum(
        ops.concatenate([full, rising], axis=1), ops.concatenate([1 - rising, full], axis=1)
    )
    return ops.clip(hats, 0.0, 1.0)


def age_bins_loss(
    age_bins: Sequence[float],
    distill_weight: float,
    focal: float = 0.0,
    counts: np.ndarray | None = None,
) -> Loss:
    """Cross-entropy of the probabilities (N, C) of the age bins (C,) against the two-point
    representation of the target age.

    The target age is the predicted one, limited to low and high of the label (target (N, 3)), mixed
    with the teachers' age by `distill_weight`. The loss is 0 if the age is unknown (-1). `focal`,
    γ, multiplies each bin's term by (1 - p)^γ and by `class_balance` of its `counts` (C,) of faces.
    """
    weights = np.ones(len(age_bins), np.float32) if counts is None else class_balance(counts)

    def loss(target: Any, probs: Any) -> Any:
        age = ops.stop_gradient(ops.sum(probs * ops.array(age_bins, "float32"), axis=-1))
        age = ops.minimum(ops.maximum(age, target[:, 0]), target[:, 1])
        age = (1 - distill_weight) * age + distill_weight * target[:, 2]
        terms = -two_points(age, age_bins) * ops.log(ops.maximum(probs, EPSILON))
        if focal:
            terms = terms * ops.array(weights) * (1 - probs) ** focal
        return ops.where(target[:, 0] < 0, 0.0, ops.sum(terms, axis=-1))

    return loss


def class_balance(counts: np.ndarray) -> np.ndarray:
    """Weights (C,) float32 of classes with these counts (C,) of faces, by the effective number of
    samples (Cui et al., CVPR 2019); their mean over the faces is 1."""
    weights = (1 - BETA) / (1 - BETA ** np.maximum(counts, 1.0))
    return np.asarray(weights / np.average(weights, weights=counts), np.float32)


def _crossentropy(target: Any, probability: Any) -> Any:
    p = ops.clip(probability, EPSILON, 1 - EPSILON)
    return -target * ops.log(p) - (1 - target) * ops.log(1 - p)


GENDER_ERRORS: dict[str, Loss] = {
    "brier": lambda target, p: ops.square(p - target),
    "absolute": lambda target, p: ops.abs(p - target),
    "crossentropy": _crossentropy,
}


def gender_loss(distill_weight: float, kind: str = "brier", label_smoothing: float = 0.0) -> Loss:
    """Error, of a `kind` of GENDER_ERRORS, of the probability of male (N,) or (N, 1) against the
    label mixed with the teachers' probability by `distill_weight` (target (N, 2)).

    If the label is unknown (-1), it is `distill_weight` times the error against the teachers, and 0
    if theirs is unknown too. "brier", the default, is a proper score, so that the probabilities
    are calibrated, and its gradient does not vanish for outputs beyond 0 and 1. `label_smoothing`
    is moved from the labelled gender to the other.
    """
    error = GENDER_ERRORS[kind]

    def loss(target: Any, probability: Any) -> Any:
        label = target[:, 0] * (1 - 2 * label_smoothing) + label_smoothing
        teachers = target[:, 1]
        predicted = ops.reshape(probability, (-1,))
        known = error((1 - distill_weight) * label + distill_weight * teachers, predicted)
        unknown = ops.where(teachers < 0, 0.0, distill_weight * error(teachers, predicted))
        return ops.where(target[:, 0] < 0, unknown, known)

    return loss


class GenderAccuracy(keras.metrics.Mean):
    """Share of faces with the right gender: the label, or the teachers' if the label is unknown.
    Faces without either do not count; nan if none counts."""

    def __init__(self, name: str = "gender_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, target: Any, probability: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets (N, 2) and probabilities of male (N,) or (N, 1)."""
        predicted = ops.cast(ops.reshape(probability, (-1,)) >= 0.5, "float32")
        label, teachers = target[:, 0], target[:, 1]
        soft = ops.where(teachers < 0, -1.0, ops.cast(teachers >= 0.5, "float32"))
        gender = ops.where(label < 0, soft, label)
        super().update_state(ops.equal(predicted, gender), ops.cast(gender >= 0, "float32"))

    def result(self) -> Any:
        """The share; not Keras' own, which is 0 if no face counts."""
        return self.total / self.count

"""Compile a network for training: losses with their weights, metrics, optimizer, learning rate."""

from collections.abc import Set
from typing import Any

import keras
import numpy as np

from models.datasets.chips import Chips
from models.training.config import Training
from models.training.losses import (
    GenderAccuracy,
    age_bins_loss,
    age_loss,
    gender_loss,
    two_points,
    years_outside,
)
from models.training.recipes import Recipe
from models.zoo import Network

MAX_WARMUP = 500  # steps; otherwise a tenth of the phase
MOMENTUM = 0.9  # of stochastic gradient descent


def compile_model(
    model: keras.Model,
    training: Training,
    lr: Any,
    counts: np.ndarray | None,
    outputs: Set[str],
) -> None:
    """Compile with a learning rate or schedule `lr`. `counts` (C,), see `bin_counts`, are for the
    focal loss. Metrics are computed for `outputs` alone, see `trained_outputs`."""
    recipe, age_bins = training.recipe, training.network_spec.age_bins
    distill_weight = recipe.distill_weight if training.teachers else 0.0
    losses = {
        "age": age_loss(distill_weight, recipe.consistency),
        "male": gender_loss(distill_weight, recipe.gender_loss, recipe.label_smoothing),
        "nodes": age_bins_loss(age_bins, distill_weight, recipe.focal, counts),
    }
    metrics = {"age": [years_outside], "male": [GenderAccuracy()], "nodes": []}
    weights = loss_weights(recipe)
    if recipe.l2:
        for variable in model.trainable_variables:
            if variable.name.endswith("kernel"):
                variable.regularizer = keras.regularizers.L2(recipe.l2 / 2)
    model.compile(
        make_optimizer(recipe, lr),
        loss={output: losses[output] for output in model.output},
        loss_weights={output: weights[output] for output in model.output},
        metrics={output: metrics[output] if output in outputs else [] for output in model.output},
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def loss_weights(recipe: Recipe) -> dict[str, float]:
    """The weight of each output's loss."""
    return {
        "age": recipe.age_weight,
        "male": recipe.gender_weight,
        "nodes": recipe.age_bins_weight,
    }


def learning_rate(recipe: Recipe, phase: tuple[int, int], steps_per_epoch: int) -> Any:
    """The learning rate, or its Keras schedule, in a phase from one epoch to another. Drops count
    from the start of the training; a cosine spans the phase."""
    schedules = keras.optimizers.schedules
    steps = (phase[1] - phase[0]) * steps_per_epoch
    if recipe.schedule == "cosine":
        warmup = min(MAX_WARMUP, steps // 10)
        return schedules.CosineDecay(
            recipe.lr / 20,
            steps - warmup,
            alpha=0.01,
            warmup_target=recipe.lr,
            warmup_steps=warmup,
        )
    if recipe.schedule == "drops" and recipe.drops:
        unit = 1 if recipe.steps else steps_per_epoch
        drops = [drop * unit - phase[0] * steps_per_epoch for drop in recipe.drops]
        ahead, past = [drop for drop in drops if drop > 0], sum(drop <= 0 for drop in drops)
        values = [recipe.lr * 0.1 ** (past + k) for k in range(len(ahead) + 1)]
        return schedules.PiecewiseConstantDecay(ahead, values) if ahead else values[0]
    return recipe.lr


def make_optimizer(recipe: Recipe, lr: Any) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with this learning rate or schedule."""
    kinds: dict[str, Any] = {
        "adamw": keras.optimizers.AdamW,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }
    clip = {"variable": "clipnorm", "all": "global_clipnorm"}[recipe.clip_mode]
    options: dict[str, Any] = {"momentum": MOMENTUM} if recipe.optimizer == "sgd" else {}
    if recipe.weight_decay or recipe.optimizer == "adamw":
        options |= {"weight_decay": recipe.weight_decay}
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": recipe.ema}
    return kinds[recipe.optimizer](lr, **{clip: recipe.clip_norm or None}, **options)


def bin_counts(network: Network, chips: Chips, rows: np.ndarray) -> np.ndarray | None:
    """Number of faces (C,) per age bin among these rows, each face split between two bins; None for
    a network without age bins."""
    if not network.age_bins:
        return None
    known = rows[chips.age_known[rows]]
    middle = (chips.age_low + chips.age_high)[known] / 2
    return np.asarray(keras.ops.convert_to_numpy(two_points(middle, network.age_bins)).sum(axis=0))

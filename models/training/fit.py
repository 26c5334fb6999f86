"""Train a network of the zoo on labelled faces by a recipe."""

from collections.abc import Container
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from models.datasets.chips import Chips
from models.errors import ModelError
from models.training.augment import AUGMENTATIONS
from models.training.batches import Batches, Sampling, make_targets
from models.training.checkpoint import Checkpoint
from models.training.config import Training
from models.training.distill import distill
from models.training.mixup import with_mixup
from models.training.optimize import bin_counts, compile_model, learning_rate, loss_weights
from models.training.progress import Progress
from models.training.recipes import Recipe
from models.training.transfer import freeze, load_init

VAL_BATCH = 256  # faces


class Faces(NamedTuple):
    """The faces of a training: rows of chips."""

    chips: Chips
    train_rows: np.ndarray  # (N,) int
    val_rows: np.ndarray  # (M,) int, to choose the best epoch by


def fit(
    training: Training,
    faces: Faces,
    folder: Path,
    resume: bool = False,
    data: Any = None,
    title: str = "",
) -> Checkpoint:
    """Train, and keep everything in `folder` after each epoch; the checkpoint, with the history and
    the best and last weights.

    `resume` continues from what is in `folder`, if the settings are the same; `data` identifies the
    faces for that. `title` begins the lines of progress. Raises ModelError.
    """
    recipe = training.recipe
    devices = all_devices()
    if recipe.consistency and not isinstance(devices, nullcontext):
        raise ModelError(
            "--consistency needs both crops of a face on one GPU: make one visible "
            "(CUDA_VISIBLE_DEVICES)"
        )
    settings = _settings(training, data)
    checkpoint = Checkpoint(folder, training.network, settings, Recipe.current_names())
    if resume:
        checkpoint.read()
    keras.utils.set_random_seed(training.seed)
    keras.mixed_precision.set_global_policy(recipe.precision)
    try:
        with devices:
            _fit(training, faces, checkpoint, title)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    return checkpoint


def _settings(training: Training, data: Any) -> dict[str, Any]:
    """The settings of a checkpoint; their names must not change between versions."""
    settings = {**training.stored(), "recipe": None, **training.recipe.stored(), "data": data}
    weights = [model.sha256 for model in training.pretrained]
    return {**settings, "weights of init and teachers": weights}


def _fit(training: Training, faces: Faces, checkpoint: Checkpoint, title: str) -> None:
    recipe = training.recipe
    model, outputs = training.build(), trained_outputs(training, faces.chips, faces.train_rows)
    if training.init is not None:
        load_init(model, training.init)
    val_rows = validation_rows(faces.chips, faces.val_rows, outputs)
    batches, val_batches = make_batches(training, faces._replace(val_rows=val_rows), model.output)
    steps = len(batches)
    epochs = -(-recipe.steps // steps) if recipe.steps else recipe.epochs
    focal = recipe.focal and "nodes" in outputs
    counts = bin_counts(training.network_spec, faces.chips, faces.train_rows) if focal else None
    phases = recipe.freeze or ("0",)
    for last in phases:
        freeze(model, last)  # so that a bad name is refused before the first phase
    with Progress(title, epochs, steps, checkpoint) as progress:
        for phase, last in enumerate(phases):
            first, end = (epochs * k // len(phases) for k in (phase, phase + 1))
            if len(checkpoint.rows) >= end:
                continue
            freeze(model, last)
            lr = learning_rate(recipe, (first, end), steps)
            compile_model(model, training, lr, counts, outputs)
            checkpoint.restore(model, first)
            averaging = [keras.callbacks.SwapEMAWeights()] if recipe.ema else []  # to validate
            model.fit(
                batches.stream(len(checkpoint.rows)),
                steps_per_epoch=steps,
                shuffle=False,
                validation_data=val_batches,
                initial_epoch=len(checkpoint.rows),
                epochs=end,
                verbose=0,
                callbacks=[*averaging, checkpoint, progress],
            )


def trained_outputs(training: Training, chips: Chips, train_rows: np.ndarray) -> set[str]:
    """The outputs ("age", "male", "nodes") with a target, from labels or teachers, and a positive
    loss weight. Raises ModelError if there is none."""
    recipe, teachers = training.recipe, bool(training.teachers)
    age = teachers or chips.age_known[train_rows].any()
    gender = teachers or np.isfinite(chips.male[train_rows]).any()
    weights = loss_weights(recipe)
    trained = {
        "age": age and (weights["age"] or weights["nodes"]),
        "male": gender and weights["male"],
        "nodes": age and weights["nodes"],
    }
    if not any(trained.values()):
        raise ModelError(
            "there is nothing to train: neither age nor gender is labelled, or all loss weights "
            "are 0"
        )
    return {output for output, is_trained in trained.items() if is_trained}


def make_batches(
    training: Training, faces: Faces, outputs: Container[str]
) -> tuple[Batches, Batches]:
    """The training batches, by the recipe, and the val batches, without augmentation; with the
    targets of these outputs."""
    recipe, seed = training.recipe, training.seed
    chips, train_rows, val_rows = faces
    if recipe.mixup:
        count = round(recipe.mixup * len(train_rows))
        chips, train_rows = with_mixup(chips, train_rows, count, seed)
    soft_targets = None
    if training.teachers:
        soft_targets = distill(training.teachers, chips, train_rows, outputs)
    targets = make_targets(chips, training.network_spec.age_bins, soft_targets)
    targets = {output: columns for output, columns in targets.items() if output in outputs}
    twice = recipe.consistency > 0
    augmentation = AUGMENTATIONS[recipe.augmentation].scaled(recipe.magnitude)
    random = Sampling(seed, augmentation, recipe.balance, twice)
    return (
        Batches(chips, train_rows, training.input, recipe.batch_size, targets, random),
        Batches(chips, val_rows, training.input, VAL_BATCH, targets, Sampling(twice=twice)),
    )


def validation_rows(chips: Chips, rows: np.ndarray, outputs: Container[str]) -> np.ndarray:
    """The rows to compute the val error on: those with an exact age; if there are none, those with
    an age range; without "age" among the trained outputs, those of known gender. Raises ModelError
    if there are none."""
    label, masks = "age", [chips.age_high == chips.age_low, chips.age_known]
    if "age" not in outputs:
        label, masks = "gender", [np.isfinite(chips.male)]
    for mask in masks:
        if mask[rows].any():
            return np.asarray(rows[mask[rows]])
    raise ModelError(f"the val splits have no face of known {label}: give data with such a split")


def all_devices(kind: str = "GPU") -> AbstractContextManager[Any]:
    """A scope in which a model is trained on all devices of this kind, each with its share of every
    batch; an empty scope if there are fewer than two."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if len(tf.config.list_logical_devices(kind)) > 1:
            names = [device.name for device in tf.config.list_logical_devices(kind)]
            scope: AbstractContextManager[Any] = tf.distribute.MirroredStrategy(names).scope()
            return scope
    elif keras.backend.backend() == "jax":
        devices = keras.distribution.list_devices(kind.lower())
        if len(devices) > 1:
            scope = keras.distribution.DataParallel(devices=devices).scope()
            return scope
    return nullcontext()

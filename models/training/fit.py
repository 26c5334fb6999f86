"""Fit a network of the zoo to labelled faces by a recipe."""

import sys
from collections.abc import Container
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.crops.spec import InputSpec
from models.datasets.chips import Chips
from models.errors import ModelError
from models.manifest import load_manifest, sha256
from models.training.augment import AUGMENTATIONS, NONE
from models.training.batches import Batches, targets, teach
from models.training.checkpoint import Checkpoint, Weights
from models.training.losses import (
    GenderAccuracy,
    age_loss,
    gender_loss,
    nodes_loss,
    two_points,
    years_outside,
)
from models.training.mixup import with_blends
from models.training.recipes import Recipe
from models.zoo import ARCHITECTURES, NETWORKS, Network, load_keras

CHECKED = 256  # faces that are watched together
WARMUP = 500  # steps, a tenth of all at most
MEANT = {"male_is": 1, "lambda_local": 1.0, "lambda_d": 1.0, "stage_num": [3, 3, 3]}  # by weights
MOMENTUM = 0.9  # of stochastic gradient descent


@dataclass(frozen=True)
class Training:
    """A network, how it is trained and what it starts from; all but the faces."""

    network: str  # of models.zoo.NETWORKS
    recipe: Recipe
    seed: int = 1
    view: float | None = None  # part of the chip's side, None: the network's own
    init: str | None = None  # model whose weights are the start
    teachers: tuple[str, ...] = ()  # models whose answers are learnt

    @property
    def of(self) -> Network:
        return NETWORKS[self.network]

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of the network's `build`."""
        config = self.of.config
        return {**config, "dropout": self.recipe.dropout} if "dropout" in config else config

    @property
    def input(self) -> InputSpec:
        """The crops the network is trained on."""
        return (
            self.of.input if self.view is None else replace(self.of.input, crop_fraction=self.view)
        )

    def build(self, weights: Weights | None = None) -> keras.Model:
        """The network, with these weights if given."""
        model = ARCHITECTURES[self.of.architecture](**self.config)
        if weights is not None:
            model.set_weights(weights)
        return model


def fit(
    training: Training,
    chips: Chips,
    rows: np.ndarray,
    checks: np.ndarray,
    folder: Path,
    resume: bool = False,
    data: Any = None,
) -> Checkpoint:
    """Train on `rows` of the chips and watch the error on the rows `checks`; best and last weights
    and the history. Everything is kept in `folder` after each epoch and taken up from there with
    `resume`; `data` names the faces for that. Raises ModelError."""
    recipe = training.recipe
    devices = all_devices()
    if recipe.agreement and not isinstance(devices, nullcontext):
        raise ModelError("--agreement: several GPUs would part the two crops of a face: show one")
    given = [name for name in (training.init, *training.teachers) if name is not None]
    settings = {**asdict(training), "recipe": None, **asdict(recipe), "data": data}
    settings["weights of init and teachers"] = [digest_of(name) for name in given]
    checkpoint = Checkpoint(folder, training.network, settings)
    if resume:
        checkpoint.read()
    keras.utils.set_random_seed(training.seed)
    keras.mixed_precision.set_global_policy(recipe.precision)
    try:
        with devices:
            _fit(training, chips, rows, checks, checkpoint)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    return checkpoint


def digest_of(name: str) -> str:
    """The sha256 of a model's weights, or of a file of weights. Raises ModelError."""
    if name.endswith(".h5"):
        try:
            return sha256(Path(name))
        except OSError as error:
            raise ModelError(f"--init: cannot read {name}: {error.strerror}") from None
    return load_manifest(name).digest


def _fit(
    training: Training, chips: Chips, rows: np.ndarray, checks: np.ndarray, checkpoint: Checkpoint
) -> None:
    recipe = training.recipe
    model, told = training.build(), learnt(training, chips, rows)
    if training.init is not None:
        start(model, training.init)
    checks = watched(chips, checks, told)
    batches, seen = made_batches(training, chips, rows, checks, model.output)
    epochs = -(-recipe.steps // len(batches)) if recipe.steps else recipe.epochs
    counts = node_counts(training.of, chips, rows) if recipe.focal and "nodes" in told else None
    phases = recipe.freeze or ("0",)
    for last in phases:
        freeze(model, last)  # refused before the first phase is trained
    for phase, last in enumerate(phases):
        first, end = (epochs * k // len(phases) for k in (phase, phase + 1))
        if len(checkpoint.rows) >= end:
            continue
        freeze(model, last)
        compile_model(model, training, (first, end), len(batches), counts, told)
        checkpoint.restore(model, first)
        swap = [keras.callbacks.SwapEMAWeights()] if recipe.ema else []  # where it validates
        model.fit(
            batches.stream(len(checkpoint.rows)),
            steps_per_epoch=len(batches),
            shuffle=False,
            validation_data=seen,
            initial_epoch=len(checkpoint.rows),
            epochs=end,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[*swap, checkpoint],
        )


def learnt(training: Training, chips: Chips, rows: np.ndarray) -> set[str]:
    """The outputs of which these faces or the teachers tell something, and which the recipe weighs.
    Raises ModelError where there are none."""
    recipe, taught = training.recipe, bool(training.teachers)
    aged = taught or chips.age_known[rows].any()
    gendered = taught or np.isfinite(chips.male[rows]).any()
    weights = {
        "age": aged and (recipe.age_weight or recipe.nodes_weight),
        "male": gendered and recipe.gender_weight,
        "nodes": aged and recipe.nodes_weight,
    }
    if not any(weights.values()):
        raise ModelError(
            "nothing would be learnt: neither age nor gender is labelled, or all weights are 0"
        )
    return {output for output, weight in weights.items() if weight}


def made_batches(
    training: Training, chips: Chips, rows: np.ndarray, checks: np.ndarray, outputs: Container[str]
) -> tuple[Batches, Batches]:
    """What is trained on, by the recipe, and what is watched, as it is."""
    recipe, seed = training.recipe, training.seed
    if recipe.blends:
        chips, rows = with_blends(chips, rows, round(recipe.blends * len(rows)), seed)
    taught = teach(training.teachers, chips, rows, outputs) if training.teachers else None
    wanted = targets(chips, training.of.age_bins, taught)
    wanted = {output: columns for output, columns in wanted.items() if output in outputs}
    amount = AUGMENTATIONS[recipe.augmentation].scaled(recipe.strength)
    made = partial(
        Batches, chips, spec=training.input, seed=seed, targets=wanted, twice=recipe.agreement > 0
    )
    return (
        made(rows, batch=recipe.batch, amount=amount, balance=recipe.balance),
        made(checks, batch=CHECKED, amount=NONE),
    )


def compile_model(
    model: keras.Model,
    training: Training,
    phase: tuple[int, int],
    epoch: int,
    counts: np.ndarray | None,
    told: set[str],
) -> None:
    """Compile for a phase from one epoch to another, each of `epoch` steps; `counts` (C,) faces by
    class. Only the outputs `told`, see `learnt`, are measured."""
    recipe, nodes = training.recipe, training.of.age_bins
    trust = recipe.trust if training.teachers else 0.0
    losses = {
        "age": age_loss(trust, recipe.agreement),
        "male": gender_loss(trust, recipe.gender, recipe.smoothing),
        "nodes": nodes_loss(nodes, trust, recipe.focal, counts),
    }
    weights = {
        "age": recipe.age_weight,
        "male": recipe.gender_weight,
        "nodes": recipe.nodes_weight,
    }
    metrics = {"age": [years_outside], "male": [GenderAccuracy()], "nodes": []}
    if recipe.penalty:
        for variable in model.trainable_variables:
            if variable.name.endswith("kernel"):
                variable.regularizer = keras.regularizers.L2(recipe.penalty / 2)
    model.compile(
        optimizer(recipe, rate(recipe, phase, epoch)),
        loss={output: losses[output] for output in model.output},
        loss_weights={output: weights[output] for output in model.output},
        metrics={output: metrics[output] if output in told else [] for output in model.output},
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def rate(recipe: Recipe, phase: tuple[int, int], epoch: int) -> Any:
    """The learning rate from one epoch to another, each of `epoch` steps. The recipe's drops count
    from the start of the training, a cosine from that of the phase."""
    schedules = keras.optimizers.schedules
    steps = (phase[1] - phase[0]) * epoch
    if recipe.schedule == "cosine":
        warmup = min(WARMUP, steps // 10)
        return schedules.CosineDecay(
            recipe.rate / 20,
            steps - warmup,
            alpha=0.01,
            warmup_target=recipe.rate,
            warmup_steps=warmup,
        )
    if recipe.schedule == "drops" and recipe.drops:
        unit = 1 if recipe.steps else epoch
        ahead = [d * unit - phase[0] * epoch for d in recipe.drops]
        ahead, past = [d for d in ahead if d > 0], sum(d <= 0 for d in ahead)
        values = [recipe.rate * 0.1 ** (past + k) for k in range(len(ahead) + 1)]
        return schedules.PiecewiseConstantDecay(ahead, values) if ahead else values[0]
    return recipe.rate


def optimizer(recipe: Recipe, rate: Any) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with this rate or schedule of rates."""
    kinds: dict[str, Any] = {
        "adamw": keras.optimizers.AdamW,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }
    clip = {"variable": "clipnorm", "all": "global_clipnorm"}[recipe.clip_of]
    options: dict[str, Any] = {"momentum": MOMENTUM} if recipe.optimizer == "sgd" else {}
    if recipe.decay or recipe.optimizer == "adamw":
        options |= {"weight_decay": recipe.decay}
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": recipe.ema}
    return kinds[recipe.optimizer](rate, **{clip: recipe.clip or None}, **options)


def watched(chips: Chips, rows: np.ndarray, told: Container[str]) -> np.ndarray:
    """The rows whose age is known exactly; where there are none, those that have a range; where no
    age is `told`, see `learnt`, those of known gender. Raises ModelError where there are none."""
    ages, genders = (chips.age_high == chips.age_low, chips.age_known), (np.isfinite(chips.male),)
    what, each = ("age", ages) if "age" in told else ("gender", genders)
    for known in each:
        if known[rows].any():
            return np.asarray(rows[known[rows]])
    raise ModelError(
        f"the val splits hold no face whose {what} is known: give data with such a split"
    )


def node_counts(network: Network, chips: Chips, rows: np.ndarray) -> np.ndarray | None:
    """Faces by class of ages, each shared between two; None for networks without classes."""
    if not network.age_bins:
        return None
    known = rows[chips.age_known[rows]]
    middle = (chips.age_low + chips.age_high)[known] / 2
    return np.asarray(keras.ops.convert_to_numpy(two_points(middle, network.age_bins)).sum(axis=0))


def start(model: keras.Model, init: str) -> None:
    """Set the weights to those of a model by its name or manifest, or of a file (.h5), which are
    those of the trunk alone where the network has one, as Keras publishes them."""
    if not init.endswith(".h5"):
        manifest = load_manifest(init)
        for name, ours in MEANT.items():
            if (theirs := manifest.config.get(name, ours)) != ours:
                raise ModelError(
                    f"--init: {init} has {name} {theirs}, {model.name} {ours}: its weights would "
                    "mean something else"
                )
        start_from(model, load_keras(manifest))
        return
    names = [layer.name for layer in model.layers]
    try:
        (model.get_layer("trunk") if "trunk" in names else model).load_weights(init)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"--init: {init} does not fit {model.name}: {reason}") from None


def start_from(model: keras.Model, source: keras.Model) -> None:
    """Copy weights by layer name. A net of its own for age or gender takes the layers of a joint
    trunk where it has none under its own name. Raises ModelError where nothing fits."""
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    for layer in model.layers:
        given = layers.get(layer.name) or layers.get(layer.name.partition("_")[2])
        if not layer.weights:
            continue
        if given is None or [w.shape for w in given.weights] != [w.shape for w in layer.weights]:
            raise ModelError(f"--init: {source.name} has nothing that fits layer {layer.name}")
        layer.set_weights(given.get_weights())


def freeze(model: keras.Model, last: str) -> None:
    """Train only the layers after `last`, a layer's name, or after so many layers, those of a trunk
    counted as its own. Raises ModelError where there is no such layer, or nothing left to train."""
    layers = _flat(model)
    names = [layer.name for layer in layers]
    if not last.isdecimal() and last not in names:
        raise ModelError(f"--freeze {last}: {model.name} has no such layer; it has {names}")
    count = int(last) if last.isdecimal() else names.index(last) + 1
    for k, layer in enumerate(layers):
        layer.trainable = k >= count
    if not model.trainable_variables:
        raise ModelError(f"--freeze {last}: nothing is left to train of {model.name}: freeze less")


def _flat(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers, with those of a trunk after its input in its place."""
    nested = [_flat(x)[1:] if isinstance(x, keras.Model) else [x] for x in model.layers]
    return [layer for part in nested for layer in part]


def all_devices(kind: str = "GPU") -> AbstractContextManager[Any]:
    """The scope in which a model is trained on all devices of this kind, each with its part of
    every batch, where there are several."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if len(tf.config.list_logical_devices(kind)) > 1:
            names = [device.name for device in tf.config.list_logical_devices(kind)]
            return tf.distribute.MirroredStrategy(names).scope()
    elif keras.backend.backend() == "jax":
        devices = keras.distribution.list_devices(kind.lower())
        if len(devices) > 1:
            return keras.distribution.DataParallel(devices=devices).scope()
    return nullcontext()

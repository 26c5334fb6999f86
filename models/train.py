"""`python -m models.train`: train a network on labelled faces and write weights with a manifest."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from models.augment import NONE, WEBCAM, Augmentation, random_crop
from models.dataset import Chips, describe, load_chips
from models.export import write_model
from models.faceres_files import OFFSET
from models.runtime import Estimator, choose_device
from models.spec import InputSpec, ModelError, load_manifest
from models.zoo import ARCHITECTURES, load_keras

GENDER_WEIGHT = 40.0  # years of age error that a squared error of 1 in the probability weighs


@dataclass(frozen=True)
class Recipe:
    """What a network needs beside the data: its module of `models`, `build`'s arguments, crops."""

    architecture: str
    config: dict[str, Any]
    input: InputSpec
    precision: str = "float32"


SMALL = InputSpec(size=64, view=0.75)
RECIPES = {
    "faceres": Recipe("faceres", {"size": 112}, InputSpec(size=112, view=0.8, offset=OFFSET)),
    "ssrnet-joint": Recipe("ssrnet", {"joint": True, "dropout": 0.0}, SMALL, "mixed_bfloat16"),
    "ssrnet": Recipe("ssrnet", {"joint": False, "dropout": 0.0}, SMALL, "mixed_bfloat16"),
}


class Batches(keras.utils.PyDataset):
    """Augmented crops with their labels; every epoch another order and other changes."""

    def __init__(
        self,
        chips: Chips,
        rows: np.ndarray,
        spec: InputSpec,
        batch: int,
        amount: Augmentation,
        seed: int,
        chances: np.ndarray | None = None,
        taught: tuple[np.ndarray, np.ndarray] | None = None,
        workers: int = 1,
    ) -> None:
        """`rows` of `chips`; with `chances`, as many rows are drawn anew every epoch; `taught`:
        ages and probabilities of male that teachers gave to all chips."""
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=16)
        self.chips, self.rows, self.spec, self.batch, self.amount = chips, rows, spec, batch, amount
        self.seed, self.epoch, self.chances = seed, 0, chances
        middle = (chips.age_low + chips.age_high) / 2
        self.taught = (middle, chips.male) if taught is None else taught
        self.on_epoch_begin()

    def on_epoch_begin(self) -> None:
        rng = np.random.default_rng((self.seed, self.epoch))
        self.order = self.rows
        if self.chances is not None:
            self.order = rng.choice(self.rows, len(self.rows), p=self.chances)
        self.epoch += 1

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        crops = np.stack(
            [random_crop(self.chips.images[r], self.spec, self.amount, rng) for r in rows]
        )
        if self.spec.channels == "rgb":
            crops = crops[..., ::-1]
        pixels = crops.astype(np.float32) * self.spec.scale + self.spec.offset
        told_ages, told_males = (column[rows] for column in self.taught)
        ages = np.stack([self.chips.age_low[rows], self.chips.age_high[rows], told_ages], axis=1)
        males = np.nan_to_num(np.stack([self.chips.male[rows], told_males], axis=1), nan=-1.0)
        return pixels, {"age": ages, "male": males}


def years_outside(target: Any, age: Any) -> Any:
    """Years by which `age` (N,) misses low and high, the first two columns of the target (N, 3):
    the absolute error of an exact age."""
    age = ops.reshape(age, (-1,))
    return ops.maximum(target[:, 0] - age, 0.0) + ops.maximum(age - target[:, 1], 0.0)


def age_loss(trust: float) -> Callable[[Any, Any], Any]:
    """Years off the label and, weighing `trust`, off the teachers' age (third column)."""

    def loss(target: Any, age: Any) -> Any:
        off_teachers = ops.abs(target[:, 2] - ops.reshape(age, (-1,)))
        return (1 - trust) * years_outside(target, age) + trust * off_teachers

    return loss


def gender_loss(trust: float) -> Callable[[Any, Any], Any]:
    """Squared error (Brier score) of the probability against the label, mixed with the teachers'
    probability by `trust`; 0 where the gender is unknown (-1). A proper score, so the output is
    calibrated, and one whose gradient lives on beyond 0 and 1."""

    def loss(target: Any, probability: Any) -> Any:
        wanted = (1 - trust) * target[:, 0] + trust * target[:, 1]
        error = ops.reshape(probability, (-1,)) - wanted
        return ops.where(target[:, 0] < 0, 0.0, ops.square(error))

    return loss


def gender_accuracy(target: Any, probability: Any) -> Any:
    """Share of faces on the labelled side of one half."""
    guess = ops.cast(ops.reshape(probability, (-1,)) >= 0.5, "float32")
    return ops.cast(ops.equal(guess, target[:, 0]), "float32")


def teach(teachers: list[str], chips: Chips) -> tuple[np.ndarray, np.ndarray]:
    """Ages (N,) and probabilities of male (N,) of all chips: the teachers' mean over each face and
    its mirror image."""
    rng = np.random.default_rng(0)
    sums = np.zeros((2, len(chips.male)), np.float32)
    for name in teachers:
        manifest = replace(load_manifest(name), mirror=True)
        estimator = Estimator(manifest, choose_device("auto"))
        for start in tqdm(range(0, len(chips.male), 64), f"asking {name}", unit="batch"):
            rows = slice(start, start + 64)
            crops = np.stack(
                [random_crop(chip, estimator.input, NONE, rng) for chip in chips.images[rows]]
            )
            sums[:, rows] += estimator(crops)
    ages, males = sums / len(teachers)
    return ages, males


def age_chances(chips: Chips, power: float) -> np.ndarray:
    """Chance (N,) of every row to be drawn: a band of five years that has few faces comes up more
    often, by its count to the power of -`power`."""
    middle = (chips.age_low + chips.age_high) / 2
    band = (np.minimum(middle, 99) // 5).astype(int)
    weights = np.bincount(band, minlength=20)[band].astype(float) ** -power
    return np.asarray(weights / weights.sum())


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
    """Keep the weights of all layers up to `last` as they are."""
    names = [layer.name for layer in model.layers]
    if last not in names:
        raise ModelError(f"--freeze {last}: {model.name} has no such layer; it has {names}")
    for layer in model.layers[: names.index(last) + 1]:
        layer.trainable = False


def train(
    name: str,
    data: list[Path],
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    folder: Path,
    init: str | None,
    balance: float,
    teachers: list[str],
    trust: float,
    view: float | None,
    strength: float,
    frozen: str | None,
) -> tuple[keras.Model, InputSpec, dict[str, float]]:
    """Fit a recipe on the train splits; the model with averaged weights, its crops, val metrics."""
    recipe = RECIPES[name]
    spec = recipe.input if view is None else replace(recipe.input, view=view)
    keras.utils.set_random_seed(seed)
    chips, held_out = load_chips(data, "train"), load_chips(data, "val")
    exact = np.flatnonzero(held_out.age_low == held_out.age_high)
    if not len(exact):
        raise ModelError("the val splits hold no face whose age is known exactly")
    keras.mixed_precision.set_global_policy(recipe.precision)
    model = ARCHITECTURES[recipe.architecture](**recipe.config)
    if init is not None:
        start_from(model, load_keras(load_manifest(init)))
    if frozen is not None:
        freeze(model, frozen)
    taught = teach(teachers, chips) if teachers else None
    trust, amount = trust if teachers else 0.0, WEBCAM.scaled(strength)
    rows, chances = np.arange(len(chips.male)), age_chances(chips, balance)
    batches = Batches(chips, rows, spec, batch, amount, seed, chances, taught, workers=2)
    checks = Batches(held_out, exact, spec, 256, NONE, seed)
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, steps, alpha=0.01, warmup_target=rate, warmup_steps=min(500, steps // 10)
    )
    model.compile(
        keras.optimizers.AdamW(
            schedule, weight_decay=1e-4, clipnorm=5.0, use_ema=True, ema_momentum=0.998
        ),
        loss={"age": age_loss(trust), "male": gender_loss(trust)},
        loss_weights={"age": 1.0, "male": GENDER_WEIGHT},
        metrics={"age": [years_outside], "male": [gender_accuracy]},
        jit_compile=False,
    )
    folder.mkdir(parents=True, exist_ok=True)
    history = model.fit(
        batches,
        validation_data=checks,
        epochs=epochs,
        verbose=2 if not sys.stdout.isatty() else 1,
        callbacks=[
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            keras.callbacks.CSVLogger(str(folder / f"{name}.csv")),
            keras.callbacks.ModelCheckpoint(
                str(folder / f"{name}.unfinished.weights.h5"), save_weights_only=True
            ),
        ],
    ).history
    keras.mixed_precision.set_global_policy("float32")
    plain = ARCHITECTURES[recipe.architecture](**recipe.config)
    plain.set_weights(model.get_weights())
    metrics = {
        "val_mae": round(history["val_age_years_outside"][-1], 3),
        "val_gender_accuracy": round(history["val_male_gender_accuracy"][-1], 4),
    }
    return plain, spec, metrics


def main(argv: list[str] | None = None) -> int:
    """Parse, train, write NAME.json, NAME.onnx and NAME.weights.h5."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="what to train")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="zips or folders")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--view", type=float, help="part of the 0.4-margin chip that is seen")
    parser.add_argument(
        "--balance", type=float, default=0.3, help="0: ages as they come, 1: all equally often"
    )
    parser.add_argument(
        "--strength", type=float, default=1.0, help="of the augmentation, 1: like a poor webcam"
    )
    parser.add_argument("--freeze", metavar="LAYER", help="layers up to this one are not trained")
    parser.add_argument("--init", metavar="NAME", help="model whose weights are the start")
    parser.add_argument(
        "--teachers", nargs="+", metavar="NAME", default=[], help="models whose answers are learnt"
    )
    parser.add_argument(
        "--trust", type=float, default=0.5, help="weight of the teachers against the labels"
    )
    parser.add_argument("--licence", default="", help="of the weights, for their manifest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the result")
    args = parser.parse_args(argv)
    recipe = RECIPES[args.name]
    try:
        model, spec, metrics = train(
            args.name,
            args.data,
            args.epochs,
            args.batch,
            args.rate,
            args.seed,
            args.out,
            args.init,
            args.balance,
            args.teachers,
            args.trust,
            args.view,
            args.strength,
            args.freeze,
        )
        command = shlex.join(["python", "-m", "models.train", *(argv or sys.argv[1:])])
        write_model(
            model,
            args.name,
            recipe.architecture,
            recipe.config,
            spec,
            folder=args.out,
            origin=f"{command}; Keras on {keras.backend.backend()}, seed {args.seed}",
            licence=args.licence,
            data={path.name: describe(path) for path in args.data},
            metrics=metrics,
            mirror=True,
        )
    except ModelError as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 2
    print(metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())

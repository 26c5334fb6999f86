"""`python -m models.train`: train a network on labelled faces and write weights with a manifest."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops

from models.augment import NONE, WEBCAM, Augmentation, random_crop
from models.dataset import Chips, describe, load_chips
from models.export import write_model
from models.spec import InputSpec, ModelError, load_manifest
from models.zoo import ARCHITECTURES, load_keras

GENDER_WEIGHT = 40.0  # years of age error that a squared error of 1 in the probability weighs
RECIPES: dict[str, dict[str, Any]] = {
    "ssrnet-joint": {"architecture": "ssrnet", "config": {"joint": True}},
    "ssrnet": {"architecture": "ssrnet", "config": {"joint": False}},
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
        workers: int = 1,
    ) -> None:
        """`rows` of `chips`; with `chances`, as many rows are drawn anew every epoch."""
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=16)
        self.chips, self.rows, self.spec, self.batch, self.amount = chips, rows, spec, batch, amount
        self.seed, self.epoch, self.chances = seed, 0, chances
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
        ages = np.stack([self.chips.age_low[rows], self.chips.age_high[rows]], axis=1)
        males = np.nan_to_num(self.chips.male[rows], nan=-1.0)[:, None]
        return pixels, {"age": ages, "male": males}


def years_outside(age_range: Any, age: Any) -> Any:
    """Years by which `age` (N,) misses [low, high] (N, 2): the absolute error of an exact age."""
    age = ops.reshape(age, (-1,))
    return ops.maximum(age_range[:, 0] - age, 0.0) + ops.maximum(age - age_range[:, 1], 0.0)


def brier(male: Any, probability: Any) -> Any:
    """Squared error of the probability, 0 where the gender is unknown (-1): a proper score, so the
    output is calibrated, and one whose gradient lives on beyond 0 and 1."""
    error = ops.reshape(probability, (-1,)) - male[:, 0]
    return ops.where(male[:, 0] < 0, 0.0, ops.square(error))


def gender_accuracy(male: Any, probability: Any) -> Any:
    """Share of faces on the right side of one half."""
    guess = ops.cast(ops.reshape(probability, (-1,)) >= 0.5, "float32")
    return ops.cast(ops.equal(guess, male[:, 0]), "float32")


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


def train(
    name: str,
    data: list[Path],
    spec: InputSpec,
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    folder: Path,
    init: str | None,
    balance: float,
) -> dict[str, Any]:
    """Fit a recipe on the train splits, keep the averaged weights, return the val metrics."""
    keras.utils.set_random_seed(seed)
    recipe = RECIPES[name]
    model = ARCHITECTURES[recipe["architecture"]](**recipe["config"])
    if init is not None:
        start_from(model, load_keras(load_manifest(init)))
    chips, held_out = load_chips(data, "train"), load_chips(data, "val")
    exact = np.flatnonzero(held_out.age_low == held_out.age_high)
    if not len(exact):
        raise ModelError("the val splits hold no face whose age is known exactly")
    rows, chances = np.arange(len(chips.male)), age_chances(chips, balance)
    batches = Batches(chips, rows, spec, batch, WEBCAM, seed, chances, workers=2)
    checks = Batches(held_out, exact, spec, 256, NONE, seed)
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, steps, alpha=0.01, warmup_target=rate, warmup_steps=min(500, steps // 10)
    )
    model.compile(
        keras.optimizers.AdamW(
            schedule, weight_decay=1e-4, clipnorm=5.0, use_ema=True, ema_momentum=0.998
        ),
        loss={"age": years_outside, "male": brier},
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
        ],
    ).history
    return {"model": model, "recipe": recipe, "history": history}


def main(argv: list[str] | None = None) -> int:
    """Parse, train, write NAME.json, NAME.onnx and NAME.weights.h5."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="what to train")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="zips or folders")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--view", type=float, default=0.75, help="part of the 0.4-margin chip seen")
    parser.add_argument(
        "--balance", type=float, default=0.3, help="0: ages as they come, 1: all equally often"
    )
    parser.add_argument("--init", metavar="NAME", help="model whose weights are the start")
    parser.add_argument("--licence", default="", help="of the weights, for their manifest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the result")
    args = parser.parse_args(argv)
    spec = InputSpec(view=args.view)
    try:
        result = train(
            args.name,
            args.data,
            spec,
            args.epochs,
            args.batch,
            args.rate,
            args.seed,
            args.out,
            args.init,
            args.balance,
        )
    except ModelError as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 2
    history = result["history"]
    metrics = {
        "val_mae": round(history["val_age_years_outside"][-1], 3),
        "val_gender_accuracy": round(history["val_male_gender_accuracy"][-1], 4),
    }
    command = shlex.join(["python", "-m", "models.train", *(argv or sys.argv[1:])])
    recipe = result["recipe"]
    write_model(
        result["model"],
        args.name,
        recipe["architecture"],
        recipe["config"],
        spec,
        folder=args.out,
        origin=f"{command}; Keras on {keras.backend.backend()}, seed {args.seed}",
        licence=args.licence,
        data={path.name: describe(path) for path in args.data},
        metrics=metrics,
    )
    print(metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())

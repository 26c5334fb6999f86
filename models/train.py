"""`python -m models.train`: train a network on labelled faces and write weights with a manifest.

A preset is a whole recipe, ours or that of a paper's authors; every option given beside it takes
the place of the preset's. After every epoch NAME.csv, events for TensorBoard and NAME.state.npz are
kept, from which --resume goes on; curves are drawn at the end.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from models.quiet import quiet_tensorflow

with quiet_tensorflow():
    import keras

import numpy as np

from models.commands import command_line, guarded, number, seed
from models.datasets.chips import describe, training_chips
from models.errors import ModelError
from models.exporting.weights import Description, write_model
from models.files import make_folder
from models.manifest import MEANINGS, SUFFIXES, load_manifest, load_weights
from models.training.checkpoint import Checkpoint, age_error, gender_accuracy
from models.training.curves import save_curves
from models.training.fit import Training, digest_of, fit, learnt
from models.training.recipes import add_options, chosen
from models.zoo import NETWORKS


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains."""
    names = sorted(NETWORKS)
    parser.add_argument("network", choices=names, metavar="NETWORK", help=", ".join(names))
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        required=True,
        help="zips or folders; the faces of one that is named twice are seen twice as often",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for the result (%(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=1,
        help="of all that is random (%(default)s)",
    )
    parser.add_argument(
        "--view",
        type=number(0.1, 1),
        help="part of the 0.4-margin chip that is seen (the network's)",
    )
    parser.add_argument(
        "--init",
        metavar="NAME",
        help="model, or file of a trunk (.h5), whose weights are the start",
    )
    parser.add_argument(
        "--teachers", nargs="+", metavar="NAME", default=[], help="models whose answers are learnt"
    )
    add_options(parser)


def settings(args: argparse.Namespace) -> Training:
    """What the options of `add_training` ask for. Raises ModelError."""
    recipe = chosen(args)
    if set(recipe.freeze) - {"0"} and args.init is None:
        raise ModelError(
            f"the first layers of {args.network} are random and would stay so: give their weights "
            "with --init (a model, or the trunk's .h5 of Keras' publishers), or train all with "
            "--freeze 0"
        )
    if recipe.blends and not args.teachers:
        raise ModelError("--blends: only teachers can say how old a blend is: add --teachers")
    if recipe.agreement and recipe.batch % 2:
        raise ModelError(f"--agreement shows every face twice: --batch {recipe.batch} must be even")
    if recipe.agreement and not recipe.age_weight:
        raise ModelError("--agreement is of ages in years: give them an --age-weight")
    if args.view is not None and NETWORKS[args.network].input.align == "context":
        raise ModelError(f"--view: the crops of {args.network} are fixed parts of the chip")
    if args.trust is not None and not args.teachers:
        raise ModelError("--trust is of teachers: add --teachers")
    return Training(args.network, recipe, args.seed, args.view, args.init, tuple(args.teachers))


def metrics(checkpoint: Checkpoint, keep: str) -> dict[str, float | str]:
    """Of the kept epoch, then of the best one, the earlier of two alike, and of the last one;
    epochs are numbered as in the CSV, from 0."""
    last, best = checkpoint.rows[-1], checkpoint.best_row
    found: dict[str, float | str] = {"kept": keep}
    rows = [("", best if keep == "best" else last), ("_best", best), ("_last", last)]
    for suffix, row in rows:
        figures = {
            "val_mae": round(age_error(row), 3),
            "val_gender_accuracy": round(gender_accuracy(row), 4),
            "epoch": int(row["epoch"]),
        }
        found |= {f"{name}{suffix}": value for name, value in figures.items() if value == value}
    return found


def described(paths: list[Path]) -> dict[str, Any]:
    """What a manifest says of the data sets, by their files' names, in the order given. Raises
    ModelError where two of one name differ."""
    data: dict[str, Any] = {}
    for path in paths:
        about, name = describe(path), path.resolve().name
        if data.setdefault(name, about) != about:
            raise ModelError(f"--data: two data sets are named {name}: rename one")
    return data


def known(model: str | None) -> dict[str, Any]:
    """The data sets that a model's weights have seen, as its manifest says, or the one beside a
    file of weights; a file without one, or no model, tells none."""
    if model is None:
        return {}
    if not model.endswith(".h5"):
        return load_manifest(model).data
    path = Path(model).resolve()
    beside = path.with_name(f"{path.name.removesuffix(SUFFIXES['keras'])}.json")
    return load_weights(path).data if beside.is_file() else {}


def seen(init: str | None, data: dict[str, Any]) -> dict[str, Any]:
    """The data sets that the start has seen, and these. Raises ModelError where two of one name
    differ."""
    before = known(init)
    for name in before.keys() & data.keys():
        if before[name].get("sha256") != data[name]["sha256"]:
            raise ModelError(f"--data: {init} was trained on another {name}: rename this one")
    return before | data


def origin(training: Training, command: str) -> str:
    """What the manifest says of how the weights came about, with the hashes of models that gave the
    start or taught: their names alone may stand for other weights later."""
    said = [command, f"Keras on {keras.backend.backend()}, seed {training.seed}"]
    for role, name in (("start", training.init), *(("teacher", t) for t in training.teachers)):
        if name is not None:
            said.append(f"{role} {name} (sha256 {digest_of(name)[:12]})")
    return "; ".join(said)


def run(args: argparse.Namespace, command: str) -> dict[str, float | str]:
    """Train as the command line asks and write the model; what the manifest says of its errors."""
    training = settings(args)
    make_folder(args.out)
    chips = training_chips(args.data)
    rows, checks = (np.flatnonzero(chips.splits == split) for split in ("train", "val"))
    if not len(rows):
        raise ModelError(f"{', '.join(map(str, args.data))}: no face in the split 'train'")
    told = learnt(training, chips, rows)
    data = described(args.data)
    came_from, all_seen = origin(training, command), seen(training.init, data)
    names = [path.resolve().name for path in args.data]
    named = [(name, data[name]) for name in names]
    checkpoint = fit(training, chips, rows, checks, args.out, args.resume, named)
    save_curves(checkpoint.rows, checkpoint.best_row, args.network, checkpoint.table)
    found = metrics(checkpoint, args.keep)
    write_model(
        training.build(checkpoint.best if args.keep == "best" else checkpoint.last),
        Description(
            args.network,
            training.of.architecture,
            training.config,
            training.input,
            origin=came_from,
            licence=args.licence,
            data=all_seen,
            metrics=found,
            flip_tta=True,
        ),
        folder=args.out,
        untrained_outputs=MEANINGS.keys() - told,
    )
    return found


def main(argv: list[str] | None = None) -> int:
    """Parse, train, write NAME.json, NAME.onnx, NAME.weights.h5 and NAME.png."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    add_training(parser)
    parser.add_argument(
        "--keep",
        choices=("last", "best"),
        default="last",
        help="the epoch whose weights are kept (%(default)s)",
    )
    parser.add_argument("--resume", action="store_true", help="go on where --out was stopped")
    parser.add_argument("--licence", default="", help="of the weights, for their manifest")
    args = parser.parse_args(argv)
    return guarded(
        "models.train",
        lambda: print(run(args, command_line("models.train", argv))),
        f"; --resume goes on from {args.out}",
    )


if __name__ == "__main__":
    sys.exit(main())

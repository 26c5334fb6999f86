"""`python -m models.crossval`: train a network fold by fold and test it on the faces left out.

Every fold is trained as `python -m models.train` does and tested with the weights of its last epoch
and of its best one, which a tenth of the training faces chooses. Crops are aligned chips, one view
of each; pictures in which no face is found are in no fold, and of those that a data set has twice,
byte for byte, one is. Means are means of the folds' rates, ± is their population standard
deviation. A run that was stopped goes on when given again.
"""

import argparse
import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from models.commands import command_line, count, guarded
from models.datasets.chips import Chips, distinct_chips, unique_data_sets
from models.errors import ModelError
from models.evaluation import results_table
from models.evaluation.brackets import bracket_metrics
from models.evaluation.metrics import mean
from models.files import make_folder
from models.train import add_training, described, known, settings
from models.training.augment import NONE
from models.training.batches import Batches
from models.training.checkpoint import Weights
from models.training.fit import Training, fit, learnt
from models.training.protocols import PROTOCOLS, Fold, folds

PARTS = 10  # of kfold
EPOCHS = ("last", "best")
FIGURES = {
    "mae": "age error, years",
    "cs3": "CA(3), error ≤ 3 years",
    "cs5": "CA(5), error ≤ 5 years",
    "cs7": "CA(7), error ≤ 7 years",
    "bracket_exact": "bracket, exact",
    "bracket_1off": "bracket, 1-off",
    "bracket_top2": "bracket, top-2",
    "gender_accuracy": "gender accuracy",
}


def test(
    training: Training, weights: Weights, chips: Chips, rows: np.ndarray, told: set[str]
) -> dict[str, float | None]:
    """FIGURES of a trained network on these rows, of the outputs `told`; None for what labels or
    outputs do not tell."""
    crops = Batches(chips, rows, training.input, 64, NONE, training.seed, targets={})
    answers = training.build(weights).predict(crops, verbose=0)
    answers = {output: values for output, values in answers.items() if output in told}
    unknown = np.full(len(rows), np.nan)
    ages, males = answers.get("age", unknown), answers.get("male", unknown)
    low, high, labelled = (column[rows] for column in (chips.age_low, chips.age_high, chips.male))
    errors = np.abs(np.clip(ages, 0.0, 100.0) - low)[(low == high) & np.isfinite(ages)]
    known = np.isfinite(labelled) & np.isfinite(males)
    return {
        "mae": mean(errors),
        **{f"cs{years}": mean(errors <= years) for years in (3, 5, 7)},
        **bracket_metrics(low, high, ages, answers.get("nodes")),
        "gender_accuracy": mean((males >= 0.5)[known] == (labelled[known] == 1)),
    }


def run_fold(
    training: Training, chips: Chips, fold: Fold, folder: Path, about: dict[str, Any]
) -> list[dict[str, Any]]:
    """Train and test a fold; a row for the last and for the best epoch."""
    checkpoint = fit(training, chips, fold.train, fold.val, folder, resume=True, data=about)
    told = learnt(training, chips, fold.train)
    counted = {"train": len(fold.train), "val": len(fold.val), "test": len(fold.test)}
    epochs = {
        "last": (checkpoint.last, checkpoint.rows[-1]),
        "best": (checkpoint.best, checkpoint.best_row),
    }
    return [
        {"weights": kind, "epoch": int(row["epoch"]), **counted}
        | test(training, weights, chips, fold.test, told)
        for kind, (weights, row) in epochs.items()
    ]


def refuse_known(training: Training, data: dict[str, Any]) -> None:
    """Raise ModelError where the start or a teacher was trained on this data: it would know faces
    that are to be tested."""
    tested = {about["sha256"]: name for name, about in data.items()}
    for model in (training.init, *training.teachers):
        for about in known(model).values():
            if name := tested.get(about.get("sha256")):
                raise ModelError(
                    f"{model} was trained on {name} and knows faces that are to be tested: leave "
                    "it out of --init and --teachers"
                )


def run(args: argparse.Namespace, command: str) -> str:
    """All folds that the table has not yet; what it says in the end."""
    if args.k and args.protocol != "kfold":
        raise ModelError(f"--k is of kfold: {args.protocol} has its own folds")
    k = args.k or PARTS
    training, name = settings(args), f"{args.network}-{args.protocol}"
    make_folder(args.out)
    if len(unique_data_sets(args.data)) < len(args.data):
        raise ModelError("--data names a data set twice: its faces would be in two folds")
    chips = distinct_chips(args.data)
    rows = np.arange(len(chips))
    if args.limit is not None and args.limit < len(rows):
        rows = rows[np.arange(args.limit) * len(rows) // args.limit]
    table, about = args.out / f"{name}.csv", {"limit": args.limit, "k": k}
    data = described(args.data)
    refuse_known(training, data)
    about["data"] = list(data.items())
    told = json.dumps({**asdict(training), **about}, sort_keys=True, default=str)
    run_as = {"settings": hashlib.sha256(told.encode()).hexdigest()[: results_table.DIGITS]}
    done = {row["fold"]: row["settings"] for row in results_table.read(table)}
    if set(done.values()) - set(run_as.values()):
        raise ModelError(f"{table} has folds of other settings: give the same, or another --out")
    parts = list(folds(args.protocol, chips, rows, k, args.seed))
    for number, fold in enumerate(parts, start=1):
        if fold.name in done:
            continue
        print(f"fold {fold.name}, {number} of {len(parts)}: {len(fold.test)} faces to test")
        folder = args.out / name / fold.name
        make_folder(folder)
        found = run_fold(training, chips, fold, folder, about)
        results_table.write(
            table, {"fold": fold.name}, [row | run_as | {"command": command} for row in found]
        )
        (folder / f"{args.network}.state.npz").unlink()  # the table has the fold from now on
    return summary(results_table.read(table), f"{name} on {', '.join(data)}")


def summary(rows: list[dict[str, str]], title: str) -> str:
    """Means and population standard deviations of the folds, of the last and of the best epoch."""
    by_epoch = {kind: [row for row in rows if row["weights"] == kind] for kind in EPOCHS}
    lines = [
        f"{title}: {len(by_epoch['last'])} folds, mean ± population standard deviation",
        f"{'':<24}" + "".join(f"{kind + ' epoch':>20}" for kind in EPOCHS),
    ]
    for figure, meaning in FIGURES.items():
        cells = []
        for kind in EPOCHS:
            values = [float(row[figure]) for row in by_epoch[kind] if row.get(figure)]
            cells.append(f"{np.mean(values):.4f} ± {np.std(values):.4f}" if values else "-")
        if cells != ["-", "-"]:
            lines.append(f"{meaning:<24}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Parse, train and test all folds, write OUT/NETWORK-PROTOCOL.csv, print."""
    parser = argparse.ArgumentParser(prog="python -m models.crossval", description=__doc__)
    add_training(parser)
    parser.add_argument(
        "--protocol",
        choices=sorted(PROTOCOLS),
        required=True,
        help="the data set's own folds, --k parts of the shuffled pictures, or a person at a time",
    )
    parser.add_argument("--k", type=count, help=f"parts of kfold ({PARTS})")
    parser.add_argument("--limit", type=count, help="only so many faces, spread over the data")
    args = parser.parse_args(argv)
    return guarded(
        "models.crossval",
        lambda: print(run(args, command_line("models.crossval", argv))),
        "; the same command goes on",
    )


if __name__ == "__main__":
    sys.exit(main())

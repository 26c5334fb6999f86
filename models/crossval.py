"""`python -m models.crossval`: cross-validate a network: train it fold by fold and test it on the
faces left out.

Each fold is trained as by `python -m models.train` and tested twice: with the weights of its last
epoch, and of its best epoch, which is chosen on a tenth of the training faces. The test uses one
central crop of each chip. Pictures without a face are in no fold, and of byte-identical pictures of
a data set only the first is used. Results are means over the folds, ± is the population standard
deviation. Give the same command again to continue a stopped run.
"""

import argparse
import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from models.quiet import quiet_tensorflow

with quiet_tensorflow():
    from models.training.fit import Faces, fit, trained_outputs

import numpy as np

from models.commands import command_line, count, guarded
from models.datasets.chips import Chips, distinct_chips, unique_data_sets
from models.errors import ModelError
from models.evaluation import results_table
from models.evaluation.brackets import bracket_metrics
from models.evaluation.metrics import mean
from models.files import make_folder
from models.training.batches import Batches, Sampling
from models.training.config import Training
from models.training.options import add_training, training_from
from models.training.protocols import PROTOCOLS, Fold, folds
from models.training.provenance import describe_data, refuse_test_data

PARTS = 10  # of kfold
EPOCHS = ("last", "best")
TEST_BATCH = 64  # faces
METRICS = {  # column of the table -> its name for people
    "mae": "age error, years",
    "cs3": "CA(3), error ≤ 3 years",
    "cs5": "CA(5), error ≤ 5 years",
    "cs7": "CA(7), error ≤ 7 years",
    "bracket_exact": "bracket, exact",
    "bracket_1off": "bracket, 1-off",
    "bracket_top2": "bracket, top-2",
    "gender_accuracy": "gender accuracy",
}


def score_fold(
    training: Training, weights: list[np.ndarray], chips: Chips, rows: np.ndarray, outputs: set[str]
) -> dict[str, float | None]:
    """METRICS of a trained network on these rows of the chips, for the outputs that were trained;
    None for a metric without labels or output."""
    crops = Batches(chips, rows, training.input, TEST_BATCH, {}, Sampling())
    predictions = training.build(weights).predict(crops, verbose=0)
    predictions = {name: values for name, values in predictions.items() if name in outputs}
    unknown = np.full(len(rows), np.nan)
    ages, male_probs = predictions.get("age", unknown), predictions.get("male", unknown)
    low, high, males = (column[rows] for column in (chips.age_low, chips.age_high, chips.male))
    errors = np.abs(np.clip(ages, 0.0, 100.0) - low)[(low == high) & np.isfinite(ages)]
    known = np.isfinite(males) & np.isfinite(male_probs)
    return {
        "mae": mean(errors),
        **{f"cs{years}": mean(errors <= years) for years in (3, 5, 7)},
        **bracket_metrics(low, high, ages, predictions.get("nodes")),
        "gender_accuracy": mean((male_probs >= 0.5)[known] == (males[known] == 1)),
    }


def run_fold(
    training: Training, chips: Chips, fold: Fold, folder: Path, about: dict[str, Any], title: str
) -> list[dict[str, Any]]:
    """Train and test a fold; one row for the last and one for the best epoch. `about` identifies
    the data, to resume; `title` begins the lines of progress."""
    faces = Faces(chips, fold.train, fold.val)
    checkpoint = fit(training, faces, folder, resume=True, data=about, title=title)
    outputs = trained_outputs(training, chips, fold.train)
    counts = {"train": len(fold.train), "val": len(fold.val), "test": len(fold.test)}
    epochs = {
        "last": (checkpoint.last, checkpoint.rows[-1]),
        "best": (checkpoint.best, checkpoint.best_row),
    }
    return [
        {"weights": kind, "epoch": int(row["epoch"]), **counts}
        | score_fold(training, weights, chips, fold.test, outputs)
        for kind, (weights, row) in epochs.items()
    ]


def run(args: argparse.Namespace, command: str) -> str:
    """Train and test all folds that the table of results lacks; the closing table."""
    if args.k and args.protocol != "kfold":
        raise ModelError(f"--k works with kfold alone: {args.protocol} has its own folds")
    training, name = training_from(args), f"{args.network}-{args.protocol}"
    make_folder(args.out)
    if len(unique_data_sets(args.data)) < len(args.data):
        raise ModelError("--data has a data set twice, so a face would be in two folds: remove one")
    chips = distinct_chips(args.data)
    data = describe_data(args.data)
    refuse_test_data(training, data)
    about = {"limit": args.limit, "k": args.k or PARTS, "data": list(data.items())}
    settings = json.dumps({**training.stored(), **about}, sort_keys=True, default=str)
    digest = hashlib.sha256(settings.encode()).hexdigest()[: results_table.DIGITS]
    table = args.out / f"{name}.csv"
    done = {row["fold"]: row["settings"] for row in results_table.read(table)}
    if set(done.values()) - {digest}:
        raise ModelError(f"{table} has folds of other settings: give the same, or another --out")
    rows = _limited(np.arange(len(chips)), args.limit)
    parts = list(folds(args.protocol, chips, rows, about["k"], args.seed))
    for number, fold in enumerate(parts, start=1):
        if fold.name in done:
            continue
        folder = args.out / name / fold.name
        make_folder(folder)
        title = f"fold {fold.name} ({number} of {len(parts)}), "
        found = run_fold(training, chips, fold, folder, about, title)
        how = {"settings": digest, "command": command}
        results_table.write(table, {"fold": fold.name}, [row | how for row in found])
        (folder / f"{args.network}.state.npz").unlink()  # the table has the fold from now on
    title = f"{name} on {', '.join(data)}"
    return f"{summary(results_table.read(table), title)}\nwritten: {table}"


def _limited(rows: np.ndarray, limit: int | None) -> np.ndarray:
    """All rows (N,), or `limit` of them at equal distances."""
    if limit is None or limit >= len(rows):
        return rows
    return rows[np.arange(limit) * len(rows) // limit]


def summary(rows: list[dict[str, str]], title: str) -> str:
    """A table of the means over the folds and their population standard deviations, for the last
    and the best epoch; `rows` are those of the table of results."""
    by_epoch = {kind: [row for row in rows if row["weights"] == kind] for kind in EPOCHS}
    lines = [
        f"{title}: {len(by_epoch['last'])} folds, mean ± population standard deviation",
        f"{'':<24}" + "".join(f"{kind + ' epoch':>20}" for kind in EPOCHS),
    ]
    for metric, meaning in METRICS.items():
        cells = []
        for kind in EPOCHS:
            values = [float(row[metric]) for row in by_epoch[kind] if row.get(metric)]
            cells.append(f"{np.mean(values):.4f} ± {np.std(values):.4f}" if values else "-")
        if cells != ["-", "-"]:
            lines.append(f"{meaning:<24}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def command_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.crossval", description=__doc__)
    add_training(parser)
    parser.add_argument(
        "--protocol",
        choices=sorted(PROTOCOLS),
        required=True,
        help="adience-5fold: the data set's own folds; kfold: --k parts of the shuffled pictures; "
        "lopo: leave one person out",
    )
    parser.add_argument("--k", type=count, help=f"number of parts for kfold ({PARTS})")
    parser.add_argument("--limit", type=count, help="use N faces, spread over the data")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, train and test all folds, write OUT/NETWORK-PROTOCOL.csv, print the table."""
    args = command_parser().parse_args(argv)
    # TensorFlow warns of a new graph per fold, which is meant
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return guarded(
        "models.crossval",
        lambda: print(run(args, command_line("models.crossval", argv))),
        "; the same command continues",
    )


if __name__ == "__main__":
    sys.exit(main())

"""`python -m models.train`: train a network on labelled faces; writes its weights and a manifest.

A preset is a complete recipe, ours or that of a paper's authors; options change single settings of
it. After every epoch the history NAME.csv, TensorBoard events and the state NAME.state.npz are
written; --resume continues from that state. The curves NAME.png are drawn at the end.
"""

import argparse
import math
import sys
from pathlib import Path

from models.quiet import quiet_tensorflow

with quiet_tensorflow():
    from models.training.fit import Faces, fit, trained_outputs

import numpy as np

from models.commands import command_line, guarded
from models.datasets.chips import training_chips
from models.errors import ModelError
from models.exporting.weights import Description, write_model
from models.files import make_folder
from models.manifest import MEANINGS, Manifest
from models.training.checkpoint import Checkpoint, age_error, gender_accuracy
from models.training.curves import save_curves
from models.training.options import add_training, training_from
from models.training.provenance import all_training_data, describe_data, origin

EPOCHS = ("best", "last")  # whose weights --keep can choose


def metrics(checkpoint: Checkpoint, keep: str) -> dict[str, float | str]:
    """The manifest's metrics: val errors of the kept epoch, then of the best and of the last one.
    Epochs are numbered from 0, as in the CSV."""
    last, best = checkpoint.rows[-1], checkpoint.best_row
    found: dict[str, float | str] = {"kept": keep}
    rows = [("", best if keep == "best" else last), ("_best", best), ("_last", last)]
    for suffix, row in rows:
        values = {
            "val_mae": round(age_error(row), 3),
            "val_gender_accuracy": round(gender_accuracy(row), 4),
            "epoch": int(row["epoch"]),
        }
        found |= {f"{name}{suffix}": value for name, value in values.items() if value == value}
    return found


def load_faces(paths: list[Path]) -> Faces:
    """The train and val faces of these data sets. Raises ModelError if there is no train face."""
    chips = training_chips(paths)
    faces = Faces(chips, *(np.flatnonzero(chips.splits == split) for split in ("train", "val")))
    if not len(faces.train_rows):
        raise ModelError(f"{', '.join(map(str, paths))}: no face in the split 'train'")
    return faces


def run(args: argparse.Namespace, command: str) -> str:
    """Train as the command line says and write the model; the closing lines."""
    training = training_from(args)
    make_folder(args.out)
    faces = load_faces(args.data)
    outputs = trained_outputs(training, faces.chips, faces.train_rows)
    data = describe_data(args.data)
    everything = all_training_data(training, data)
    names = [path.resolve().name for path in args.data]
    named = [(name, data[name]) for name in names]
    checkpoint = fit(training, faces, args.out, args.resume, named)
    curves = checkpoint.table.with_suffix(".png")
    save_curves(checkpoint.rows, checkpoint.best_row, args.network, curves)
    manifest = write_model(
        training.build(checkpoint.best if args.keep == "best" else checkpoint.last),
        Description(
            args.network,
            training.network_spec.architecture,
            training.config,
            training.input,
            origin=origin(training, command),
            licence=args.licence,
            data=everything,
            metrics=metrics(checkpoint, args.keep),
            flip_tta=True,
        ),
        folder=args.out,
        untrained_outputs=MEANINGS.keys() - outputs,
    )
    return "\n".join(closing_lines(checkpoint, args.keep, faces, manifest, curves))


def closing_lines(
    checkpoint: Checkpoint, keep: str, faces: Faces, manifest: Manifest, curves: Path
) -> list[str]:
    """A table of the best and the last epoch, and the files that were written."""
    count = len(checkpoint.rows)
    rows = {"best": checkpoint.best_row, "last": checkpoint.rows[-1]}
    lines = [
        f"{manifest.name}: {len(faces.train_rows):,} train and {len(faces.val_rows):,} val faces",
        f"{'epoch':<6}{'':>9}{'val age error':>16}{'val gender accuracy':>22}",
    ]
    for kind in EPOCHS:
        row, mark = rows[kind], "  kept" if kind == keep else ""
        age = _cell(age_error(row), ".3f", " years")
        gender = _cell(100 * gender_accuracy(row), ".1f", " %")
        place = f"{row['epoch'] + 1:.0f}/{count}"
        lines.append(f"{kind:<6}{place:>9}{age:>16}{gender:>22}{mark}")
    names = [f"{manifest.name}.json", *(entry["name"] for entry in manifest.files.values())]
    names += [checkpoint.table.name, checkpoint.state.name, curves.name]
    folder = manifest.folder
    lines.append(f"written to {folder}: {', '.join(names)}; TensorBoard: {checkpoint.events}")
    return lines


def _cell(value: float, digits: str, unit: str) -> str:
    return "-" if math.isnan(value) else f"{value:{digits}}{unit}"


def command_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    add_training(parser)
    parser.add_argument(
        "--keep",
        choices=sorted(EPOCHS, reverse=True),
        default="last",
        help="epoch whose weights are written: the last, or the best by val error (%(default)s)",
    )
    parser.add_argument("--resume", action="store_true", help="continue a stopped run in --out")
    parser.add_argument("--licence", default="", help="licence of the weights, for their manifest")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, train, write NAME.json, NAME.onnx, NAME.weights.h5 and NAME.png."""
    args = command_parser().parse_args(argv)
    return guarded(
        "models.train",
        lambda: print(run(args, command_line("models.train", argv))),
        f"; --resume continues from {args.out}",
    )


if __name__ == "__main__":
    sys.exit(main())

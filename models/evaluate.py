"""`python -m models.evaluate`: measure a model's errors on labelled pictures.

Each picture goes through the live detector and aligner, and its largest face counts. A picture
without a face is resized as a whole to the network's crop (for C3AE: to the chip). The metrics are
defined in `models.evaluation.metrics`; ± is half of a 95 % interval, by bootstrap for the age
error, by Wilson for shares.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.commands import add_model, command_line, count, guarded
from models.datasets.chips import data_set_sha256
from models.datasets.faces import MIN_FACE
from models.datasets.labels import Pictures, Sample
from models.datasets.twins import find_twins, write_twins
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluation.metrics import Results
from models.evaluation.report import build_report, report_table, save_report, twins_report
from models.evaluation.run import count_repeated, evaluate, larger_crops, select_samples
from models.files import make_folder
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest
from models.printable import printable


def run(args: argparse.Namespace, command: str) -> tuple[dict[str, Any], list[Path]]:
    """Evaluate as the command line says; the report, and the files that were written."""
    began = time.perf_counter()
    manifest, pictures = load_manifest(args.name), Pictures(args.data)
    name = args.data.resolve().name
    if args.save:
        _check_savable(args, manifest, name)
    if args.twins_csv and not args.twins:
        raise ModelError("--twins-csv: give the data sets of training with --twins")
    folders = (args.plots, args.save, args.twins_csv and args.twins_csv.parent)
    for folder in filter(None, folders):
        make_folder(folder)
    samples = select_samples(pictures, args.split, args.limit)
    detector = None if args.chips else Mtcnn(MIN_FACE, video=False)
    estimator = Estimator(manifest, choose_device(args.device))
    results = evaluate(estimator, pictures, samples, detector)
    if not len(results):
        raise ModelError(
            f"{args.data}: none of the {len(samples)} pictures of split {args.split!r} could be "
            "read from images/"
        )
    subject = {"model": manifest.name, "data": str(args.data), "split": args.split}
    counts = {
        "repeated": count_repeated(pictures, args.split),
        "unreadable": len(samples) - len(results),
    }
    report = build_report(results, subject, args.chips, counts)
    twins = find_twins(args.data, args.split, args.twins) if args.twins else []
    if args.twins:
        report["twins"] = twins_report(results, samples, twins)
    report["seconds"] = round(time.perf_counter() - began, 2)
    written = save_report(report, manifest, name, command, args.save) if args.save else []
    if args.twins_csv:
        write_twins(twins, args.twins_csv)
        written.append(args.twins_csv)
    if args.plots:
        written += _plot(results, pictures, samples, detector, manifest, args)
    return report, written


def _check_savable(args: argparse.Namespace, manifest: Manifest, name: str) -> None:
    """Raise ModelError if the results must not be added to the tables of results."""
    if args.chips:
        raise ModelError("--save keeps results of the live path: remove --chips or --save")
    if args.limit is not None:
        raise ModelError("--save keeps results of whole splits: remove --limit or --save")
    trained_on = manifest.data.get(name)
    if trained_on and trained_on["sha256"] != data_set_sha256(args.data):
        raise ModelError(
            f"--save: {args.data} differs from the {name} that {manifest.name} was trained on, so "
            "its test faces may be among the training faces: rename it or remove --save"
        )


def _plot(
    results: Results,
    pictures: Pictures,
    samples: list[Sample],
    detector: Mtcnn | None,
    manifest: Manifest,
    args: argparse.Namespace,
) -> list[Path]:
    """Draw the plots in --plots; their paths."""
    from models.evaluation.plots import save_plots, worst

    title = f"{manifest.name} on {args.data.name}, split {args.split}, {len(results)} pictures"
    rows = np.unique(np.concatenate(worst(results))).tolist()
    sample_rows = results.rows[rows].tolist()
    crops = larger_crops(sample_rows, pictures, samples, detector, manifest.input)
    return save_plots(results, dict(zip(rows, crops, strict=True)), title, args.plots)


def command_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    add_model(parser)
    parser.add_argument("--data", type=Path, required=True, help="zip or folder with labels.csv")
    parser.add_argument("--split", default="test", help="split to evaluate (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--chips", action="store_true", help="the pictures are crops already: do not detect faces"
    )
    parser.add_argument("--limit", type=count, help="evaluate N pictures, spread over the split")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="where to run (%(default)s)",
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write plots and a sheet of the worst errors"
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="add the results to evaluation.csv and groups.csv"
    )
    parser.add_argument(
        "--twins",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="count pictures of which a copy, resized, cut, toned or mirrored, is in the train "
        "split of one of these data sets, and measure the errors without them",
    )
    parser.add_argument("--twins-csv", type=Path, metavar="FILE", help="write the twins to a table")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, evaluate, print the report."""
    args = command_parser().parse_args(argv)

    def work() -> None:
        report, written = run(args, command_line("models.evaluate", argv))
        print(json.dumps(report, allow_nan=False) if args.json else report_table(report))
        if written and not args.json:
            print(f"written: {printable(', '.join(map(str, written)))}")

    return guarded("models.evaluate", work)


if __name__ == "__main__":
    sys.exit(main())

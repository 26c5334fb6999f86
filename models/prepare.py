"""`python -m models.prepare`: convert a data set as its authors distribute it to a zip with
labels.csv and images/, which `models.train` and `models.evaluate` read.

Each picture is cropped to the region around its largest face. A killed run is resumed by the same
command and gives the same bytes. Beside OUT.zip it writes OUT.report.json, the counts of pictures
kept and dropped with the reasons, and OUT.png, the ages by gender.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from models.commands import guarded
from models.datasets.formats import FORMATS, Rules
from models.datasets.preparation import NO_SPLIT, prepare, report_paths
from models.datasets.splits import SPLITS
from models.printable import printable


def report_table(report: dict[str, Any]) -> str:
    """The report as a table: pictures kept, and dropped by reason, per split."""
    rows = {"kept": report["kept"], **report["dropped"]}
    splits = [s for s in (*SPLITS, NO_SPLIT) if any(s in row for row in rows.values())]
    kept, width = sum(report["kept"].values()), max(map(len, rows))
    lines = [
        f"{report['name']}: {kept} of {report['pictures']} pictures kept",
        " " * width + "".join(f"{name:>10}" for name in (*splits, "all")),
    ]
    for name, row in rows.items():
        counts = [*(row.get(split, 0) for split in splits), sum(row.values())]
        lines.append(f"{name:<{width}}" + "".join(f"{count:>10}" for count in counts))
    return "\n".join(lines)


def score(text: str) -> float:
    """A number, possibly infinite, for argparse's `type`."""
    value = float(text)
    if math.isnan(value):
        raise ValueError
    return value


def command_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.prepare", description=__doc__)
    parser.add_argument("name", choices=FORMATS, metavar="NAME", help=", ".join(FORMATS))
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder or zip of the data set")
    parser.add_argument("out", type=Path, metavar="OUT.zip", help="the zip to write")
    parser.add_argument(
        "--one-face",
        action="store_true",
        help="drop pictures with more than one face (morph2 always does)",
    )
    parser.add_argument(
        "--min-face-score",
        type=score,
        help="imdb and wiki: drop a picture whose face_score is lower "
        f"({Rules.min_face_score}; -inf keeps all)",
    )
    parser.add_argument(
        "--max-second-score",
        type=score,
        help="imdb and wiki: drop a picture whose second_face_score is higher "
        f"({Rules.max_second_score}: no second face at all; some papers use 0)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, prepare, print the report and the files that were written."""
    parser = command_parser()
    args = parser.parse_args(argv)
    scores = {name: getattr(args, name) for name in ("min_face_score", "max_second_score")}
    scores = {name: value for name, value in scores.items() if value is not None}
    if scores and args.name not in ("imdb", "wiki"):
        parser.error(f"{args.name} has no face scores: remove the option")
    rules = Rules(**scores, one_face=args.one_face)

    def work() -> None:
        print(report_table(prepare(args.name, args.source, args.out, rules)))
        written = (args.out, *report_paths(args.out))
        print(f"written: {printable(', '.join(map(str, written)))}")

    return guarded("models.prepare", work, "; the same command resumes the work")


if __name__ == "__main__":
    sys.exit(main())

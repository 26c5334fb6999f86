"""`python -m models.overview`: one table of all networks, as Markdown, from models/results.

Parameters and input are those of `models.zoo`; errors come from evaluation.csv (`models.evaluate
--save`), size and times from speed.csv (`models.bench --save`). "-" is what was not measured. MB
are those of the ONNX file; times are of one crop a face on the processor, the best of several.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from models.commands import guarded
from models.evaluation import results_table
from models.manifest import load_manifest, names
from models.zoo import ARCHITECTURES, NETWORKS

HEADS = (
    "network",
    "input",
    "parameters",
    "MB",
    "UTKFace: age error",
    "gender",
    "All-Age-Faces: age error",
    "gender",
    "ms, 1 face",
    "8 faces",
)


def overview(results: Path) -> str:
    """The table, smallest network first. Raises ModelError."""
    evaluations, speeds = (
        results_table.read(results / f"{t}.csv") for t in ("evaluation", "speed")
    )
    rows = [_row(name, evaluations, speeds) for name in NETWORKS]
    rows.sort(key=lambda row: int(row[2].replace(",", "")))
    lines = [HEADS, ["---"] * len(HEADS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(
    name: str, evaluations: list[results_table.Row], speeds: list[results_table.Row]
) -> list[str]:
    network, trained = NETWORKS[name], name in names()
    parameters = ARCHITECTURES[network.architecture](**network.config).count_params()
    speed = next((row for row in speeds if row["model"] == name), {})
    own = {"model": name, **(results_table.weights_of(load_manifest(name)) if trained else {})}
    errors = []
    for data in ("utkface.zip", "aaf.zip"):
        wanted = own | {"data": data, "split": "test"}
        found = next((row for row in evaluations if wanted.items() <= row.items()), {})
        for figure, form in (("mae", ".2f"), ("gender_accuracy", ".1%")):
            told = found.get(figure) if trained else None
            errors.append(f"{float(told):{form}}" if told else "-")
    crops = "3 × " if network.input.depth > 3 else ""
    return [
        f"`{name}`",
        f"{crops}{network.input.size} px",
        f"{parameters:,}",
        f"{int(speed['bytes']) / 1e6:.1f}" if speed else "-",
        *errors,
        *(f"{float(speed[column]):.1f}" if speed else "-" for column in ("ms_1", "ms_8")),
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m models.overview",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=results_table.RESULTS, metavar="DIR")
    args = parser.parse_args(argv)
    return guarded("models.overview", lambda: print(overview(args.results)))


if __name__ == "__main__":
    sys.exit(main())

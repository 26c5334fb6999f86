"""`python -m models.overview`: print a Markdown table of all networks from models/results.

Parameters and input come from `models.zoo`, errors from evaluation.csv (`models.evaluate --save`),
size and times from speed.csv (`models.bench --save`). "-" means not measured. MB is the size of the
ONNX file; times are for one crop per face on the CPU, the best of several.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from models.commands import guarded
from models.crops.spec import InputSpec
from models.evaluation import results_table
from models.manifest import load_manifest, names
from models.quiet import quiet_tensorflow

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
    """The table as Markdown, smallest network first. Raises ModelError if a CSV file of `results`
    is damaged."""
    with quiet_tensorflow():
        from models.zoo import ARCHITECTURES, NETWORKS

    parameters = {
        name: ARCHITECTURES[network.architecture](**network.config).count_params()
        for name, network in tqdm(NETWORKS.items(), "building networks", unit="network")
    }
    evaluations, speeds = (
        results_table.read(results / f"{t}.csv") for t in ("evaluation", "speed")
    )
    rows = []
    for name in sorted(NETWORKS, key=lambda name: parameters[name]):
        size = [_crops(NETWORKS[name].input), f"{parameters[name]:,}"]
        rows.append([f"`{name}`", *size, *_measured(name, evaluations, speeds)])
    lines = [HEADS, ["---"] * len(HEADS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _crops(spec: InputSpec) -> str:
    return f"{'3 × ' if spec.align == 'context' else ''}{spec.size} px"


def _measured(
    name: str, evaluations: list[results_table.Row], speeds: list[results_table.Row]
) -> list[str]:
    """The cells of a network from size to speed; "-" for values that are not in the results of its
    current weights."""
    trained = name in names()
    speed = next((row for row in speeds if row["model"] == name), {})
    own = {"model": name, **(results_table.weights_of(load_manifest(name)) if trained else {})}
    errors = []
    for data in ("utkface.zip", "aaf.zip"):
        key = own | {"data": data, "split": "test"}
        found = next((row for row in evaluations if key.items() <= row.items()), {})
        for column, form in (("mae", ".2f"), ("gender_accuracy", ".1%")):
            value = found.get(column) if trained else None
            errors.append(f"{float(value):{form}}" if value else "-")
    return [
        f"{int(speed['bytes']) / 1e6:.1f}" if speed else "-",
        *errors,
        *(f"{float(speed[column]):.1f}" if speed else "-" for column in ("ms_1", "ms_8")),
    ]


def main(argv: list[str] | None = None) -> int:
    """Parse and print the table; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.overview",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=results_table.RESULTS,
        metavar="DIR",
        help="folder of evaluation.csv and speed.csv (models/results)",
    )
    args = parser.parse_args(argv)
    return guarded("models.overview", lambda: print(overview(args.results)))


if __name__ == "__main__":
    sys.exit(main())

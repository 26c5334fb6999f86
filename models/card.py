"""`python -m models.card NAME`: write the model card NAME.md beside the weights.

The card takes its figures from the manifest and from the tables in models/results.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from models.commands import add_model, guarded
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.evaluation import results_table
from models.evaluation.metrics import ADULT, BEHIND, COVERED
from models.manifest import Manifest, load_manifest
from models.networks.papers import PAPERS
from models.printable import printable

USE = """Estimating the apparent age and gender of faces, live or in recordings, as `stream.py`
does: overlays, exhibits, demonstrations, statistics over many people who know about it, and
research on such estimators."""

NOT_USE = """- Any decision about a person: access by age, hiring, policing, health, identity.
- Proof of age or protection of children: the network may take a child for an adult, or an adult
  for a child.
- Gender as a person understands it: the network predicts one of two labels that other people gave
  to pictures.
- Watching people who do not know about it, or where the law forbids it."""

LIMITS = """- The data sets contain wrong labels, and more people of some ages and origins than of
  others: the tables above show the groups with larger errors.
- Errors are larger for faces that are small, turned, hidden, blurred or badly lit."""

FIGURES = {
    "n": "faces",
    "mae": "age error, years",
    "cs5": "within 5 years",
    "gender_accuracy": "gender right",
    "coverage": "inside 90 % range",
    "range_width": "range, years",
    "ece": "gender calibration error",
}


def card(manifest: Manifest, results: Path) -> str:
    """Write the card as Markdown.

    `results` is a folder with evaluation.csv and groups.csv and, if measured, steadiness.csv and
    repeat.csv. Raises ModelError if it has no results for these weights.
    """
    own = {"model": manifest.name, **results_table.weights_of(manifest)}
    overall, groups, steadiness = (
        [row for row in results_table.read(results / name) if own.items() <= row.items()]
        for name in ("evaluation.csv", "groups.csv", "steadiness.csv")
    )
    repeated = {"model": manifest.name, "command": manifest.repeat}
    curve = [
        row for row in results_table.read(results / "repeat.csv") if repeated.items() <= row.items()
    ]
    if not overall or not groups:
        raise ModelError(
            f"{results} has no results for these weights of {manifest.name} "
            f"({own['weights']}): run python -m models.evaluate with --save {results}"
        )
    sections = [
        f"# {manifest.name}",
        _summary(manifest),
        _files(manifest),
        "## Intended use",
        USE,
        "## Not intended",
        NOT_USE,
        "## Licence",
        manifest.licence or "Not stated.",
        "## Training",
        _training(manifest),
        *_repeat(manifest, curve),
        "## Results",
        _overall(overall),
        *_steady(steadiness),
        "## Groups",
        *(_group_tables(row, groups) for row in overall),
        "## Limits",
        "\n".join([LIMITS, *(_lags(row) for row in overall)]),
    ]
    return "\n\n".join(sections) + "\n"


def _summary(manifest: Manifest) -> str:
    """Describe architecture, input and outputs."""
    outputs = "; ".join(f"`{name}`, {meaning}" for name, meaning in manifest.outputs.items())
    mirror = (
        " The prediction is the mean over each crop and its mirror image."
        if manifest.flip_tta
        else ""
    )
    return (
        f"{_architecture(manifest.architecture)}. Input: {_crops(manifest.input)}.{mirror} "
        f"Output: {outputs}."
    )


def _architecture(module: str) -> str:
    """Return the network's title and paper."""
    return PAPERS.get(module, module)


def _crops(spec: InputSpec) -> str:
    """Describe the crops that the network takes."""
    how = {
        "points": "rotated upright by five landmarks",
        "box": "cropped by their box",
        "context": "rotated upright by five landmarks, as three crops around box and nose",
    }[spec.align]
    view = (
        f", of which the network sees the central {100 * spec.crop_fraction:.0f} % of the side"
        if spec.crop_fraction != 1
        else ""
    )
    return (
        f"faces {how}, with a margin of {spec.margin:g} of the face's side on each side{view}, "
        f"{spec.size}×{spec.size} pixels, {spec.channels.upper()}"
    )


def _files(manifest: Manifest) -> str:
    """List the weights files with size and hash."""
    rows = [
        [entry["name"], f"{manifest.file(kind).stat().st_size:,}", entry["sha256"]]
        for kind, entry in manifest.files.items()
    ]
    return _table(["file", "bytes", "sha256"], rows)


def _training(manifest: Manifest) -> str:
    """Describe the data sets, the splits used and the origin of the weights."""
    if not manifest.data:
        return f"Origin: {manifest.origin or 'not recorded'}."
    splits = ("train", "val", "test")
    rows = [
        [name, *(f"{data['faces'].get(split, 0):,}" for split in splits), data["sha256"]]
        for name, data in manifest.data.items()
    ]
    table = _table(["data, faces found", *splits, "sha256"], rows)
    calibrated = " and calibrated" if manifest.calibration else ""
    trained = f"Trained on `train`, chosen{calibrated} on `val`"
    if manifest.repeat:
        return f"{table}\n\n{trained}.\n\n{manifest.origin}"
    command, _, how = manifest.origin.partition("; ")  # as models.train writes it
    return f"{table}\n\n{trained} ({how}):\n\n```sh\n{command}\n```"


def _repeat(manifest: Manifest, curve: list[results_table.Row]) -> list[str]:
    """Show the command that repeats the training, and the first epochs to expect of it."""
    if not manifest.repeat:
        return []
    command = manifest.repeat.replace(" && ", "\n")
    return ["### Repeat", f"```sh\n{command}\n```", _expected(curve)]


def _expected(curve: list[results_table.Row]) -> str:
    """Describe the measured epochs of the repeat command."""
    if not curve:
        return "Not run here: the first epochs of this command are not known."
    epochs = "; ".join(
        f"after epoch {row['epoch']}, age error {float(row['val_mae']):.2f} years and gender "
        f"accuracy {100 * float(row['val_gender_accuracy']):.1f} %"
        for row in curve
    )
    last = curve[-1]
    return (
        f"Expected on `val`: {epochs}. Measured at commit {last['commit']} on {last['machine']}, "
        f"{float(last['seconds']):.0f} s for the last of these epochs. The run was stopped there."
    )


def _overall(rows: list[results_table.Row]) -> str:
    """Show the errors on whole splits, with the commands that print them."""
    table = _table(
        ["data, split", *FIGURES.values()],
        [[_name(row), *(_cell(row, column) for column in FIGURES)] for row in rows],
    )
    how = "\n".join(f"{row['command']}  # {row['commit']}, {row['date']}" for row in rows)
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return (
        "Every picture goes through the live detector and aligner. Brackets are 95 % intervals: "
        "bootstrap for the age error, Wilson for shares."
        f"\n\n{table}\n\nOn {machines}:\n\n```sh\n{how}\n```"
    )


def _steady(rows: list[results_table.Row]) -> list[str]:
    """Show the standard deviation of the age under box jitter, if measured."""
    return [
        f"Steadiness on {_name(row)}, jitter of the {row['jitter']} box: the age of one frame has "
        f"a standard deviation of {float(row['raw']):.2f} years, the displayed age "
        f"{float(row['shown']):.2f}; the displayed gender changes for {row['flips']} of "
        f"{row['faces']} faces (`{row['command']}`)."
        for row in rows
        if row["shown"]
    ]


def _group_tables(row: results_table.Row, groups: list[results_table.Row]) -> str:
    """Show the errors by group of one split, then those of children."""
    columns = ("n", "mae", "gender_accuracy", "coverage")
    rows = [
        [group["group"], *(_cell(group, column) for column in columns)]
        for group in groups
        if (group["data"], group["split"]) == (row["data"], row["split"])
    ]
    table = _table([_name(row), *(FIGURES[column] for column in columns)], rows)
    error, right = (_cell(row, f"children_{name}") for name in ("mae", "gender_accuracy"))
    children = (
        f"Children (known to be under {ADULT}): {row['children']} faces, age error {error} years, "
        f"gender right {right}."
    )
    return f"{table}\n\n{children}"


def _lags(row: results_table.Row) -> str:
    """List groups of low gender accuracy and age bands outside the coverage target."""
    low, high = COVERED
    none = {name: "none" if row[name] else "not known" for name in ("gender_accuracy", "coverage")}
    return (
        f"- {_name(row)}: groups with a gender accuracy more than {100 * BEHIND:.0f} points below "
        f"that of all adults: {row['adults_behind'] or none['gender_accuracy']}; age bands where "
        f"the 90 % range covers less than {100 * low:.0f} % or more than {100 * high:.0f} %: "
        f"{row['coverage_outside'] or none['coverage']}."
    )


def _name(row: results_table.Row) -> str:
    return f"{row['data']}, {row['split']}"


def _cell(row: results_table.Row, column: str) -> str:
    """Format a figure with its interval, shares in per cent; "–" if it is not known."""
    if not row[column]:
        return "–"
    share = column.endswith("accuracy") or column in {"cs5", "coverage"}

    def figure(name: str) -> str:
        return f"{100 * float(row[name]):.1f}" if share else f"{float(row[name]):.2f}"

    if column == "n":
        return f"{int(row['n']):,}"
    if column == "ece":
        return f"{float(row['ece']):.3f}"
    ends = column.removesuffix("_accuracy")
    low, high = f"{ends}_low", f"{ends}_high"
    spread = f" [{figure(low)}, {figure(high)}]" if row.get(low) else ""
    return figure(column) + " %" * share + spread


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, write the card and print its path."""
    parser = argparse.ArgumentParser(prog="python -m models.card", description=__doc__)
    add_model(parser)
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        default=results_table.RESULTS,
        help="folder with the tables of models.evaluate --save (models/results)",
    )
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = load_manifest(args.name)
        text = card(manifest, args.results)
        path = manifest.folder / f"{manifest.name}.md"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        print(printable(str(path)))

    return guarded("models.card", work)


if __name__ == "__main__":
    sys.exit(main())

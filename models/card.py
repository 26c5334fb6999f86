"""`python -m models.card NAME`: write the model card NAME.md beside the weights, from the manifest
and the tables of models/results."""

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

USE = """Estimating the age and the gender that a face suggests, live or from recordings, as
`stream.py` does: overlays, exhibits, demonstrations, statistics over many people who know of it,
and research on such estimators."""

NOT_USE = """- Any decision about a person: access by age, hiring, policing, health, identity.
- Proof of age or protection of children: a child may be taken for an adult, and the other way.
- Gender as a person understands it: the network tells two labels that others gave to pictures.
- Watching people who do not know of it, or where the law forbids it."""

LIMITS = """- Data sets hold labelling mistakes, and more people of some ages and origins than of
  others: the tables above show who fares worse.
- Faces that are small, turned, hidden, blurred or badly lit fare worse than these pictures."""

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
    """The card as Markdown. Raises ModelError where the results of these weights are missing."""
    own = {"model": manifest.name, **results_table.weights_of(manifest)}
    overall, groups, steadiness = (
        [row for row in results_table.read(results / name) if own.items() <= row.items()]
        for name in ("evaluation.csv", "groups.csv", "steadiness.csv")
    )
    if not overall or not groups:
        raise ModelError(
            f"{results} has no results for these weights of {manifest.name} "
            f"({own['weights']}): run python -m models.evaluate with --save {results}"
        )
    sections = [
        f"# {manifest.name}",
        f"{_architecture(manifest.architecture)}. In: {_crops(manifest.input)}"
        f"{', and their mirror images: the answer is the mean' if manifest.flip_tta else ''}. "
        f"Out: {'; '.join(f'`{name}`, {meaning}' for name, meaning in manifest.outputs.items())}.",
        _files(manifest),
        "## Intended use",
        USE,
        "## Not intended",
        NOT_USE,
        "## Licence",
        manifest.licence or "Not stated.",
        "## Training",
        _training(manifest),
        "## Results",
        _overall(overall),
        *_steady(steadiness),
        "## Groups",
        *(_group_tables(row, groups) for row in overall),
        "## Limits",
        "\n".join([LIMITS, *(_lags(row) for row in overall)]),
    ]
    return "\n\n".join(sections) + "\n"


def _architecture(module: str) -> str:
    """The network and its paper."""
    return PAPERS.get(module, module)


def _crops(spec: InputSpec) -> str:
    how = {
        "points": "turned upright by five points",
        "box": "cut out by their box",
        "context": "turned upright by five points, as three crops about box and nose",
    }[spec.align]
    view = (
        f", of which the central {100 * spec.crop_fraction:.0f} % of the side is seen"
        if spec.crop_fraction != 1
        else ""
    )
    return (
        f"faces {how}, with a margin of {spec.margin:g} of the face's side on each side{view}, "
        f"{spec.size}×{spec.size} pixels, {spec.channels.upper()}"
    )


def _files(manifest: Manifest) -> str:
    rows = [
        [entry["name"], f"{manifest.file(kind).stat().st_size:,}", entry["sha256"]]
        for kind, entry in manifest.files.items()
    ]
    return _table(["file", "bytes", "sha256"], rows)


def _training(manifest: Manifest) -> str:
    if not manifest.data:
        return f"Origin: {manifest.origin or 'not recorded'}."
    splits = ("train", "val", "test")
    rows = [
        [name, *(f"{data['faces'].get(split, 0):,}" for split in splits), data["sha256"]]
        for name, data in manifest.data.items()
    ]
    table = _table(["data, faces found", *splits, "sha256"], rows)
    command, _, how = manifest.origin.partition("; ")
    calibrated = " and calibrated" if manifest.calibration else ""
    return (
        f"{table}\n\nTrained on `train`, chosen{calibrated} on `val` ({how}):\n\n"
        f"```sh\n{command}\n```"
    )


def _overall(rows: list[results_table.Row]) -> str:
    table = _table(
        ["data, split", *FIGURES.values()],
        [[_name(row), *(_cell(row, column) for column in FIGURES)] for row in rows],
    )
    how = "\n".join(f"{row['command']}  # {row['commit']}, {row['date']}" for row in rows)
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return (
        "Every picture goes through the live detector and aligner; brackets are 95 % intervals, of "
        "the error by bootstrap, of shares Wilson's."
        f"\n\n{table}\n\nOn {machines}:\n\n```sh\n{how}\n```"
    )


def _steady(rows: list[results_table.Row]) -> list[str]:
    """How much the ages waver, where that was measured."""
    return [
        f"Steadiness on {_name(row)}, the {row['jitter']} box jitters: the age wavers by "
        f"{float(row['raw']):.2f} years, the shown one by {float(row['shown']):.2f} (standard "
        f"deviation); the shown gender of {row['flips']} of {row['faces']} faces changes "
        f"(`{row['command']}`)."
        for row in rows
        if row["shown"]
    ]


def _group_tables(row: results_table.Row, groups: list[results_table.Row]) -> str:
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
    """Who lags, and which ages are not covered as they should be."""
    low, high = COVERED
    none = {name: "none" if row[name] else "not known" for name in ("gender_accuracy", "coverage")}
    return (
        f"- {_name(row)}: groups whose gender is right more than {100 * BEHIND:.0f} points less "
        f"often than that of all adults: {row['adults_behind'] or none['gender_accuracy']}; age "
        f"bands whose 90 % range holds the age of less than {100 * low:.0f} % or more than "
        f"{100 * high:.0f} %: {row['coverage_outside'] or none['coverage']}."
    )


def _name(row: results_table.Row) -> str:
    return f"{row['data']}, {row['split']}"


def _cell(row: results_table.Row, column: str) -> str:
    """A figure with its interval, shares in per cent; – where it is not known."""
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
    """Parse, write the card, print its path."""
    parser = argparse.ArgumentParser(prog="python -m models.card", description=__doc__)
    add_model(parser)
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        default=results_table.RESULTS,
        help="where models.evaluate keeps them (models/results)",
    )
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = load_manifest(args.name)
        text = card(manifest, args.results)
        path = manifest.folder / f"{manifest.name}.md"
        path.write_text(text, encoding="utf-8")
        print(path)

    return guarded("models.card", work)


if __name__ == "__main__":
    sys.exit(main())

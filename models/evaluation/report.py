"""The report of an evaluation: as text for people, and as rows of the tables that are kept."""

from pathlib import Path
from typing import Any

from models.evaluation import results_table
from models.evaluation.metrics import ADULT, BAND, BEHIND, COVERED, METRICS, SEED
from models.manifest import Manifest

KINDS = ("by_age", "by_gender", "by_race")
ENDS = {
    "mae": ("mae_low", "mae_high"),
    "gender_accuracy": ("gender_low", "gender_high"),
    "coverage": ("coverage_low", "coverage_high"),
}
HEADS = {"gender_accuracy": "gender", "range_width": "width"} | {
    f"cs{years}": f"CA({years})" for years in (3, 5, 7)
}
WIDTHS = dict.fromkeys(ENDS, 15)  # characters, of the others 7
GROUP_COLUMNS = ("n", *(column for name, ends in ENDS.items() for column in (name, *ends)))


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    faces = f"{report['faces_found']} faces found"
    lines = [
        f"{report['model']} on {report['data']}, split {report['split']}: {report['n']} pictures, "
        f"{'whole pictures as chips' if report['chips'] else faces}, "
        f"{report['unreadable']} unreadable, {report['seconds']:.0f} s",
        _line("", "n", [HEADS.get(name, name) for name in METRICS]),
        _line("all", report["n"], _cells(report)),
    ]
    for kind in KINDS:
        lines += [_line(f"  {name}", v["n"], _cells(v)) for name, v in report[kind].items()]
    lines.append("CA(n): share of ages with an error ≤ n years, ± half of a 95 % interval")
    lines += [*bracket_lines(report), *fairness_lines(report["fairness"])]
    return "\n".join([*lines, *repeated_lines(report)])


def repeated_lines(report: dict[str, Any]) -> list[str]:
    """One line where other splits hold pictures of this one, which a network may then know."""
    found = report["repeated"]
    if not found["pictures"]:
        return []
    return [
        f"{Path(report['data']).resolve().name}: {found['pictures']} of {found['of']} pictures of "
        f"{report['split']} are also in other splits, byte for byte"
    ]


def bracket_lines(figures: dict[str, Any]) -> list[str]:
    """What `models.evaluation.brackets` found, for people; no line where no label is a bracket."""
    found = figures["brackets"]
    if not found:
        return []
    return [
        f"brackets of Adience: {found['bracket_n']} faces, exact {_figure(found['bracket_exact'])},"
        f" 1-off {_figure(found['bracket_1off'])}, top-2 {_figure(found['bracket_top2'])}"
    ]


def _cells(values: dict[str, Any]) -> list[str]:
    cells = []
    for name in METRICS:
        cell = _figure(values[name], 1 if name == "range_width" else 3)
        ends = [values[end] for end in ENDS.get(name, ())]
        if ends and None not in ends:
            cell += f" ±{(ends[1] - ends[0]) / 2:.3f}"
        cells.append(cell)
    return cells


def _line(name: str, count: Any, cells: list[str]) -> str:
    return f"{name:<18}{count:>7}" + "".join(
        f"{cell:>{WIDTHS.get(metric, 7)}}" for metric, cell in zip(METRICS, cells, strict=True)
    )


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def fairness_lines(fair: dict[str, Any]) -> list[str]:
    """What `models.evaluation.metrics.fairness` found, for people."""
    adults, children, coverage = fair["adults"], fair["children"], fair["coverage"]
    behind = [f"{k} {v['gender_accuracy']:.3f} ({v['n']})" for k, v in adults["behind"].items()]
    bands = [f"{k} {v['coverage']:.3f} ({v['n']})" for k, v in coverage["bands"].items()]
    low, high = COVERED
    return [
        f"adults (known to be {ADULT} or older): {adults['n']} faces, gender accuracy "
        f"{_figure(adults['gender_accuracy'])}; groups that lag more "
        f"than {100 * BEHIND:.0f} points: {', '.join(behind) or 'none'}",
        f"children (known to be under {ADULT}): {children['n']} faces, age error "
        f"{_figure(children['mae'])} years, gender accuracy {_figure(children['gender_accuracy'])}",
        f"coverage in age bands of {BAND} faces, and in smaller ones outside {low} to {high}: "
        f"{', '.join(bands) or '-'}; outside: {', '.join(coverage['outside']) or 'none'}",
    ]


def save(report: dict[str, Any], manifest: Manifest, data: str, command: str, folder: Path) -> None:
    """Put the report's row into evaluation.csv and its groups' rows into groups.csv."""
    key = {"model": report["model"], "data": data, "split": report["split"]}
    fair = report["fairness"]
    behind = fair["adults"]["behind"]
    figures = {
        k: v for k, v in report.items() if k not in {*key, "chips"} and not isinstance(v, dict)
    }
    row = {
        **figures,
        **report["brackets"],
        "adults": fair["adults"]["n"],
        "adults_gender_accuracy": fair["adults"]["gender_accuracy"],
        "adults_behind": ", ".join(f"{k} (n {v['n']})" for k, v in behind.items()),
        "children": fair["children"]["n"],
        "children_mae": fair["children"]["mae"],
        "children_gender_accuracy": fair["children"]["gender_accuracy"],
        "coverage_outside": ", ".join(fair["coverage"]["outside"]),
    }
    results_table.write(
        folder / "evaluation.csv", key, [row | results_table.circumstances(manifest, command, SEED)]
    )
    rows = [
        {"kind": kind.removeprefix("by_"), "group": name, **{c: values[c] for c in GROUP_COLUMNS}}
        for kind in KINDS
        for name, values in report[kind].items()
    ]
    results_table.write(
        folder / "groups.csv", key, [row | results_table.weights_of(manifest) for row in rows]
    )

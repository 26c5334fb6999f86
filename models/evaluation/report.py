"""The report of an evaluation: build it, print it as a table, add it to the tables of results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.datasets.labels import Sample
from models.datasets.twins import Twin
from models.evaluation import results_table
from models.evaluation.brackets import bracket_metrics
from models.evaluation.metrics import (
    ADULT,
    BAND,
    BEHIND,
    COVERED,
    METRICS,
    SEED,
    Results,
    fairness,
    group_metrics,
    metrics,
)
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
WIDTHS = dict.fromkeys(ENDS, 15)  # characters of a column; 7 for the others
GROUP_COLUMNS = ("n", *(column for name, ends in ENDS.items() for column in (name, *ends)))


def build_report(
    results: Results, subject: dict[str, str], chips: bool, counts: dict[str, Any]
) -> dict[str, Any]:
    """The report of an evaluation, with the keys of `--json` except "seconds".

    `subject` has model, data and split; `counts` has unreadable and repeated pictures. `chips`: the
    pictures were crops already, so that no face was searched.
    """
    return {
        **subject,
        "chips": chips,
        **metrics(results),
        "brackets": bracket_metrics(
            results.label_low, results.label_high, results.predicted_ages, results.bin_probs
        ),
        **({"faces_found": None} if chips else {}),
        **counts,
        **group_metrics(results),
        "fairness": fairness(results),
    }


def report_table(report: dict[str, Any]) -> str:
    """The report as text for people."""
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
    lines += [*_bracket_lines(report), *_fairness_lines(report["fairness"])]
    return "\n".join([*lines, *_repeated_lines(report), *_twins_lines(report)])


def twins_report(results: Results, samples: list[Sample], twins: Sequence[Twin]) -> dict[str, Any]:
    """How many "pictures" have near twins in train splits, "of" so many, and the metrics "without"
    them."""
    known = {twin.file for twin in twins}
    has_twin = np.array([samples[row].file in known for row in results.rows.tolist()], bool)
    return {
        "pictures": int(has_twin.sum()),
        "of": len(results),
        "without": metrics(results[~has_twin]),
    }


def _repeated_lines(report: dict[str, Any]) -> list[str]:
    """One line if other splits contain pictures of this one: the model may be trained on them."""
    found = report["repeated"]
    if not found["pictures"]:
        return []
    return [
        f"{Path(report['data']).resolve().name}: {found['pictures']} of {found['of']} pictures of "
        f"{report['split']} are also in other splits, byte for byte"
    ]


def _twins_lines(report: dict[str, Any]) -> list[str]:
    """One line if near twins were searched in train splits."""
    if "twins" not in report:
        return []
    found = report["twins"]
    without = found["without"]
    text = f"{found['pictures']} of {found['of']} pictures have near twins in the train splits"
    if found["pictures"]:
        text += (
            f"; without them: age error {_number(without['mae'])} years, gender accuracy "
            f"{_number(without['gender_accuracy'])}"
        )
    return [text]


def _bracket_lines(report: dict[str, Any]) -> list[str]:
    """One line for `bracket_metrics`; no line if no label is a bracket."""
    found = report["brackets"]
    if not found:
        return []
    return [
        f"brackets of Adience: {found['bracket_n']} faces, exact {_number(found['bracket_exact'])},"
        f" 1-off {_number(found['bracket_1off'])}, top-2 {_number(found['bracket_top2'])}"
    ]


def _cells(values: dict[str, Any]) -> list[str]:
    """The METRICS as text, with half of their intervals."""
    cells = []
    for name in METRICS:
        cell = _number(values[name], 1 if name == "range_width" else 3)
        ends = [values[end] for end in ENDS.get(name, ())]
        if ends and None not in ends:
            cell += f" ±{(ends[1] - ends[0]) / 2:.3f}"
        cells.append(cell)
    return cells


def _line(name: str, count: Any, cells: list[str]) -> str:
    return f"{name:<18}{count:>7}" + "".join(
        f"{cell:>{WIDTHS.get(metric, 7)}}" for metric, cell in zip(METRICS, cells, strict=True)
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _fairness_lines(fair: dict[str, Any]) -> list[str]:
    """Three lines for `fairness`: adults, children, coverage of age bands."""
    adults, children, coverage = fair["adults"], fair["children"], fair["coverage"]
    behind = [f"{k} {v['gender_accuracy']:.3f} ({v['n']})" for k, v in adults["behind"].items()]
    bands = [f"{k} {v['coverage']:.3f} ({v['n']})" for k, v in coverage["bands"].items()]
    low, high = COVERED
    return [
        f"adults (label of at least {ADULT} years): {adults['n']} faces, gender accuracy "
        f"{_number(adults['gender_accuracy'])}; groups more than {100 * BEHIND:.0f} points below: "
        f"{', '.join(behind) or 'none'}",
        f"children (label under {ADULT} years): {children['n']} faces, age error "
        f"{_number(children['mae'])} years, gender accuracy {_number(children['gender_accuracy'])}",
        f"coverage of age bands with at least {BAND} faces, and of smaller ones outside {low} to "
        f"{high}: {', '.join(bands) or '-'}; outside: {', '.join(coverage['outside']) or 'none'}",
    ]


def save_report(
    report: dict[str, Any], manifest: Manifest, data: str, command: str, folder: Path
) -> list[Path]:
    """Write the report to evaluation.csv and its groups to groups.csv in `folder`, in place of
    older rows of the same model, `data` (name of the data set) and split; the two paths. Raises
    ModelError."""
    key = {"model": report["model"], "data": data, "split": report["split"]}
    evaluation, groups = folder / "evaluation.csv", folder / "groups.csv"
    columns = {
        k: v for k, v in report.items() if k not in {*key, "chips"} and not isinstance(v, dict)
    }
    row = columns | report["brackets"] | _fairness_columns(report["fairness"])
    circumstances = results_table.circumstances(manifest, command, SEED)
    results_table.write(evaluation, key, [row | circumstances])
    rows = [
        {"kind": kind.removeprefix("by_"), "group": name, **{c: values[c] for c in GROUP_COLUMNS}}
        for kind in KINDS
        for name, values in report[kind].items()
    ]
    weights = results_table.weights_of(manifest)
    results_table.write(groups, key, [row | weights for row in rows])
    return [evaluation, groups]


def _fairness_columns(fair: dict[str, Any]) -> dict[str, Any]:
    behind = fair["adults"]["behind"]
    return {
        "adults": fair["adults"]["n"],
        "adults_gender_accuracy": fair["adults"]["gender_accuracy"],
        "adults_behind": ", ".join(f"{k} (n {v['n']})" for k, v in behind.items()),
        "children": fair["children"]["n"],
        "children_mae": fair["children"]["mae"],
        "children_gender_accuracy": fair["children"]["gender_accuracy"],
        "coverage_outside": ", ".join(fair["coverage"]["outside"]),
    }

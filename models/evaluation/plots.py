"""Plots of an evaluation: predicted against true ages, errors by age, calibration, and a sheet of
the worst errors."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.colors import LogNorm

from models.evaluation.metrics import COVERED, Results, metrics, split_by_group, wilson_interval
from models.inference.calibration import COVERAGE
from models.plots import BLUE, GRAY, RED, label, new_figure, plain, save_figure

BIN = 5  # years
MIN_FACES = 10  # bins with fewer faces are not drawn
PROBABILITIES = np.linspace(0, 1, 11)  # edges of the bins of the reliability diagram
WORST_AGES, WORST_GENDERS, COLUMNS = 24, 12, 6  # crops on the sheet, and crops per row


def save_plots(
    results: Results, crops: dict[int, np.ndarray], title: str, folder: Path
) -> list[Path]:
    """Write age.png, error.png, calibration.png and worst.png; their paths.

    `crops` are (S, S, 3) uint8 BGR by row of the results, for the rows of `worst`. Raises
    ModelError if a file cannot be written.
    """
    figures = {
        "age": _ages(results),
        "error": _errors(results),
        "calibration": _calibration(results),
        "worst": _sheet(results, crops),
    }
    for name, figure in figures.items():
        if name != "worst":
            figure.suptitle(plain(title))
        save_figure(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def _ages(results: Results) -> Any:
    figure, axis = new_figure(6.6, 5.6)
    label(axis, "true age, years", "estimated age, years")
    shown = results[results.age_known]
    if not len(shown):
        return _note(axis, "no labelled ages")
    end = max(100, int(shown.ages.max()))
    edges = np.arange(0, end + 2, 2)
    *_, density = axis.hist2d(
        shown.ages, shown.predicted_ages, edges, norm=LogNorm(1), cmap="Blues", rasterized=True
    )
    figure.colorbar(density, ax=axis, label="faces", format="%d")
    axis.plot([0, end], [0, end], "--", color=GRAY, label="no error")
    ages = np.arange(end + 1)
    near = [shown.predicted_ages[np.abs(shown.ages - age) <= BIN / 2] for age in ages]
    medians = [np.median(each) if len(each) >= MIN_FACES else np.nan for each in near]
    axis.plot(ages, medians, color=RED, label=f"median of {BIN} years")
    axis.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    axis.legend(loc="upper left", frameon=False)
    return figure


def _errors(results: Results) -> Any:
    figure, (upper, lower) = new_figure(9, 6, rows=2, sharex=True, height_ratios=(3, 1))
    label(upper, "", "years")
    label(lower, "true age, years", "faces")
    shown = results[results.age_known]
    if not len(shown):
        return _note(upper, "no labelled ages")
    bins = (shown.ages // BIN).astype(int)
    counts = np.bincount(bins)
    errors = shown.predicted_ages - shown.ages
    centres = (np.arange(len(counts)) + 0.5) * BIN
    enough = counts >= MIN_FACES
    mae = np.bincount(bins, np.abs(errors)) / np.maximum(counts, 1)
    bias = np.bincount(bins, errors) / np.maximum(counts, 1)
    upper.bar(
        centres[enough], mae[enough], 0.8 * BIN, color=BLUE, alpha=0.75, label="mean absolute error"
    )
    upper.plot(centres[enough], bias[enough], "o-", color=RED, label="mean error (+ too old)")
    upper.axhline(0, color=GRAY, linewidth=0.8)
    upper.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    bars = lower.bar(centres, counts, 0.8 * BIN, color=GRAY)
    lower.bar_label(bars, fontsize=7, padding=1)
    lower.set(ylim=(0, 1.2 * counts.max()))
    return figure


def _calibration(results: Results) -> Any:
    figure, (left, right) = new_figure(10.5, 4.8, columns=2)
    _reliability(left, results[results.gender_known])
    _coverage(right, results[results.range_known])
    return figure


def _reliability(axis: Any, gendered: Results) -> None:
    label(axis, "probability of male", "share of men")
    if not len(gendered):
        _note(axis, "no labelled genders")
        return
    bins = np.clip(np.digitize(gendered.male_probs, PROBABILITIES) - 1, 0, 9)
    counts = np.bincount(bins, minlength=10)
    filled = counts > 0
    predicted = np.bincount(bins, gendered.male_probs, 10)[filled] / counts[filled]
    share = np.bincount(bins, gendered.males, 10)[filled] / counts[filled]
    bars = _error_bars(gendered, bins, filled, share)
    axis.plot([0, 1], [0, 1], "--", color=GRAY)
    axis.errorbar(predicted, share, bars, fmt="none", ecolor=BLUE)
    axis.plot(predicted, share, "o-", color=BLUE)
    for x, count in zip(predicted, counts[filled], strict=True):
        axis.text(x, -0.07, f"{count}", ha="center", fontsize=7)
    error = metrics(gendered)["ece"]
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.09, 1.03), title=f"gender, calibration error {error:.3f}")


def _error_bars(gendered: Results, bins: np.ndarray, filled: np.ndarray, share: np.ndarray) -> Any:
    """Lengths (2, M) of the 95 % intervals below and above the share (M,) of men in each bin that
    has faces."""
    ends = np.array([wilson_interval(gendered.males[bins == b]) for b in np.flatnonzero(filled)])
    return np.abs(ends.T - share)


def _coverage(axis: Any, ranged: Results) -> None:
    label(axis, "true age, years", "share inside the 90 % range")
    bands = split_by_group(ranged)["by_age"]
    if not bands:
        _note(axis, "no age ranges")
        return
    coverage = [part.inside.mean() for part in bands.values()]
    names = [f"{name}\n{len(part)}" for name, part in bands.items()]
    axis.axhspan(*COVERED, color=GRAY, alpha=0.15, linewidth=0)
    axis.axhline(COVERAGE, color=GRAY, linestyle="--")
    axis.plot(names, coverage, "o", color=BLUE)
    for name, share in zip(names, coverage, strict=True):
        axis.annotate(
            f"{share:.2f}", (name, share), (0, 7), textcoords="offset points", ha="center", size=8
        )
    total = metrics(ranged)
    axis.tick_params(axis="x", labelsize=8)
    axis.set(
        ylim=(min(0.6, *coverage) - 0.02, 1.03),
        title=f"age ranges, {total['coverage']:.3f} inside, {total['range_width']:.1f} years wide",
    )


def _note(axis: Any, text: str) -> Any:
    axis.text(0.5, 0.5, text, ha="center", transform=axis.transAxes, color=GRAY)
    return axis.figure


def worst(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the largest age errors (M,), and of the most confident wrong genders (K,), worst
    first."""
    errors = np.abs(results.predicted_ages - results.ages)
    ages = np.argsort(-np.where(results.age_known, errors, -1.0), kind="stable")
    wrong = results.gender_known & ~results.gender_right
    confidence = np.where(wrong, np.abs(results.male_probs - 0.5), -1.0)
    genders = np.argsort(-confidence, kind="stable")
    return (
        ages[: min(WORST_AGES, int(results.age_known.sum()))],
        genders[: min(WORST_GENDERS, int(wrong.sum()))],
    )


def _sheet(results: Results, crops: dict[int, np.ndarray]) -> Any:
    rows = worst(results)
    captions = [
        [f"{results.ages[r]:.0f} → {results.predicted_ages[r]:.0f}" for r in rows[0]],
        [f"{_gender(results.males[r])} → {_prediction(results.male_probs[r])}" for r in rows[1]],
    ]
    titles = ("Largest age errors: label → prediction", "Most confident wrong genders")
    heights = [max(-(-len(part) // COLUMNS), 1) for part in rows]
    figure = pyplot.figure(figsize=(9, 1.75 * sum(heights) + 0.6), layout="constrained")
    sections: Any = figure.subfigures(2, 1, height_ratios=heights)
    for section, part, words, title in zip(sections, rows, captions, titles, strict=True):
        section.suptitle(title if len(part) else f"{title}: none")
        grid = section.subplots(max(-(-len(part) // COLUMNS), 1), COLUMNS, squeeze=False)
        for axis in grid.flat:
            axis.axis("off")
        for axis, row, text in zip(grid.flat, part.tolist(), words, strict=False):
            axis.imshow(crops[row][..., ::-1])
            axis.set_title(text, fontsize=9)
    return figure


def _gender(male: float) -> str:
    return "male" if male >= 0.5 else "female"


def _prediction(male_prob: float) -> str:
    return f"{_gender(male_prob)} {max(male_prob, 1 - male_prob):.2f}"

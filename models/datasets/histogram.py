"""Plot the ages of a data set by gender."""

from collections import Counter
from pathlib import Path

import numpy as np

from models.datasets.labels import OLDEST, label_range
from models.plots import BLUE, GRAY, RED, label, new_figure, plain, save_figure


def save_age_histogram(labels: list[tuple[str, str, str]], title: str, path: Path) -> None:
    """Write a stacked histogram of ages by gender to `path`. `labels` are age, age_bin and gender
    as in labels.csv; an age bin is spread evenly over its years. Raises ModelError if the file
    cannot be written."""
    figure, axis = new_figure(9, 4.5)
    label(axis, "age, years", "pictures per year of age")
    base = np.zeros(int(OLDEST) + 1)
    for gender, colour in (("female", RED), ("male", BLUE), ("", GRAY)):
        spans = Counter(label_range(age, bin_) for age, bin_, g in labels if g == gender)
        heights = np.zeros_like(base)
        for (low, high), count in spans.items():
            years = slice(int(low), max(int(high), int(low) + 1))
            heights[years] += count / len(heights[years])
        if spans:
            name = f"{gender or 'gender unknown'}, {sum(spans.values())}"
            axis.bar(np.arange(len(base)), heights, 1, base, align="edge", color=colour, label=name)
        base += heights
    axis.legend(frameon=False)
    figure.suptitle(plain(title))
    save_figure(figure, path)

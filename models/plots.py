"""The common style of all plots, and their files."""

from pathlib import Path
from typing import Any

import matplotlib

from models.errors import ModelError
from models.files import atomic_write
from models.printable import printable

matplotlib.use("Agg")
from matplotlib import pyplot

BLUE, RED, GRAY = "#2a7ab9", "#c8553d", "#888888"
DPI = 110


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **layout: Any) -> Any:
    """A figure and its axes, as matplotlib's `subplots`; sizes in inches."""
    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained", **layout)


def plain(text: str) -> str:
    """Text with names in it, for a title: printable, and a $ begins no formula."""
    return printable(text).replace("$", r"\$")


def label(axis: Any, x: str, y: str) -> None:
    """Label the axes, add a grid, remove the upper and right spine."""
    axis.set(xlabel=x, ylabel=y)
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure and close it. Raises ModelError if the file cannot be written."""
    try:
        with atomic_write(path) as unfinished:
            figure.savefig(unfinished, dpi=DPI)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from None
    pyplot.close(figure)

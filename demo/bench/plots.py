"""Where benchmarks may write their plots."""

from pathlib import Path

from demo.sinks.paths import check_file

PLOT_SUFFIXES = {".jpg", ".pdf", ".png", ".svg"}


def check_plot(path: Path) -> None:
    """Raise UserError unless a plot can be written at the path."""
    check_file(path, PLOT_SUFFIXES, "plot to", replaced=True)

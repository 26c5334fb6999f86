"""Plot the curves of a training: errors per epoch on the train and the val faces."""

from pathlib import Path

from models.plots import BLUE, GRAY, RED, label, new_figure, plain, save_figure

CURVES = {"years_outside": "age error, years", "gender_accuracy": "gender accuracy"}


def save_curves(
    rows: list[dict[str, float]], best: dict[str, float], title: str, path: Path
) -> None:
    """Write the history `rows`, with the epoch `best` marked, to a PNG. Train errors are means over
    the augmented faces in the course of the epoch. Raises ModelError."""
    shown = {end: sorted(n for n in rows[0] if n.endswith(end)) for end in CURVES}
    shown = {end: names for end, names in shown.items() if names}
    figure, axes = new_figure(5.2 * len(shown), 4, columns=len(shown), squeeze=False)
    for axis, (end, names) in zip(axes.flat, shown.items(), strict=True):
        label(axis, "epoch", CURVES[end])
        for name in names:
            val = name.startswith("val_")
            style = {"color": RED if val else BLUE, "label": "val" if val else "train"}
            axis.plot([r["epoch"] for r in rows], [r[name] for r in rows], ".-", **style)
        axis.axvline(best["epoch"], color=GRAY, linestyle="--", label="best epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(frameon=False)
    figure.suptitle(plain(title))
    save_figure(figure, path)

"""Plot how steady the labels of a clip are: `python -m demo.bench.flicker CLIP -o PNG`.

Dots are the age and the probability of male that the network estimates for a person in each frame;
lines are the smoothed values that are shown. A flip is a change of gender between two frames.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demo.bench.clips import networks, video_source
from demo.bench.plots import check_plot
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.networks import Networks
from demo.options import Options
from models.commands import guarded
from models.crops.align import crop_faces

PLOTTED = 8  # people, those longest in view
COLOURS = "tab:blue tab:orange tab:green tab:red tab:purple tab:brown tab:pink tab:olive".split()
MAX_GAP = 1.0  # seconds: a line is broken where the person was out of view for longer


class LabelHistory:
    """The labels of one person, a row for each frame in which the face was measured."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float, float, float]] = []

    @property
    def columns(self) -> np.ndarray:
        """(5, N) float64: seconds, raw age, raw male, shown age, shown male; ages in years, male as
        a probability; nan where nothing is shown."""
        return np.array(self.rows, np.float64).reshape(-1, 5).T


def label_histories(clip: str, networks: Networks) -> dict[int, LabelHistory]:
    """Raw and shown labels of all people in the clip, by id. Raises UserError if there are none."""
    detector, estimator = networks
    people: dict[int, LabelHistory] = {}
    with video_source(clip) as source:
        pipeline = Pipeline(detector, estimator, source.fps)
        for frame in tqdm(source, Path(clip).name, source.count):
            faces = pipeline.process(frame).faces
            faces = faces[faces.ids >= 1]
            crops = crop_faces(frame.image, faces.boxes, faces.points, estimator.input)
            columns = (*estimator.predict(crops), faces.ages, faces.male_probs)
            for person, *values in zip(faces.ids.tolist(), *columns, strict=True):
                people.setdefault(person, LabelHistory()).rows.append((frame.time, *values))
    if not people:
        raise UserError(f"{clip}: nobody is in view for long enough to get an id")
    return people


def statistics(history: LabelHistory) -> dict[str, Any]:
    """Gender flips, and standard deviations of the age in years, of raw and shown labels, from the
    first shown label on."""
    _, raw_age, raw_male, age, male = history.columns
    aged, gendered = np.isfinite(age), np.isfinite(male)
    return {
        "frames": len(history.rows),
        "raw_flips": flips(raw_male[gendered]),
        "shown_flips": flips(male[gendered]),
        "raw_years": float(raw_age[aged].std()) if aged.any() else None,
        "shown_years": float(age[aged].std()) if aged.any() else None,
    }


def flips(male_probs: np.ndarray) -> int:
    """How often the more probable gender changes along probabilities (N,)."""
    return int(np.count_nonzero(np.diff(male_probs >= 0.5)))


def plot(people: dict[int, LabelHistory], title: str, path: Path) -> None:
    """Plot ages above and genders below: raw labels as dots, shown labels as lines."""
    from models.plots import label, new_figure, plain, save_figure

    figure, (ages, male_probs) = new_figure(10, 6.5, rows=2, sharex=True, height_ratios=(3, 2))
    longest = sorted(people, key=lambda person: -len(people[person].rows))[:PLOTTED]
    for person, colour in zip(sorted(longest), COLOURS, strict=False):
        seconds, raw_age, raw_male, age, male = people[person].columns
        gap = np.diff(seconds, prepend=seconds[0]) > MAX_GAP
        for axis, raw, shown in ((ages, raw_age, age), (male_probs, raw_male, male)):
            axis.plot(seconds, raw, ".", color=colour, alpha=0.3, markersize=4, linewidth=0)
            line = np.where(gap, np.nan, shown)
            axis.plot(seconds, line, color=colour, linewidth=2, label=f"id {person}")
    label(ages, "", "age, years")
    label(male_probs, "seconds", "probability of male")
    ages.set(title=plain(title))
    male_probs.set(ylim=(-0.03, 1.03))
    male_probs.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    dots = ages.plot([], [], ".", color="gray", label="raw, one crop")[0]
    ages.legend(
        handles=[*[h for h in ages.get_lines() if h.get_label().startswith("id ")], dots],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
    )
    save_figure(figure, path)


def run(clip: str, model: str, output: Path) -> None:
    """Measure, print a line per person, plot."""
    check_plot(output)
    with networks(Options(model=model, device="cpu")) as loaded:
        people = label_histories(clip, loaded)
    measured = {person: statistics(people[person]) for person in sorted(people)}
    for person, row in measured.items():
        spread = "no label"
        if row["shown_years"] is not None:
            spread = f"age ± {row['raw_years']:.2f} raw, ± {row['shown_years']:.2f} shown"
        print(
            f"id {person}: {row['frames']} frames, {spread}; "
            f"gender flips {row['raw_flips']} raw, {row['shown_flips']} shown"
        )
    raw, shown = (sum(m[k] for m in measured.values()) for k in ("raw_flips", "shown_flips"))
    print(f"{clip}: gender flips {raw} raw, {shown} shown")
    plot(people, f"{Path(clip).name}: {raw} gender flips raw, {shown} shown", output)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.flicker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", help="video file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PNG", help="plot to write"
    )
    parser.add_argument("--model", default=Options.model, help="network (%(default)s)")
    args = parser.parse_args(argv)
    return guarded("demo.bench.flicker", lambda: run(args.clip, args.model, args.output))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m demo.bench.flicker CLIP -o PNG`: how calm the labels of a clip are, as a plot.

For every person the age and the probability of male that the network gives in each frame (dots),
and those that are shown (lines). A flip is a gender that changes from one frame to the next.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demo.bench.clips import engines, video_source
from demo.errors import UserError
from demo.faces.pipeline import Pipeline, Settings
from demo.frames import Faces
from demo.sinks.video import check_plot
from demo.timing import Stopwatch
from models.commands import guarded
from models.crops.align import crop_faces

PLOTTED = 8  # people, those longest in view
COLOURS = "tab:blue tab:orange tab:green tab:red tab:purple tab:brown tab:pink tab:olive".split()


class Curves:
    """What is known of one person, a row a frame in which the face was measured."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float, float, float]] = []

    @property
    def columns(self) -> np.ndarray:
        """(5, N): seconds, raw age, raw male, shown age, shown male; nan where nothing is shown."""
        return np.array(self.rows, np.float64).reshape(-1, 5).T


def follow(clip: str, model: str) -> dict[int, Curves]:
    """Raw and shown estimates of everyone in the clip, by id."""
    detector, estimator = engines(model)
    people: dict[int, Curves] = {}
    with video_source(clip) as source:
        pipeline = Pipeline(
            detector, estimator, estimator.input, source.fps, Settings(), Stopwatch()
        )
        for frame in tqdm(source, Path(clip).name, source.count):
            faces: Faces = pipeline.process(frame)
            faces = faces[faces.ids >= 1]
            crops = crop_faces(frame.image, faces.boxes, faces.points, estimator.input)
            columns = (*estimator.predict(crops), faces.ages, faces.male_probs)
            for person, *values in zip(faces.ids.tolist(), *columns, strict=True):
                people.setdefault(person, Curves()).rows.append((frame.time, *values))
    if not people:
        raise UserError(f"{clip}: nobody was seen for long enough to get an id")
    return people


def figures(curves: Curves) -> dict[str, Any]:
    """Flips and standard deviations in years, raw and shown, from the first label on."""
    _, raw_age, raw_male, age, male = curves.columns
    aged, gendered = np.isfinite(age), np.isfinite(male)
    return {
        "frames": len(curves.rows),
        "raw_flips": flips(raw_male[gendered]),
        "shown_flips": flips(male[gendered]),
        "raw_years": float(raw_age[aged].std()) if aged.any() else None,
        "shown_years": float(age[aged].std()) if aged.any() else None,
    }


def flips(male_probs: np.ndarray) -> int:
    """How often the more probable gender changes along probabilities (N,)."""
    return int(np.count_nonzero(np.diff(male_probs >= 0.5)))


def plot(people: dict[int, Curves], title: str, path: Path) -> None:
    """Ages above, genders below; dots are raw, lines shown."""
    from models.plots import label, new_figure, save_figure

    figure, (ages, male_probs) = new_figure(10, 6.5, rows=2, sharex=True, height_ratios=(3, 2))
    longest = sorted(people, key=lambda person: -len(people[person].rows))[:PLOTTED]
    for person, colour in zip(sorted(longest), COLOURS, strict=False):
        seconds, raw_age, raw_male, age, male = people[person].columns
        gap = np.diff(seconds, prepend=seconds[0]) > 1.0  # not in view: no line across
        for axis, raw, shown in ((ages, raw_age, age), (male_probs, raw_male, male)):
            axis.plot(seconds, raw, ".", color=colour, alpha=0.3, markersize=4, linewidth=0)
            line = np.where(gap, np.nan, shown)
            axis.plot(seconds, line, color=colour, linewidth=2, label=f"id {person}")
    label(ages, "", "age, years")
    label(male_probs, "seconds", "probability of male")
    ages.set(title=title)
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
    """Follow, plot, print."""
    check_plot(output)
    people = follow(clip, model)
    measured = {person: figures(people[person]) for person in sorted(people)}
    for person, told in measured.items():
        spread = "no label"
        if told["shown_years"] is not None:
            spread = f"age ± {told['raw_years']:.2f} raw, ± {told['shown_years']:.2f} shown"
        print(
            f"id {person}: {told['frames']} frames, {spread}; "
            f"gender flips {told['raw_flips']} raw, {told['shown_flips']} shown"
        )
    raw, shown = (sum(m[k] for m in measured.values()) for k in ("raw_flips", "shown_flips"))
    print(f"{clip}: gender flips {raw} raw, {shown} shown")
    plot(people, f"{Path(clip).name}: {raw} gender flips raw, {shown} shown", output)


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.flicker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", help="video file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG")
    parser.add_argument("--model", default="ssrnet-joint")
    args = parser.parse_args(argv)
    return guarded("demo.bench.flicker", lambda: run(args.clip, args.model, args.output))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m models.evaluate`: errors of a model on labelled pictures, through the live path.

Every picture goes through the live detector and aligner. The largest face counts; where none is
found the whole picture is taken as the chip. CSn is the share of faces whose age is off by at most
n years; gender is male from a probability of one half on.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from models.align import crop_faces
from models.arguments import count
from models.calibration import age_range
from models.dataset import MIN_FACE, Pictures, Sample, largest_face
from models.mtcnn import Mtcnn
from models.runtime import Estimator, choose_device
from models.spec import InputSpec, ModelError, load_manifest

AGE_BANDS = ((0, 3), (4, 8), (9, 15), (16, 25), (26, 35), (36, 45), (46, 60), (61, 75), (76, None))
BATCH = 64  # pictures that are read, detected and estimated together
METRICS = ("mae", "cs3", "cs5", "cs7", "gender_accuracy")


@dataclass(frozen=True, eq=False)
class Results:
    """One row per picture that could be read; nan where a label or an output is not known."""

    ages: np.ndarray  # (N,) float, years, labelled
    males: np.ndarray  # (N,) float, 1 or 0, labelled
    races: np.ndarray  # (N,) str, "" where not labelled
    guessed_ages: np.ndarray  # (N,) float, years
    guessed_males: np.ndarray  # (N,) float, probability
    age_low: np.ndarray  # (N,) float, years: the range that should hold the age
    age_high: np.ndarray  # (N,) float, years
    found: np.ndarray  # (N,) bool, whether a face was found

    def __getitem__(self, rows: np.ndarray) -> "Results":
        return Results(*(column[rows] for column in vars(self).values()))

    def __len__(self) -> int:
        return len(self.ages)


def evaluate(
    estimator: Estimator, pictures: Pictures, samples: list[Sample], detector: Mtcnn | None
) -> Results:
    """Estimate the samples' pictures; without a detector every whole picture is the chip."""
    rows, crops_found, guesses = [], [], []
    for start, crops in _crops(pictures, samples, detector, estimator.input):
        readable = [i for i, crop in enumerate(crops) if crop is not None]
        if readable:
            rows += [start + i for i in readable]
            crops_found += [crops[i][1] for i in readable]
            guesses.append(estimator(np.stack([crops[i][0] for i in readable])))
    ages, males = (np.concatenate(c) for c in zip(*guesses, strict=True)) if guesses else ([], [])
    kept = [samples[row] for row in rows]
    low, high = age_range(estimator.manifest.calibration, np.array(ages, float))
    return Results(
        np.array([s.age for s in kept], float),
        np.array([s.male for s in kept], float),
        np.array([s.race for s in kept], str),
        np.array(ages, float),
        np.array(males, float),
        low,
        high,
        np.array(crops_found, bool),
    )


def _crops(
    pictures: Pictures, samples: list[Sample], detector: Mtcnn | None, spec: InputSpec
) -> Iterator[tuple[int, list[Any]]]:
    """Batches, each with its first row: (crop (size, size, 3) uint8, whether a face was found) per
    picture, None for one that cannot be decoded."""

    def crop(sample: Sample) -> tuple[np.ndarray, bool] | None:
        image = pictures.image(sample)
        if image is None:
            return None
        if detector is not None:
            face = largest_face(detector, image)
            if len(face):
                return crop_faces(image, face.boxes, face.points, spec)[0], True
        area = min(image.shape[:2]) >= 2 * spec.size  # as models.align.warp
        how = cv2.INTER_AREA if area else cv2.INTER_LINEAR
        return cv2.resize(image, (spec.size, spec.size), interpolation=how), False

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(samples), desc=pictures.path.name, unit="picture") as progress,
    ):
        for start in range(0, len(samples), BATCH):
            batch = samples[start : start + BATCH]
            yield start, list(pool.map(crop, batch))
            progress.update(len(batch))


def chosen_samples(pictures: Pictures, split: str, limit: int | None) -> list[Sample]:
    """The split's samples, or `limit` of them spread evenly over it. Raises ModelError if none."""
    samples = [s for s in pictures.samples if s.split == split]
    if not pictures.samples:
        raise ModelError(f"{pictures.path}: labels.csv has no rows")
    if not samples:
        splits = ", ".join(sorted({s.split for s in pictures.samples}))
        raise ModelError(f"{pictures.path} has no split {split!r}: choose --split from {splits}")
    if limit is not None and limit < len(samples):
        samples = [samples[i * len(samples) // limit] for i in range(limit)]
    return samples


def metrics(results: Results) -> dict[str, Any]:
    """n and METRICS; None for what cannot be computed."""
    errors = np.abs(results.guessed_ages - results.ages)
    errors = errors[np.isfinite(errors)]
    known = np.isfinite(results.guessed_males) & np.isfinite(results.males)
    right = (results.guessed_males[known] >= 0.5) == (results.males[known] == 1)
    return {
        "n": len(results),
        "faces_found": int(results.found.sum()),
        "mae": _mean(errors),
        **{f"cs{years}": _mean(errors <= years) for years in (3, 5, 7)},
        "gender_accuracy": _mean(right),
    }


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def groups(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """The metrics by age band, gender and race, without the groups that have no face."""
    by_age = {
        f"{low}-{high}" if high is not None else f"{low}+": (results.ages >= low)
        & (results.ages < (math.inf if high is None else high + 1))
        for low, high in AGE_BANDS
    }
    by_gender = {"female": results.males == 0, "male": results.males == 1}
    by_race = {race: results.races == race for race in sorted(set(results.races)) if race}
    kinds = {"by_age": by_age, "by_gender": by_gender, "by_race": by_race}
    return {
        kind: {str(name): metrics(results[rows]) for name, rows in parts.items() if rows.any()}
        for kind, parts in kinds.items()
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""

    def line(name: str, values: dict[str, Any]) -> str:
        cells = ["-" if values[m] is None else f"{values[m]:.3f}" for m in METRICS]
        return f"{name:<18}{values['n']:>7}" + "".join(f"{cell:>8}" for cell in cells)

    faces = f"{report['faces_found']} faces found"
    lines = [
        f"{report['model']} on {report['data']}, split {report['split']}: {report['n']} pictures, "
        f"{'whole pictures as chips' if report['chips'] else faces}, "
        f"{report['unreadable']} unreadable, {report['seconds']:.0f} s",
        f"{'':<18}{'n':>7}" + "".join(f"{m.removesuffix('_accuracy'):>8}" for m in METRICS),
        line("all", report),
    ]
    for kind in ("by_age", "by_gender", "by_race"):
        lines += [line(f"  {name}", values) for name, values in report[kind].items()]
    return "\n".join(lines)


def report_of(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate as the command line asks."""
    began = time.perf_counter()
    manifest = load_manifest(args.name)
    pictures = Pictures(args.data)
    samples = chosen_samples(pictures, args.split, args.limit)
    estimator = Estimator(manifest, choose_device(args.device))
    results = evaluate(
        estimator, pictures, samples, None if args.chips else Mtcnn(MIN_FACE, video=False)
    )
    if not len(results):
        raise ModelError(
            f"{args.data}: none of the {len(samples)} pictures of split {args.split!r} could be "
            "read from images/"
        )
    return {
        "model": manifest.name,
        "data": str(args.data),
        "split": args.split,
        "chips": args.chips,
        **metrics(results),
        **({"faces_found": None} if args.chips else {}),
        "unreadable": len(samples) - len(results),
        **groups(results),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main(argv: list[str] | None = None) -> int:
    """Parse, evaluate, print."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    parser.add_argument("name", help="a shipped model, or the path of a manifest (.json)")
    parser.add_argument("--data", type=Path, required=True, help="zip or folder with labels.csv")
    parser.add_argument("--split", default="test", help="default %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--chips", action="store_true", help="the pictures are crops: do not detect"
    )
    parser.add_argument("--limit", type=count, help="only so many pictures, spread over the split")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    args = parser.parse_args(argv)
    try:
        report = report_of(args)
    except ModelError as error:
        print(f"models.evaluate: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, allow_nan=False) if args.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

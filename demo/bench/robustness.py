"""`python -m demo.bench.robustness MODEL --data ZIP`: how steady labels are as detections waver.

The largest face of every picture is shown for 60 frames; in each, every side of its box is off by
up to 4 %. That box is either where the face is expected, and the third net measures the face there
as it does live, or it is what was measured, and the points are off with it: a worse detector.

`raw` is the standard deviation over the frames of the age that the network sees, `shown` that of
the running estimate from its first label on, both as means over the faces; a flip is a shown gender
that changes.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from demo.errors import UserError
from demo.faces.quality import qualities
from demo.faces.smoothing import LabelSmoother
from demo.frames import Faces
from demo.session import prepare_process
from models.commands import command_line, count, guarded, seed
from models.crops.align import crop_faces
from models.datasets.faces import MIN_FACE, largest_face
from models.datasets.labels import Pictures, Sample
from models.detection.mtcnn import Detections, Mtcnn
from models.evaluation import results_table
from models.evaluation.run import select_samples
from models.files import make_folder
from models.inference.calibration import Table
from models.inference.estimator import Estimator, choose_device
from models.manifest import load_manifest

FRAMES = 60
JITTER = 0.04  # of the box's width and height, at most, at each of its sides
JITTERED = ("expected", "measured")  # what is off: the box to look in, or all that was found
LIMITS = {"raw": 1.0, "shown": 0.25, "flips": 0}  # years, years, faces; live, where "expected" is


class Answers(NamedTuple):
    """What the network says of each face in each of FRAMES frames."""

    raw: np.ndarray  # (N, FRAMES) float32, years: `Estimator.__call__`
    ages: np.ndarray  # (N, FRAMES) float32, years: as asked live, a side of the face in turn
    male_probs: np.ndarray  # (N, FRAMES) float32, probability, live too
    weights: np.ndarray  # (N, FRAMES) float32, 0..1, quality of the crops


def jittered(face: Detections, rng: np.random.Generator) -> Detections:
    """FRAMES rows of one face, each side of whose box is off by up to JITTER of the box's width or
    height at random, and whose points are where they were in the box."""
    box = face.boxes[0].reshape(2, 2).astype(np.float64)
    size = box[1] - box[0]
    corners = box + rng.uniform(-JITTER, JITTER, (FRAMES, 2, 2)) * size
    places = (face.points[0] - box[0]) / size  # (5, 2), in the box's sides
    points = corners[:, :1] + places * (corners[:, 1:] - corners[:, :1])
    return Detections(
        corners.reshape(FRAMES, 4).astype(np.float32),
        np.repeat(face.scores, FRAMES),
        points.astype(np.float32),
    )


def answers(
    estimator: Estimator, pictures: Pictures, samples: list[Sample], seed: int
) -> dict[str, Answers]:
    """Estimate the faces of the samples' pictures, JITTERED in either way by the same boxes. Raises
    UserError if there are none."""
    detector, rng = Mtcnn(MIN_FACE, video=False), np.random.default_rng(seed)
    rows: dict[str, list[tuple[np.ndarray, ...]]] = {jitter: [] for jitter in JITTERED}
    for image, face in _found(pictures, samples, detector):
        off = jittered(face, rng)
        again = detector.refine(image, off.boxes)
        for jitter, found in zip(JITTERED, (again, off), strict=True):
            rows[jitter].append(_estimated(estimator, image, found))
    if not rows[JITTERED[0]]:
        raise UserError(f"{pictures.path}: no face found in {len(samples)} pictures")
    return {
        jitter: Answers(*(np.stack(column) for column in zip(*each, strict=True)))
        for jitter, each in rows.items()
    }


def _estimated(
    estimator: Estimator, image: np.ndarray, found: Detections
) -> tuple[np.ndarray, ...]:
    """One face's row of every column of Answers."""
    faces = Faces.detected(found.boxes, found.scores, found.points)
    crops = crop_faces(image, faces.boxes, faces.points, estimator.input)
    height, width = image.shape[:2]
    raw, _ = estimator.predict(crops)
    live = estimator.submit(crops, np.arange(FRAMES)).result()
    return raw, *live, qualities(faces, width, height)


def _found(
    pictures: Pictures, samples: list[Sample], detector: Mtcnn
) -> Iterator[tuple[np.ndarray, Detections]]:
    for sample in tqdm(samples, pictures.path.name, unit="picture"):
        image = pictures.image(sample)
        if image is None:
            continue
        face = largest_face(detector, image)
        if len(face):
            yield image, face


def shown(said: Answers, calibration: Table) -> tuple[np.ndarray, np.ndarray]:
    """Ages and probabilities of male (N, FRAMES) as the live application shows them."""
    smoother, ids = LabelSmoother(calibration), np.arange(1, len(said.ages) + 1)
    frames = []
    for frame in range(said.ages.shape[1]):
        ages, male_probs, weights = (column[:, frame] for column in said[1:])
        smoother.add(ids, ages, male_probs, weights, frame)
        frames.append(smoother.labels(ids)[:2])
    ages, male_probs = np.moveaxis(np.array(frames), 0, -1)
    return ages, male_probs


def figures(said: Answers, calibration: Table) -> dict[str, Any]:
    """The measurement: faces, those that got a label, raw, shown (years; None without ages) and
    flips (faces whose shown gender changed)."""
    ages, male_probs = shown(said, calibration)
    aged, gendered = np.isfinite(ages).any(axis=1), np.isfinite(male_probs).any(axis=1)
    flipped = (male_probs >= 0.5).any(axis=1) & (male_probs < 0.5).any(axis=1)
    return {
        "faces": len(ages),
        "labelled": int((aged | gendered).sum()),
        "raw": _mean(said.raw[np.isfinite(said.raw).all(axis=1)].std(axis=1)),
        "shown": _mean(np.nanstd(ages[aged], axis=1)),
        "flips": int(flipped.sum()),
    }


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['model']} on {report['data']}, split {report['split']}: {FRAMES} frames of each "
        f"face, jitter {JITTER:.0%}; standard deviation (live at most {LIMITS['raw']} raw, "
        f"{LIMITS['shown']} shown, {LIMITS['flips']} flips):"
    ]
    for row in report["rows"]:
        raw, shown = ("-" if row[k] is None else f"{row[k]:.3f}" for k in ("raw", "shown"))
        lines.append(
            f"{row['jitter']:>8} box off: raw age {raw} years, shown {shown}; gender flips: "
            f"{row['flips']} of {row['labelled']} labelled, {row['faces']} faces"
        )
    return "\n".join(lines)


def run(args: argparse.Namespace, command: str) -> dict[str, Any]:
    """Measure, and keep, as the command line asks."""
    manifest, pictures = load_manifest(args.model), Pictures(args.data)
    if args.save:
        make_folder(args.save)
    samples = select_samples(pictures, args.split, args.limit)
    said = answers(Estimator(manifest, choose_device("cpu")), pictures, samples, args.seed)
    key = {"model": manifest.name, "data": args.data.resolve().name, "split": args.split}
    rows = [{"jitter": k} | figures(each, manifest.calibration) for k, each in said.items()]
    if args.save:
        how = results_table.circumstances(manifest, command, args.seed)
        results_table.write(args.save / "steadiness.csv", key, [row | how for row in rows])
    return key | {"rows": rows}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a shipped model, or the path of a manifest (.json)")
    parser.add_argument("--data", type=Path, required=True, help="zip or folder with labels.csv")
    parser.add_argument("--split", default="test", help="default %(default)s")
    parser.add_argument(
        "--limit", type=count, default=500, help="pictures, spread over the split (%(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=1, help="of the jitter (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="keep the figures in steadiness.csv"
    )
    args = parser.parse_args(argv)
    prepare_process()

    def work() -> None:
        report = run(args, command_line("demo.bench.robustness", argv))
        print(json.dumps(report) if args.json else text(report))

    return guarded("demo.bench.robustness", work)


if __name__ == "__main__":
    sys.exit(main())

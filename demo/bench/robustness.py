"""Measure how steady labels stay when boxes jitter: `python -m demo.bench.robustness`.

The largest face of every picture is shown for 60 frames. In each frame every side of its box is off
by up to 4 %. In the rows "expected", that box is where the tracker expects the face, and O-Net
refines it, as in a live run. In the rows "measured", the network gets that box with its points as
they are: a worse detector.

raw      standard deviation over the frames of the age that the network estimates, mean over faces
shown    the same for the shown age, from its first label on
flips    faces whose shown gender changes
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from demo.build import prepare_process
from demo.errors import UserError
from demo.faces.quality import qualities
from demo.faces.smoothing import LabelSmoother
from demo.frames import Faces
from models.commands import command_line, count, guarded, seed
from models.crops.align import crop_faces
from models.datasets.faces import MIN_FACE, largest_face
from models.datasets.labels import Pictures, Sample
from models.detection.mtcnn import Detections, Mtcnn
from models.evaluation import results_table
from models.evaluation.run import select_samples
from models.files import make_folder
from models.inference.calibration import Table
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest

FRAMES = 60
JITTER = 0.04  # largest error of each side of a box, as a share of its width or height
JITTERED = ("expected", "measured")  # which boxes are off: those before or after refinement
LIMITS = {"raw": 1.0, "shown": 0.25, "flips": 0}  # years, years, faces; for "expected"


class Predictions(NamedTuple):
    """Estimates for each face in each of FRAMES frames."""

    raw: np.ndarray  # (N, FRAMES) float32, years, by `Estimator.predict`
    ages: np.ndarray  # (N, FRAMES) float32, years, by `Estimator.submit` as in a live run
    male_probs: np.ndarray  # (N, FRAMES) float32, probability, as in a live run
    weights: np.ndarray  # (N, FRAMES) float32, 0..1, quality of the crops


def jittered(face: Detections, rng: np.random.Generator) -> Detections:
    """FRAMES copies of one face with errors in the box: each side moves at random by up to JITTER
    of the box's width or height, and the points move with it."""
    box = face.boxes[0].reshape(2, 2).astype(np.float64)
    size = box[1] - box[0]
    corners = box + rng.uniform(-JITTER, JITTER, (FRAMES, 2, 2)) * size
    places = (face.points[0] - box[0]) / size  # (5, 2), as shares of the box
    points = corners[:, :1] + places * (corners[:, 1:] - corners[:, :1])
    return Detections(
        corners.reshape(FRAMES, 4).astype(np.float32),
        np.repeat(face.scores, FRAMES),
        points.astype(np.float32),
    )


def predict_jittered(
    estimator: Estimator, pictures: Pictures, samples: list[Sample], seed: int
) -> dict[str, Predictions]:
    """Predictions for the largest face of each sample's picture, by JITTERED; both get the same
    jitter. Raises UserError if no face is found."""
    detector, rng = Mtcnn(MIN_FACE, video=False), np.random.default_rng(seed)
    rows: dict[str, list[tuple[np.ndarray, ...]]] = {jitter: [] for jitter in JITTERED}
    for image, face in _largest_faces(pictures, samples, detector):
        off = jittered(face, rng)
        refined = detector.refine(image, off.boxes)
        for jitter, found in zip(JITTERED, (refined, off), strict=True):
            rows[jitter].append(_predict(estimator, image, found))
    if not rows[JITTERED[0]]:
        raise UserError(f"{pictures.path}: no face found in {len(samples)} pictures")
    return {
        jitter: Predictions(*(np.stack(column) for column in zip(*each, strict=True)))
        for jitter, each in rows.items()
    }


def _predict(estimator: Estimator, image: np.ndarray, found: Detections) -> tuple[np.ndarray, ...]:
    """One face's row of every column of Predictions."""
    faces = Faces.detected(found.boxes, found.scores, found.points)
    crops = crop_faces(image, faces.boxes, faces.points, estimator.input)
    height, width = image.shape[:2]
    raw, _ = estimator.predict(crops)
    live = estimator.submit(crops, np.arange(FRAMES)).result()
    return raw, *live, qualities(faces, width, height)


def _largest_faces(
    pictures: Pictures, samples: list[Sample], detector: Mtcnn
) -> Iterator[tuple[np.ndarray, Detections]]:
    """Pictures that can be read and hold a face, with the largest one."""
    for sample in tqdm(samples, pictures.path.name, unit="picture"):
        image = pictures.image(sample)
        if image is None:
            continue
        face = largest_face(detector, image)
        if len(face):
            yield image, face


def smoothed_labels(predictions: Predictions, calibration: Table) -> tuple[np.ndarray, np.ndarray]:
    """Ages in years and probabilities of male, each (N, FRAMES), as a live run shows them."""
    smoother, ids = LabelSmoother(calibration), np.arange(1, len(predictions.ages) + 1)
    frames = []
    for frame in range(predictions.ages.shape[1]):
        ages, male_probs, weights = (column[:, frame] for column in predictions[1:])
        smoother.add(ids, ages, male_probs, weights, frame)
        frames.append(smoother.labels(ids)[:2])
    ages, male_probs = np.moveaxis(np.array(frames), 0, -1)
    return ages, male_probs


def statistics(predictions: Predictions, calibration: Table) -> dict[str, Any]:
    """Columns of the table: number of faces, faces with a label, raw and shown standard deviation
    in years (None without ages), and faces whose shown gender flipped."""
    ages, male_probs = smoothed_labels(predictions, calibration)
    aged, gendered = np.isfinite(ages).any(axis=1), np.isfinite(male_probs).any(axis=1)
    flipped = (male_probs >= 0.5).any(axis=1) & (male_probs < 0.5).any(axis=1)
    known = np.isfinite(predictions.raw).all(axis=1)
    return {
        "faces": len(ages),
        "labelled": int((aged | gendered).sum()),
        "raw": _mean(predictions.raw[known].std(axis=1)),
        "shown": _mean(np.nanstd(ages[aged], axis=1)),
        "flips": int(flipped.sum()),
    }


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['model']} on {report['data']}, split {report['split']}: {FRAMES} frames per "
        f"face, jitter {JITTER:.0%}; standard deviations (limits for expected boxes: "
        f"{LIMITS['raw']} raw, {LIMITS['shown']} shown, {LIMITS['flips']} flips):"
    ]
    for row in report["rows"]:
        raw, shown = ("-" if row[k] is None else f"{row[k]:.3f}" for k in ("raw", "shown"))
        lines.append(
            f"{row['jitter']:>8} box off: raw age {raw} years, shown {shown}; gender flips: "
            f"{row['flips']} of {row['labelled']} labelled, {row['faces']} faces"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a shipped model, or the path of a manifest (.json)")
    parser.add_argument("--data", type=Path, required=True, help="zip or folder with labels.csv")
    parser.add_argument("--split", default="test", help="split of the data (%(default)s)")
    parser.add_argument(
        "--limit", type=count, default=500, help="pictures, spread over the split (%(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=1, help="of the jitter (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="also write the rows to DIR/steadiness.csv"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    args = _parser().parse_args(argv)
    prepare_process()

    def work() -> None:
        manifest, pictures = load_manifest(args.model), Pictures(args.data)
        if args.save:
            make_folder(args.save)
        samples = select_samples(pictures, args.split, args.limit)
        with Estimator(manifest, choose_device("cpu")) as estimator:
            predictions = predict_jittered(estimator, pictures, samples, args.seed)
        key = {"model": manifest.name, "data": args.data.resolve().name, "split": args.split}
        rows = [
            {"jitter": jitter} | statistics(each, manifest.calibration)
            for jitter, each in predictions.items()
        ]
        if args.save:
            command = command_line("demo.bench.robustness", argv)
            how = results_table.circumstances(manifest, command, args.seed)
            results_table.write(args.save / "steadiness.csv", key, [row | how for row in rows])
        report = key | {"rows": rows}
        print(json.dumps(report) if args.json else text(report))

    return guarded("demo.bench.robustness", work)


if __name__ == "__main__":
    sys.exit(main())

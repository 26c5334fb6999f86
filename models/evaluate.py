"""`python -m models.evaluate`: errors of a model on labelled pictures, through the live path.

Every picture goes through the live detector and aligner. The largest face counts; where none is
found the whole picture is taken as the crop (for C3AE: as the chip). `models.evaluation.metrics`
says what the figures mean; ± is half of a 95 % interval, of the error by bootstrap, of shares
Wilson's.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from models.commands import add_model, command_line, count, guarded
from models.crops.align import context_crops, crop_faces
from models.crops.context import middle_crop
from models.crops.spec import CHIP, InputSpec
from models.datasets.chips import digest
from models.datasets.labels import MIN_FACE, Pictures, Sample, largest_face
from models.datasets.splits import holders
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluation.brackets import bracket_figures
from models.evaluation.metrics import Results, fairness, groups, metrics
from models.evaluation.report import save, table
from models.files import make_folder
from models.inference.calibration import age_range
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest

BATCH = 64  # pictures that are read, detected and estimated together
SHEET = 128  # pixels of a crop on the sheet of the worst mistakes


def evaluate(
    estimator: Estimator, pictures: Pictures, samples: list[Sample], detector: Mtcnn | None
) -> Results:
    """Estimate the samples' pictures; without a detector each is the crop as a whole."""
    rows, crops_found, guesses = [], [], []
    for start, crops in _crops(pictures, samples, detector, estimator.input):
        readable = [i for i, crop in enumerate(crops) if crop is not None]
        if readable:
            rows += [start + i for i in readable]
            crops_found += [crops[i][1] for i in readable]
            guesses.append(estimator.predict_all(np.stack([crops[i][0] for i in readable])))
    ages, males, shares = (_joined(guesses, name, len(rows)) for name in ("age", "male", "nodes"))
    kept = [samples[row] for row in rows]
    low, high = age_range(estimator.manifest.calibration, ages)
    return Results(
        np.array(rows, int),
        np.array([s.age for s in kept], float),
        np.array([s.age_low for s in kept], float),
        np.array([s.age_high for s in kept], float),
        np.array([s.male for s in kept], float),
        np.array([s.race for s in kept], str),
        ages,
        males,
        low,
        high,
        np.array(crops_found, bool),
        shares if shares.ndim == 2 else shares[:, None],
    )


def _joined(guesses: list[dict[str, np.ndarray]], output: str, count: int) -> np.ndarray:
    """An output of `count` rows, nan where the model does not tell it."""
    if not guesses or output not in guesses[0]:
        return np.full(count, np.nan)
    return np.concatenate([guess[output] for guess in guesses]).astype(float)


def _crops(
    pictures: Pictures, samples: list[Sample], detector: Mtcnn | None, spec: InputSpec
) -> Iterator[tuple[int, list[Any]]]:
    """Batches, each with its first row: (crop (size, size, depth) uint8, whether a face was found)
    per picture, None for one that cannot be decoded."""

    def crop(sample: Sample) -> tuple[np.ndarray, bool] | None:
        image = pictures.image(sample)
        if image is None:
            return None
        if detector is not None:
            face = largest_face(detector, image)
            if len(face):
                return crop_faces(image, face.boxes, face.points, spec)[0], True
        return whole_picture(image, spec), False

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(samples), desc=pictures.path.name, unit="picture") as progress,
    ):
        for start in range(0, len(samples), BATCH):
            batch = samples[start : start + BATCH]
            yield start, list(pool.map(crop, batch))
            progress.update(len(batch))


def whole_picture(image: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The crop (size, size, depth) that a whole picture (H, W, 3) is taken for."""
    if spec.align == "context":
        return context_crops(whole_picture(image, CHIP), spec.size)
    area = min(image.shape[:2]) >= 2 * spec.size  # as models.crops.align.warp
    how = cv2.INTER_AREA if area else cv2.INTER_LINEAR
    return cv2.resize(image, (spec.size, spec.size), interpolation=how)


def larger_crops(
    results: Results,
    rows: np.ndarray,
    pictures: Pictures,
    samples: list[Sample],
    detector: Mtcnn | None,
    spec: InputSpec,
) -> dict[int, np.ndarray]:
    """What the network saw of these rows of the results, by row, SHEET pixels large."""
    chosen = [samples[results.rows[row]] for row in rows]
    batches = _crops(pictures, chosen, detector, replace(spec, size=SHEET))
    crops = [middle_crop(crop) for _, batch in batches for crop, _ in batch]
    return dict(zip(rows.tolist(), crops, strict=True))


def chosen_samples(pictures: Pictures, split: str, limit: int | None) -> list[Sample]:
    """The split's samples, or `limit` of them spread evenly over it. Raises ModelError if none."""
    samples = [s for s in pictures.samples if s.split == split]
    if not samples:
        splits = ", ".join(sorted({s.split for s in pictures.samples}))
        raise ModelError(f"{pictures.path} has no split {split!r}: choose --split from {splits}")
    if limit is not None and limit < len(samples):
        samples = [samples[i * len(samples) // limit] for i in range(limit)]
    return samples


def repeated(pictures: Pictures, split: str) -> dict[str, int]:
    """The pictures of a split that are in others as well, byte for byte, and of how many."""
    splits = [sample.split for sample in pictures.samples]
    several = [len(held) > 1 for held in holders(splits, pictures.digests())]
    counted = [twice for twice, own in zip(several, splits, strict=True) if own == split]
    return {"pictures": sum(counted), "of": len(counted)}


def run(args: argparse.Namespace, command: str) -> dict[str, Any]:
    """Evaluate, draw and keep as the command line asks; the report."""
    began = time.perf_counter()
    manifest, pictures = load_manifest(args.name), Pictures(args.data)
    if args.save and args.chips:
        raise ModelError("--save keeps figures of the live path: leave out --chips or --save")
    if args.save and args.limit is not None:
        raise ModelError("--save keeps figures of whole splits: leave out --limit or --save")
    name = args.data.resolve().name
    learnt = manifest.data.get(name)
    if args.save and learnt and learnt["sha256"] != digest(args.data):
        raise ModelError(
            f"--save: {args.data} is another {name} than {manifest.name} was trained on, which may "
            "know its test faces: rename it or leave out --save"
        )
    for folder in filter(None, (args.plots, args.save)):
        make_folder(folder)
    samples = chosen_samples(pictures, args.split, args.limit)
    estimator = Estimator(manifest, choose_device(args.device))
    detector = None if args.chips else Mtcnn(MIN_FACE, video=False)
    results = evaluate(estimator, pictures, samples, detector)
    if not len(results):
        raise ModelError(
            f"{args.data}: none of the {len(samples)} pictures of split {args.split!r} could be "
            "read from images/"
        )
    report = {
        "model": manifest.name,
        "data": str(args.data),
        "split": args.split,
        "chips": args.chips,
        **metrics(results),
        "brackets": bracket_figures(
            results.least_ages, results.most_ages, results.guessed_ages, results.shares
        ),
        **({"faces_found": None} if args.chips else {}),
        "repeated": repeated(pictures, args.split),
        "unreadable": len(samples) - len(results),
        **groups(results),
        "fairness": fairness(results),
        "seconds": round(time.perf_counter() - began, 2),
    }
    if args.save:
        save(report, manifest, name, command, args.save)
    if args.plots:
        from models.evaluation.plots import save_plots, worst

        title = f"{manifest.name} on {args.data.name}, split {args.split}, {len(results)} pictures"
        rows = np.unique(np.concatenate(worst(results)))
        crops = larger_crops(results, rows, pictures, samples, detector, manifest.input)
        save_plots(results, crops, title, args.plots)
    return report


def main(argv: list[str] | None = None) -> int:
    """Parse, evaluate, print."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    add_model(parser)
    parser.add_argument("--data", type=Path, required=True, help="zip or folder with labels.csv")
    parser.add_argument("--split", default="test", help="which part (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--chips", action="store_true", help="the pictures are crops: do not detect"
    )
    parser.add_argument("--limit", type=count, help="only so many pictures, spread over the split")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), default="auto", help="where (%(default)s)"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the figures and the worst")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="keep the figures in evaluation.csv and groups.csv"
    )
    args = parser.parse_args(argv)

    def work() -> None:
        report = run(args, command_line("models.evaluate", argv))
        print(json.dumps(report, allow_nan=False) if args.json else table(report))

    return guarded("models.evaluate", work)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m models.calibrate`: fit a model's age ranges on val splits, into its manifest."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.arguments import add_model, guarded, make_folder
from models.calibration import fit_age_range
from models.datasets.labels import MIN_FACE, Pictures
from models.evaluate import chosen_samples, evaluate
from models.mtcnn import Mtcnn
from models.runtime import Estimator, choose_device
from models.spec import Manifest, ModelError, load_manifest


def calibrate(manifest: Manifest, data: list[Path], split: str) -> Manifest:
    """The manifest with the table of `models.calibration`, fitted on a split of all data sets, each
    weighing the same, whose pictures go through the live detector and aligner."""
    estimator, detector = Estimator(manifest, choose_device("auto")), Mtcnn(MIN_FACE, video=False)
    guesses, ages, weights = [], [], []
    for path in data:
        pictures = Pictures(path)
        results = evaluate(estimator, pictures, chosen_samples(pictures, split, None), detector)
        known = results[results.age_known]
        guesses.append(known.guessed_ages)
        ages.append(known.ages)
        weights.append(np.full(len(known), 1 / max(len(known), 1)))
    if not np.concatenate(ages).size:
        raise ModelError(f"{manifest.name}: no age to calibrate by in split {split!r}")
    table = fit_age_range(*map(np.concatenate, (guesses, ages, weights)))
    return replace(manifest, calibration=table)


def main(argv: list[str] | None = None) -> int:
    """Parse, calibrate, rewrite the manifest."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__)
    add_model(parser)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="zips or folders")
    parser.add_argument("--split", default="val", help="whose faces are fitted (%(default)s)")
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = load_manifest(args.name)
        make_folder(manifest.folder)
        print(calibrate(manifest, args.data, args.split).save())

    return guarded("models.calibrate", work)


if __name__ == "__main__":
    sys.exit(main())

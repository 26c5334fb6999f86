"""`python -m models.calibrate`: fit age ranges and gender probabilities on val splits, and write
them into the manifest of a model."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.calibration import fit_age_range, fit_probability
from models.dataset import MIN_FACE, Pictures
from models.evaluate import chosen_samples, evaluate
from models.mtcnn import Mtcnn
from models.runtime import Estimator, choose_device
from models.spec import Manifest, ModelError, load_manifest


def calibrate(manifest: Manifest, data: list[Path], split: str) -> Manifest:
    """The manifest with tables of `models.calibration`, fitted on a split of all data sets, every
    picture of which goes through the live detector and aligner."""
    estimator = Estimator(replace(manifest, calibration={}), choose_device("auto"))
    detector = Mtcnn(MIN_FACE, video=False)
    parts = []
    for path in data:
        pictures = Pictures(path)
        parts.append(evaluate(estimator, pictures, chosen_samples(pictures, split, None), detector))
    guesses, ages, outputs, males = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("guessed_ages", "ages", "guessed_males", "males")
    )
    tables: dict[str, list[float]] = {}
    known = np.isfinite(guesses) & np.isfinite(ages)
    if known.any():
        tables |= fit_age_range(guesses[known], ages[known])
    known = np.isfinite(outputs) & np.isfinite(males)
    if known.any():
        tables |= fit_probability(outputs[known], males[known])
    return replace(manifest, calibration=tables)


def main(argv: list[str] | None = None) -> int:
    """Parse, calibrate, rewrite the manifest."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__)
    parser.add_argument("name", help="a shipped model, or the path of a manifest (.json)")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="zips or folders")
    parser.add_argument("--split", default="val", help="default %(default)s")
    args = parser.parse_args(argv)
    try:
        manifest = calibrate(load_manifest(args.name), args.data, args.split)
        print(manifest.save())
    except ModelError as error:
        print(f"models.calibrate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

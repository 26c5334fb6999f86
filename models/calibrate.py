"""`python -m models.calibrate`: fit a model's age ranges and the temperature of its probabilities
of male on val splits, into its manifest.

Printed is how well such ranges hold faces that they were not fitted on.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.commands import add_model, guarded
from models.datasets.chips import by_digest
from models.datasets.labels import MIN_FACE, Pictures
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluate import chosen_samples, evaluate
from models.evaluation.metrics import Results, fairness
from models.files import make_folder
from models.inference.calibration import cross_fitted_ranges, fit_age_range, fit_temperature
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest

FEWEST = 100  # faces of known age, or of known gender


def calibrate(
    manifest: Manifest, data: list[Path], split: str
) -> tuple[dict[str, list[float]], list[Results]]:
    """The table of `models.inference.calibration`, fitted on a split of all data sets, each
    weighing the same, whose pictures go through the live detector and aligner; and the faces of
    known age of each data set with the ranges that tables of other faces give them. Nothing is
    fitted for what the network does not tell, and no temperature on too few faces of known gender.
    """
    if len(by_digest(data)) < len(data):
        raise ModelError("--data names a data set twice: its faces would weigh twice")
    raw = Estimator(replace(manifest, calibration={}), choose_device("auto"))
    detector = Mtcnn(MIN_FACE, video=False)
    found = []
    for path in data:
        pictures = Pictures(path)
        found.append(evaluate(raw, pictures, chosen_samples(pictures, split, None), detector))
    table: dict[str, list[float]] = {}
    ranged = [each[each.age_known] for each in found]
    if "age" in manifest.outputs:
        guesses, ages, weights = _joined(ranged, "guessed_ages", "ages")
        if len(ages) < FEWEST:
            raise _too_few(manifest, split, len(ages), "age")
        table |= fit_age_range(guesses, ages, weights)
        ends = np.cumsum([len(each) for each in ranged])[:-1]
        sides = (np.split(side, ends) for side in cross_fitted_ranges(guesses, ages, weights))
        ranged = [
            replace(each, age_low=low, age_high=high)
            for each, low, high in zip(ranged, *sides, strict=True)
        ]
    if "male" in manifest.outputs:
        gendered = [each[each.gender_known] for each in found]
        guesses, males, weights = _joined(gendered, "guessed_males", "males")
        if len(males) >= FEWEST:
            table["temperature"] = [fit_temperature(guesses, males, weights)]
        elif not table:
            raise _too_few(manifest, split, len(males), "gender")
    return table, ranged


def _joined(found: list[Results], guess: str, truth: str) -> tuple[np.ndarray, ...]:
    """Both columns (N,) of all data sets, and the weights (N,) of the faces."""
    columns = [np.concatenate([getattr(each, name) for each in found]) for name in (guess, truth)]
    return *columns, np.concatenate([np.full(len(each), 1 / max(len(each), 1)) for each in found])


def _too_few(manifest: Manifest, split: str, count: int, known: str) -> ModelError:
    return ModelError(
        f"{manifest.name}: split {split!r} has {count} faces of known {known} to calibrate by: "
        f"give at least {FEWEST}"
    )


def told(path: Path, split: str, known: Results) -> str:
    """One line: how many of a data set's faces ranges of other faces hold, how wide these are, and
    the bands of true ages that are not as covered as they should be."""
    if not len(known):
        return f"{path.name}, {split}: no face of known age"
    width = (known.age_high - known.age_low).mean()
    outside = fairness(known)["coverage"]["outside"]
    return (
        f"{path.name}, {split}: {len(known)} faces; tables of other faces cover "
        f"{known.inside.mean():.1%} by {width:.1f} years, bands outside: "
        f"{', '.join(outside) or 'none'}"
    )


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
        table, ranged = calibrate(manifest, args.data, args.split)
        for path, known in zip(args.data, ranged, strict=True):
            print(told(path, args.split, known))
        if "male" in manifest.outputs and "temperature" not in table:
            print(f"fewer than {FEWEST} faces of known gender: the temperature stays as it was")
        print(replace(manifest, calibration=manifest.calibration | table).save())

    return guarded("models.calibrate", work)


if __name__ == "__main__":
    sys.exit(main())

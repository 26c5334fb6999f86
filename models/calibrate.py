"""`python -m models.calibrate`: fit a model's age ranges and the temperature of its gender
probabilities on val splits, and write both into its manifest.

It prints the coverage of the ranges by cross-fitting: the range of each face comes from a table
that was fitted on other faces.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.commands import add_model, guarded
from models.datasets.chips import unique_data_sets
from models.datasets.faces import MIN_FACE
from models.datasets.labels import Pictures
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluation.metrics import COVERED, Results, fairness
from models.evaluation.run import evaluate, select_samples
from models.files import make_folder
from models.inference.calibration import cross_fitted_ranges, fit_age_range, fit_temperature
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest

MIN_LABELS = 100  # labelled ages, or genders, to fit on


def calibrate(
    manifest: Manifest, data: list[Path], split: str
) -> tuple[dict[str, list[float]], list[Results]]:
    """The table of `models.inference.calibration`, and for each data set its faces of known age
    with cross-fitted ranges.

    It is fitted on one split of all data sets, each with the same weight, through the live detector
    and aligner. Outputs that the model lacks are not fitted, nor is the temperature on fewer than
    MIN_LABELS genders. Raises ModelError for too few labels or a data set that is given twice.
    """
    if len(unique_data_sets(data)) < len(data):
        raise ModelError("--data has a data set twice, which would double its weight: remove one")
    results = _evaluate_all(manifest, data, split)
    table: dict[str, list[float]] = {}
    aged = [each[each.age_known] for each in results]
    if "age" in manifest.outputs:
        predictions, ages, weights = _joined(aged, "predicted_ages", "ages")
        if len(ages) < MIN_LABELS:
            raise _too_few(manifest, split, len(ages), "age")
        table |= fit_age_range(predictions, ages, weights)
        ends = np.cumsum([len(each) for each in aged])[:-1]
        sides = cross_fitted_ranges(predictions, ages, weights)
        aged = [
            replace(each, range_low=low, range_high=high)
            for each, low, high in zip(aged, *(np.split(s, ends) for s in sides), strict=True)
        ]
    if "male" in manifest.outputs:
        gendered = [each[each.gender_known] for each in results]
        male_probs, males, weights = _joined(gendered, "male_probs", "males")
        if len(males) >= MIN_LABELS:
            table["temperature"] = [fit_temperature(male_probs, males, weights)]
        elif not table:
            raise _too_few(manifest, split, len(males), "gender")
    return table, aged


def _evaluate_all(manifest: Manifest, data: list[Path], split: str) -> list[Results]:
    """The results of the uncalibrated model on each data set."""
    detector, results = Mtcnn(MIN_FACE, video=False), []
    with Estimator(replace(manifest, calibration={}), choose_device("auto")) as uncalibrated:
        for path in data:
            pictures = Pictures(path)
            samples = select_samples(pictures, split, None)
            results.append(evaluate(uncalibrated, pictures, samples, detector))
    return results


def _joined(results: list[Results], prediction: str, label: str) -> tuple[np.ndarray, ...]:
    """Predictions (N,), labels (N,) and weights (N,) of the faces of all data sets."""
    columns = [np.concatenate([getattr(each, n) for each in results]) for n in (prediction, label)]
    weights = [np.full(len(each), 1 / max(len(each), 1)) for each in results]
    return *columns, np.concatenate(weights)


def _too_few(manifest: Manifest, split: str, count: int, label: str) -> ModelError:
    return ModelError(
        f"{manifest.name}: split {split!r} has {count} faces of known {label} to calibrate on: "
        f"give at least {MIN_LABELS}"
    )


def coverage_table(names: list[str], aged: list[Results]) -> str:
    """Faces of known age, coverage and width of their ranges, and the age bands with a coverage
    outside COVERED, one line per data set."""
    width = max(len(name) for name in (*names, "age ranges"))
    low, high = COVERED
    lines = [f"{'age ranges':<{width}}  faces  coverage  width, years  bands outside {low}-{high}"]
    for name, results in zip(names, aged, strict=True):
        coverage = years = "-"
        outside = []
        if len(results):
            coverage = f"{results.inside.mean():.3f}"
            years = f"{(results.range_high - results.range_low).mean():.1f}"
            outside = fairness(results)["coverage"]["outside"]
        bands = ", ".join(outside) or "none"
        lines.append(f"{name:<{width}}  {len(results):>5}  {coverage:>8}  {years:>12}  {bands}")
    return "\n".join(lines)


def run(args: argparse.Namespace) -> str:
    """Calibrate as the command line says and write the manifest; the closing lines."""
    manifest = load_manifest(args.name)
    make_folder(manifest.folder)
    table, aged = calibrate(manifest, args.data, args.split)
    lines = []
    if "age" in manifest.outputs:
        names = [f"{path.name}, {args.split}" for path in args.data]
        lines.append(coverage_table(names, aged))
    if "temperature" in table:
        lines.append(f"temperature of the gender probabilities: {table['temperature'][0]:.3f}")
    elif "male" in manifest.outputs:
        lines.append(f"fewer than {MIN_LABELS} faces of known gender: the temperature is unchanged")
    path = replace(manifest, calibration=manifest.calibration | table).save()
    return "\n".join([*lines, f"written: {path}"])


def main(argv: list[str] | None = None) -> int:
    """Parse, calibrate, print the coverage and the manifest's path."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__)
    add_model(parser)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="zips or folders")
    parser.add_argument("--split", default="val", help="split to fit on (%(default)s)")
    args = parser.parse_args(argv)
    return guarded("models.calibrate", lambda: print(run(args)))


if __name__ == "__main__":
    sys.exit(main())

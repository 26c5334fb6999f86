import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from models.calibrate import main
from models.inference.calibration import (
    age_range,
    apply_temperature,
    cross_fitted_ranges,
    fit_age_range,
    fit_temperature,
)
from models.manifest import WEIGHTS


def people(seed: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ages = rng.gamma(4.0, 9.0, count).clip(0, 95)
    return ages + rng.normal(0, 2 + ages / 10), ages


def test_ranges_contain_nine_of_ten_ages_of_other_faces_and_grow_with_the_error():
    table = fit_age_range(*people(0), np.ones(4000))
    guesses, ages = people(1)
    low, high = age_range(table, guesses)
    assert ((ages >= low) & (ages <= high)).mean() == pytest.approx(0.9, abs=0.015)
    assert (low <= guesses.clip(0) + 1e-4).all()
    ends = age_range(table, np.array([10.0, 60.0]))
    assert ends[1][1] - ends[0][1] > 1.5 * (ends[1][0] - ends[0][0])


def test_a_small_set_weighs_as_much_as_a_large_one():
    guesses = np.full(1100, 30.0)
    ages = guesses + np.concatenate([np.linspace(-5, 5, 1000), np.linspace(-20, 20, 100)])
    alone, equal = np.ones(1100), np.repeat([1 / 1000, 1 / 100], [1000, 100])
    widths = [
        np.ptp(age_range(fit_age_range(guesses, ages, w), guesses[:1])) for w in (alone, equal)
    ]
    assert widths == pytest.approx([10.0, 32.0], abs=1.0)


def test_between_the_knots_ends_are_interpolated():
    table = {"age": [0.0, 100.0], "age_low": [0.0, 80.0], "age_high": [10.0, 100.0]}
    low, high = age_range(table, np.array([0.0, 50.0, 100.0]))
    assert low.tolist() == [0.0, 40.0, 80.0]
    assert high.tolist() == [10.0, 55.0, 100.0]


def test_without_a_table_ranges_are_nan():
    assert np.isnan(age_range({}, np.array([30.0]))).all()


def test_ranges_match_the_errors_whatever_ages_are_common():
    rng = np.random.default_rng(0)
    ages = np.concatenate([rng.uniform(20, 60, 5000), rng.uniform(80, 100, 100)])
    guesses = ages + rng.uniform(-10, 10, len(ages))
    low, high = age_range(fit_age_range(guesses, ages, np.ones(len(ages))), np.array([40.0, 90.0]))
    assert (np.array([40, 90]) - low).tolist() == pytest.approx([9, 9], abs=1.5)
    assert (high - np.array([40, 90])).tolist() == pytest.approx([9, 9], abs=1.5)


def test_a_band_with_low_coverage_is_boosted(monkeypatch):
    rng = np.random.default_rng(0)
    ages = np.concatenate([rng.uniform(26, 36, 1600), rng.uniform(36, 46, 400)])
    guesses = np.concatenate([rng.normal(30, 3, 1600), rng.normal(33, 3, 400)])

    def held():
        low, high = age_range(fit_age_range(guesses, ages, np.ones(2000)), guesses)
        inside = (ages >= low) & (ages <= high)
        return inside.mean(), inside[1600:].mean()

    even = held()
    monkeypatch.setattr("models.inference.calibration.MAX_BOOST", 1.0)
    uneven = held()
    assert (even[0], uneven[0]) == pytest.approx((0.9, 0.9), abs=0.01)
    assert even[1] == pytest.approx(0.9, abs=0.01)
    assert uneven[1] < 0.84


def test_the_conformal_factor_counts_one_face_more():
    errors = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    low, high = age_range(
        fit_age_range(30 + errors, np.full(10, 30.0), np.ones(10)), 35 + errors[:1]
    )
    assert 36 - low[0] == pytest.approx(10, abs=0.6)  # 9.9 of 10 faces, not 9
    low, high = age_range(
        fit_age_range(np.full(100, 30.0), np.full(100, 30.0), np.ones(100)), np.array([30.0])
    )
    assert (low[0], high[0]) == (29, 31)


def test_a_cross_fitted_range_comes_from_the_other_folds():
    guesses, ages = people(0, 400)
    ages[7] = guesses[7] + 60
    low, high = cross_fitted_ranges(guesses, ages, np.ones(400))
    fold = np.random.default_rng(0).permutation(400) % 5
    others = fold != fold[7]
    table = fit_age_range(guesses[others], ages[others], np.ones(others.sum()))
    assert [low[7], high[7]] == np.ravel(age_range(table, guesses[7:8])).tolist()


def test_the_temperature_makes_confidence_match_accuracy():
    rng = np.random.default_rng(0)
    odds = np.exp(rng.normal(0, 2, 20_000))
    males = (rng.uniform(size=20_000) < odds / (1 + odds)).astype(float)
    shy = odds**0.5 / (1 + odds**0.5)
    temperature = fit_temperature(shy, males, np.ones(20_000))
    assert temperature == pytest.approx(0.5, abs=0.02)
    calibrated = apply_temperature({"temperature": [0.5]}, np.array([0.2, 0.5, 0.8, 1.0]))
    assert calibrated == pytest.approx([1 / 17, 0.5, 16 / 17, 1.0], abs=1e-5)
    assert apply_temperature({}, shy) is shy


@pytest.fixture
def faces(tmp_path, astronaut):
    """A folder of one face, and how to label it a number of times, with a gender or without."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "face.png"), astronaut[0:256, 96:352])

    def label(times, gender="female"):
        with (tmp_path / "labels.csv").open("w", newline="") as file:
            rows = [["face.png", "val", 24 + row % 20, gender] for row in range(times)]
            csv.writer(file).writerows([["file", "split", "age", "gender"], *rows])
        return str(tmp_path)

    return label


@pytest.fixture
def manifest(tmp_path):
    """That of ssrnet-joint, to be changed."""
    for path in WEIGHTS.glob("ssrnet-joint.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "ssrnet-joint.json"


def test_the_table_goes_into_the_manifest(tmp_path, manifest, capsys, faces):
    assert main([str(manifest), "--data", faces(100)]) == 0
    table = json.loads(manifest.read_text())["calibration"]
    assert table["age"][:2] == [0.0, 5.0]
    assert table["temperature"] == [0.25]  # always right
    head, line, temperature, written = capsys.readouterr().out.splitlines()
    assert head.endswith("faces  coverage  width, years  bands outside 0.84-0.96")
    cells = line.split()
    assert cells[:3] == [f"{tmp_path.name},", "val", "100"]
    assert cells[3].startswith("0.9")
    assert cells[5:] == ["26-35"]  # all ages in the middle are inside their range
    assert temperature == "temperature of the gender probabilities: 0.250"
    assert written == f"written: {manifest}"


def test_without_genders_the_temperature_stays_as_it_was(manifest, capsys, faces):
    record = json.loads(manifest.read_text())
    record["calibration"]["temperature"] = [3.0]
    manifest.write_text(json.dumps(record))
    assert main([str(manifest), "--data", faces(100, gender="")]) == 0
    table = json.loads(manifest.read_text())["calibration"]
    assert table["temperature"] == [3.0]
    assert table["age_low"] != record["calibration"]["age_low"]
    line = capsys.readouterr().out.splitlines()[2]
    assert line == "fewer than 100 faces of known gender: the temperature is unchanged"


def test_a_data_set_that_is_named_twice_is_refused(manifest, capsys, faces):
    folder = faces(100)
    assert main([str(manifest), "--data", folder, f"{folder}/images/.."]) == 2
    assert "--data has a data set twice, which would double its weight" in capsys.readouterr().err


def test_too_few_ages_are_one_line(capsys, faces):
    assert main(["ssrnet-joint", "--data", faces(99)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "split 'val' has 99 faces of known age to calibrate on: give at least 100" in line

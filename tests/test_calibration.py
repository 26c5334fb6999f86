import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from models.calibrate import main
from models.calibration import age_range, fit_age_range
from models.spec import WEIGHTS


def people(seed, count=4000):
    rng = np.random.default_rng(seed)
    ages = rng.gamma(4.0, 9.0, count).clip(0, 95)
    return ages + rng.normal(0, 2 + ages / 10), ages


def test_ranges_hold_nine_of_ten_ages_of_others_and_grow_with_the_error():
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


def test_without_a_table_nothing_is_known():
    assert np.isnan(age_range({}, np.array([30.0]))).all()


def test_the_table_goes_into_the_manifest(tmp_path, astronaut):
    folder = tmp_path / "faces"
    (folder / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / "face.png"), astronaut[0:256, 96:352])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "split", "age"], ["face.png", "val", 34]])
    for path in WEIGHTS.glob("ssrnet-joint.*"):
        shutil.copy(path, tmp_path)
    manifest = tmp_path / "ssrnet-joint.json"
    assert main([str(manifest), "--data", str(folder)]) == 0
    assert json.loads(manifest.read_text())["calibration"]["age"][:2] == [0.0, 5.0]


def test_a_split_without_ages_is_one_line(tmp_path, capsys):
    (tmp_path / "labels.csv").write_text("file,split\nface.png,val\n")
    assert main(["ssrnet-joint", "--data", str(tmp_path)]) == 2
    assert "no age to calibrate by in split 'val'" in capsys.readouterr().err.splitlines()[-1]

"""Folds of cross-validations, brackets of Adience, and a whole cross-validation on few neurons."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import crossval
from models.datasets.chips import Chips
from models.datasets.labels import Pictures
from models.errors import ModelError
from models.evaluation import results_table
from models.evaluation.brackets import bracket_metrics, label_brackets, nearest_brackets
from models.manifest import load_manifest
from models.training.config import Training
from models.training.protocols import draw_val, folds
from models.training.recipes import Recipe

ROWS = np.arange(40)
nan = float("nan")


def people(chips: Chips, rows: np.ndarray) -> set[str]:
    return set(chips.subjects[rows])


@pytest.mark.parametrize(("protocol", "count"), [("adience-5fold", 5), ("kfold", 4), ("lopo", 10)])
def test_folds_test_every_face_once_and_share_none(faces: Chips, protocol: str, count: int) -> None:
    found = list(folds(protocol, faces, ROWS, 4, seed=1))
    assert len(found) == count
    assert sorted(np.concatenate([fold.test for fold in found])) == ROWS.tolist()
    for fold in found:
        parts = np.concatenate([fold.train, fold.val, fold.test])
        assert sorted(parts) == ROWS.tolist()
        assert not people(faces, fold.train) & people(faces, fold.val)
        if protocol != "kfold":
            assert not people(faces, fold.test) & people(faces, np.r_[fold.train, fold.val])


def test_adiences_folds_are_those_of_the_labels(faces: Chips) -> None:
    fold = next(iter(folds("adience-5fold", faces, ROWS, 10, seed=1)))
    assert (fold.name, fold.test.tolist()) == ("0", [0, 1, 2, 3, 4, 5, 6, 7])


def test_val_is_a_tenth_of_the_people_with_all_their_pictures(faces: Chips) -> None:
    assert len(draw_val(faces, ROWS, 1)) == 4  # one of ten people
    alone = replace(faces, subjects=np.full(40, ""))
    assert len(draw_val(alone, ROWS, 1)) == 4  # of pictures
    assert draw_val(alone, ROWS, 1).tolist() != draw_val(alone, ROWS, 2).tolist()


def test_labels_that_lack_what_a_protocol_needs_are_refused(faces: Chips) -> None:
    unknown = replace(faces, subjects=np.full(40, ""), folds=np.full(40, -1))
    for protocol, missing in (("adience-5fold", "a fold"), ("lopo", "a subject")):
        with pytest.raises(ModelError, match=missing):
            next(folds(protocol, unknown, ROWS, 10, 1))
    with pytest.raises(ModelError, match="--k 41"):
        next(folds("kfold", faces, ROWS, 41, 1))


def test_subject_and_fold_are_read_where_labels_have_them(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,split,age_bin,subject,fold\na.jpg,test,25-32,anne,3\nb.jpg,test,,,\n")
    first, second = Pictures(tmp_path).samples
    assert (first.age_low, first.age_high, first.subject, first.fold) == (25, 33, "anne", 3)
    assert (second.subject, second.fold) == ("", None)
    table.write_text("file,split,fold\na.jpg,test,x\n")
    with pytest.raises(ModelError, match="line 2: fold 'x'"):
        Pictures(tmp_path)


def test_ages_are_in_their_bracket_or_the_nearest() -> None:
    ages = np.array([0, 2.9, 3.4, 3.6, 14.5, 22, 23.5, 58, 120])
    assert nearest_brackets(ages).tolist() == [0, 0, 0, 1, 3, 3, 4, 7, 7]
    low, high = np.array([25, 60, 30, 25, 0]), np.array([33, 101, 30, 30, 116])
    assert label_brackets(low, high).tolist() == [4, 7, -1, -1, -1]


def test_exact_and_one_off_come_from_ages_and_top_two_from_classes() -> None:
    low, high = np.array([25.0, 25, 38, 30]), np.array([33.0, 33, 44, 30])
    ages = np.array([30.0, 40, 15, 30])  # right, one off, two off, no bracket
    found = bracket_metrics(low, high, ages, np.full((4, 1), nan))
    assert found == {
        "bracket_n": 3, "bracket_exact": 0.3333, "bracket_1off": 0.6667, "bracket_top2": None,
    }  # fmt: skip
    shares = np.zeros((4, 8))
    shares[[0, 1, 2], [5, 3, 7]], shares[[0, 1, 2], [4, 4, 6]] = 0.6, 0.4
    found = bracket_metrics(low, high, ages, shares)
    assert found == {
        "bracket_n": 3, "bracket_exact": 0.0, "bracket_1off": 0.6667, "bracket_top2": 0.6667,
    }  # fmt: skip
    assert bracket_metrics(low[3:], high[3:], ages[3:]) == {}
    assert bracket_metrics(low[:2], high[:2], ages[:2]) == {}


def test_a_cross_validation_goes_on_by_fold_and_says_means_and_deviations(
    tiny: str,
    faces: Chips,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(crossval, "distinct_chips", lambda paths: faces)
    monkeypatch.setattr(crossval, "unique_data_sets", lambda paths: {"0": paths[0]})
    about = {"faces": {"sha256": "0", "faces": {}}}
    monkeypatch.setattr(crossval, "describe_data", lambda paths: about)
    arguments = [tiny, "--data", "faces", "--protocol", "adience-5fold", "--out", str(tmp_path)]
    arguments += ["--epochs", "2", "--batch", "16", "--precision", "float32"]
    whole = crossval.run_fold
    trained: list[str] = []

    def stopped(training, chips, fold, folder, about, title):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(fold.name)
        return whole(training, chips, fold, folder, about, title)

    monkeypatch.setattr(crossval, "run_fold", stopped)
    assert crossval.main(arguments) == 130
    assert "the same command continues" in capsys.readouterr().err
    made: list[dict[str, Any]] = [
        {"weights": w, "epoch": e, "mae": m} for w, e, m in (("last", 1, 6), ("best", 0, 5))
    ]

    def quick(training, chips, fold, folder, about, title):
        (folder / f"{tiny}.state.npz").touch()
        return [{**row, "mae": row["mae"] + int(fold.name)} for row in made]

    monkeypatch.setattr(crossval, "run_fold", quick)
    assert crossval.main(arguments) == 0
    rows = results_table.read(tmp_path / f"{tiny}-adience-5fold.csv")
    assert [row["fold"] for row in rows] == [k for k in "01234" for _ in range(2)]
    assert (rows[0]["test"], rows[0]["weights"], rows[0]["epoch"]) == ("8", "last", "1")
    assert not list(tmp_path.rglob("*.state.npz"))
    maes = [float(row["mae"]) for row in rows if row["weights"] == "last"]
    expected = f"{np.mean(maes):.4f} ± {np.std(maes):.4f}"
    assert expected in capsys.readouterr().out
    assert crossval.main([*arguments, "--rate", "0.1"]) == 2
    assert "folds of other settings" in capsys.readouterr().err
    about["faces"]["sha256"] = load_manifest("faceres").data["utkface.zip"]["sha256"]
    assert crossval.main([*arguments, "--teachers", "faceres"]) == 2
    assert (
        "faceres was trained on faces, so on faces that would be tested" in capsys.readouterr().err
    )


def test_heads_that_were_not_trained_have_no_figures(tiny: str, faces: Chips) -> None:
    training = Training(tiny, Recipe())
    weights = training.build().get_weights()
    every, male = (
        crossval.score_fold(training, weights, faces, ROWS, outputs)
        for outputs in ({"age", "male"}, {"male"})
    )
    assert None not in (every["mae"], every["cs7"], every["gender_accuracy"])
    assert male == {**dict.fromkeys(every), "gender_accuracy": every["gender_accuracy"]}


@pytest.mark.parametrize("again", ["a", "./b/../a", "copy"])
def test_a_data_set_that_is_named_twice_is_refused_however_it_is_spelled(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a", "b", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "labels.csv").write_text("file,split\na.jpg,test\n")
    monkeypatch.chdir(tmp_path)
    assert crossval.main(["ssrnet", "--data", "a", again, "--protocol", "kfold"]) == 2
    assert "--data has a data set twice" in capsys.readouterr().err


def test_what_means_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = "--data a.zip --protocol lopo --k 5 --out".split()
    assert crossval.main(["ssrnet", *options, str(tmp_path)]) == 2
    assert "--k works with kfold alone: lopo has its own folds" in capsys.readouterr().err


def test_a_person_in_two_folds_is_named(faces: Chips) -> None:
    subjects = faces.subjects.copy()
    subjects[-1] = "p0"
    with pytest.raises(ModelError, match="p0 is in more than one fold"):
        list(folds("adience-5fold", replace(faces, subjects=subjects), np.arange(40), 5, 1))

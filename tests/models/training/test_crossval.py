"""The command models.crossval, on a network of a few neurons."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import crossval
from models.datasets.chips import Chips
from models.evaluation import results_table
from models.manifest import load_manifest
from models.training.config import Training
from models.training.recipes import Recipe

ROWS = np.arange(40)


def test_a_cross_validation_resumes_by_fold_and_prints_means_and_deviations(
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


def test_outputs_that_were_not_trained_have_no_metrics(tiny: str, faces: Chips) -> None:
    training = Training(tiny, Recipe())
    weights = training.build().get_weights()
    every, male = (
        crossval.score_fold(training, weights, faces, ROWS, outputs)
        for outputs in ({"age", "male"}, {"male"})
    )
    assert None not in (every["mae"], every["cs7"], every["gender_accuracy"])
    assert male == {**dict.fromkeys(every), "gender_accuracy": every["gender_accuracy"]}


@pytest.mark.parametrize("again", ["a", "./b/../a", "copy"])
def test_a_data_set_that_is_given_twice_is_refused_however_it_is_spelled(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in ("a", "b", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "labels.csv").write_text("file,split\na.jpg,test\n")
    monkeypatch.chdir(tmp_path)
    assert crossval.main(["ssrnet", "--data", "a", again, "--protocol", "kfold"]) == 2
    assert "--data has a data set twice" in capsys.readouterr().err


def test_k_is_for_kfold_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = "--data a.zip --protocol lopo --k 5 --out".split()
    assert crossval.main(["ssrnet", *options, str(tmp_path)]) == 2
    assert "--k works with kfold alone: lopo has its own folds" in capsys.readouterr().err

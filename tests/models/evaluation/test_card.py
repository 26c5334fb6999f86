"""The model card, and the tables of results it is written from."""

import argparse
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from models import card
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.evaluation import results_table
from models.files import ROOT
from models.manifest import Manifest, load_manifest, names, sha256
from models.training.options import add_training, checked_recipe

RESULTS = results_table.RESULTS
OVERALL = {
    "n": 1234,
    "mae": 5.1234,
    "mae_low": 5.0,
    "mae_high": 5.25,
    "cs5": 0.6,
    "gender_accuracy": 0.951,
    "gender_low": 0.94,
    "gender_high": 0.962,
    "coverage": 0.9,
    "range_width": 20.04,
    "ece": 0.0123,
    "adults_behind": "asian, 76+",
    "children": 99,
    "children_mae": 3.0,
    "children_gender_accuracy": 0.7,
    "coverage_outside": None,
    "command": "python -m models.evaluate net --data a.zip",
    "machine": "a machine",
    "commit": "abc+",
    "date": "2026-01-02",
}
GROUP = {
    "kind": "age",
    "group": "0-3",
    "n": 7,
    "mae": 1.0,
    "mae_low": 0.5,
    "mae_high": 1.5,
    "gender_accuracy": None,
    "gender_low": None,
    "gender_high": None,
    "coverage": 1.0,
}
KEY = {"model": "net", "data": "a.zip", "split": "test"}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "net.onnx").write_bytes(b"12345")
    made = Manifest(
        name="net",
        architecture="ssrnet",
        config={},
        input=InputSpec(crop_fraction=0.75),
        files={"onnx": {"name": "net.onnx", "sha256": sha256(tmp_path / "net.onnx")}},
        outputs={"age": "years, 0 to 100"},
        licence="research only",
        origin="python -m models.train net --seed 2; Keras on tensorflow, seed 2",
        data={"a.zip": {"sha256": "a1b2", "faces": {"train": 5000, "test": 1200}}},
        calibration={"age": [0.0], "age_low": [0.0], "age_high": [9.0]},
        folder=tmp_path,
    )
    made.save()
    return made


@pytest.fixture
def results(tmp_path: Path, manifest: Manifest) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    weights = results_table.weights_of(manifest)
    results_table.write(folder / "evaluation.csv", KEY, [OVERALL | weights])
    results_table.write(folder / "groups.csv", KEY, [GROUP | weights])
    return folder


def test_a_card_describes_the_network_and_its_errors(
    manifest: Manifest, results: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(manifest.folder / "net.json"), "--results", str(results)]
    assert card.main(arguments) == 0
    path = manifest.folder / "net.md"
    assert capsys.readouterr().out == f"{path}\n"
    text = path.read_text()
    lines = text.splitlines()
    assert lines[0] == "# net"
    assert lines[2].startswith("SSR-Net: A Compact Soft Stagewise Regression Network (Yang et al.")
    assert "margin of 0.4 of the face's side on each side" in lines[2]
    assert "the network sees the central 75 % of the side, 64×64 pixels, BGR. Output:" in lines[2]
    digest = manifest.files["onnx"]["sha256"]
    for line in (
        f"| net.onnx | 5 | {digest} |",
        "research only",
        "| a.zip | 5,000 | 0 | 1,200 | a1b2 |",
        "python -m models.train net --seed 2",
        "| a.zip, test | 1,234 | 5.12 [5.00, 5.25] | 60.0 % | 95.1 % [94.0, 96.2] | 90.0 % "
        "| 20.04 | 0.012 |",
        "python -m models.evaluate net --data a.zip  # abc+, 2026-01-02",
        "| 0-3 | 7 | 1.00 [0.50, 1.50] | – | 100.0 % |",
        "Children (known to be under 16): 99 faces, age error 3.00 years, gender right 70.0 %.",
    ):
        assert line in lines
    assert "asian, 76+; age bands" in lines[-1]
    assert lines[-1].endswith("more than 96 %: none.")
    assert text.endswith(".\n")
    assert card.main(arguments) == 0
    assert path.read_text() == text


def test_the_error_of_one_face_has_no_interval(manifest: Manifest, results: Path) -> None:
    alone = GROUP | {"n": 1, "mae_low": None, "mae_high": None} | results_table.weights_of(manifest)
    results_table.write(results / "groups.csv", KEY, [alone])
    assert "| 0-3 | 1 | 1.00 | – | 100.0 % |" in card.card(manifest, results).splitlines()


def test_a_card_shows_measured_steadiness(manifest: Manifest, results: Path) -> None:
    assert "Steadiness" not in card.card(manifest, results)
    row = {"jitter": "expected", "faces": 50, "raw": 0.98, "shown": 0.2, "flips": 1}
    row |= {"command": "python -m demo.bench.robustness"}
    weights = results_table.weights_of(manifest)
    results_table.write(results / "steadiness.csv", KEY, [row | weights])
    text = card.card(manifest, results)
    assert "jitter of the expected box: the age of one frame has a standard deviation of " in text
    assert "of 0.98 years, the displayed age 0.20" in text
    assert "gender changes for 1 of 50 faces" in text


def test_a_card_shows_how_to_repeat_the_training(manifest: Manifest, results: Path) -> None:
    assert "### Repeat" not in card.card(manifest, results)
    words = "Random weights, then 3 epochs; the labels have changed since."
    repeat = "python -m models.train net --data a.zip"
    manifest = replace(manifest, origin=words, repeat=f"python -m models.convert x && {repeat}")
    assert "first epochs of this command are not known" in card.card(manifest, results)
    row = {"commit": "abc", "machine": "a machine", "val_gender_accuracy": 0.8}
    key = {"model": "net", "command": manifest.repeat}
    rows = [row | {"epoch": k, "val_mae": 10.0 - k, "seconds": 70.4 + k} for k in (1, 2)]
    results_table.write(results / "repeat.csv", key, rows)
    results_table.write(results / "repeat.csv", {"model": "net", "command": "another"}, rows)
    text = card.card(manifest, results)
    assert f"Trained on `train`, chosen and calibrated on `val`.\n\n{words}\n\n### Repeat" in text
    assert f"```sh\npython -m models.convert x\n{repeat}\n```" in text
    first = "after epoch 1, age error 9.00 years and gender accuracy 80.0 %"
    assert text.count(f"Expected on `val`: {first}; after epoch 2, age error 8.00 years") == 1
    assert "Measured at commit abc on a machine, 72 s for the last of these epochs." in text


@pytest.mark.parametrize("name", names())
def test_every_shipped_network_can_be_trained_again(name: str) -> None:
    manifest = load_manifest(name)
    assert "cannot be repeated" in manifest.origin
    commands = [shlex.split(command) for command in manifest.repeat.split(" && ")]
    assert all(command[:2] == ["python", "-m"] for command in commands)
    arguments = commands[-1]
    parser = argparse.ArgumentParser()
    add_training(parser)
    args = parser.parse_args(arguments[3:])
    assert arguments[2] == "models.train"
    assert args.network == name
    assert {path.name for path in args.data} == {str(path) for path in args.data}
    assert set(args.teachers) <= set(names())
    checked_recipe(args)
    assert args.init in {None, *names()} or args.init == "published/faceres.json"


def test_no_committed_text_names_a_folder_of_one_machine() -> None:
    listed = ["git", "ls-files", "-z", "*.json", "*.csv", "*.md"]
    try:
        done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    own = re.compile(r"/tmp\b|/work\b|\.\./shared\b")
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.exists()}
    assert len(texts) > 50
    assert [path for path, text in texts.items() if own.search(text)] == []


@pytest.mark.parametrize("name", names())
def test_shipped_cards_are_those_of_the_shipped_results(name: str) -> None:
    manifest = load_manifest(name)
    stored = (manifest.folder / f"{name}.md").read_text(encoding="utf-8")
    assert stored == card.card(manifest, RESULTS)


def test_results_of_other_weights_or_settings_do_not_count(
    manifest: Manifest, results: Path
) -> None:
    others = [
        replace(manifest, files={"onnx": {"name": "net.onnx", "sha256": "0" * 64}}),
        replace(manifest, calibration={}),
        replace(manifest, flip_tta=True),
        replace(manifest, name="other"),
    ]
    for other in others:
        with pytest.raises(ModelError, match="no results for these weights"):
            card.card(other, results)


def test_a_card_without_results_is_refused_in_one_line(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    name = str(manifest.folder / "net.json")
    assert card.main([name, "--results", str(tmp_path / "nowhere")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "run python -m models.evaluate" in err
    assert not (manifest.folder / "net.md").exists()


# Tables of results


def test_rows_of_a_key_are_replaced_where_they_stood(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for name, rows in (("a", [1, 2]), ("b", [3]), ("c", [4]), ("b", [5, 6])):
        results_table.write(path, {"key": name}, [{"value": value} for value in rows])
    results_table.write(path, {"key": "a"}, [{"value": None, "more": "x, y"}])
    assert path.read_text() == 'key,value,more\na,,"x, y"\nb,5,\nb,6,\nc,4,\n'


def test_a_table_that_is_damaged_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,value\na,1,2\n")
    with pytest.raises(ModelError, match=r"t\.csv is damaged"):
        results_table.write(path, {"key": "a"}, [{"value": 3}])
    assert path.read_text() == "key,value\na,1,2\n"

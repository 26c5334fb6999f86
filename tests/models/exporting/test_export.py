"""Exported files: their predictions, refusals, and that the live application runs them."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import stream
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.export import main
from models.exporting import parity, run
from models.exporting.weights import Description, write_model
from models.files import ROOT
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import SUFFIXES, Manifest, load_manifest, load_weights
from models.networks import ssrnet

CONFIG: dict[str, Any] = {"outputs": ["age"], "stage_num": [2, 2, 2]}
CLIP = str(parity.DEMO_CLIP)
LIVE = ["--no-display", "-s", CLIP, "--max-frames", "10"]
NOISE = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3))
CROPS = (NOISE * np.linspace(0.1, 1, 5)[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """An SSR-Net of two bins a stage whose random weights let no age rest at its limits."""
    model, rng = ssrnet.build(**CONFIG), np.random.default_rng(3)
    weights = model.get_weights()
    model.set_weights([rng.uniform(0, 1, w.shape) / max(w[..., 0].size, 3) for w in weights])
    spec = InputSpec(scale=1 / 255)
    folder = tmp_path_factory.mktemp("trained")
    about = Description("small", "ssrnet", CONFIG, spec, "test", flip_tta=True)
    return write_model(model, about, folder)


@pytest.fixture(scope="module")
def quick(small: Manifest) -> Iterator[None]:
    """Few faces of the clip, found once, and no times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "FRAME_STEP", 60)
        patch.setattr(parity, "best_seconds", lambda work: 0.001)
        found = parity.clip_faces(small.input)
        patch.setattr(run, "clip_faces", lambda spec: found)
        yield


@pytest.fixture(scope="module")
def exported(small: Manifest, quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small net in every kind of file, under one manifest."""
    folder = tmp_path_factory.mktemp("exported")
    for kind in ("onnx", "tflite", "saved_model"):
        assert main([str(path_of(small)), "--to", kind, "-o", str(folder)]) == 0
    assert main([str(path_of(small)), "--to", "tflite", "--fp16", "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data set of four frames, spread over the bundled clip, all of its split "val"."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    video = cv2.VideoCapture(CLIP)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", "age", "gender"])
        for index in range(4):
            video.set(cv2.CAP_PROP_POS_FRAMES, 100 * index)
            cv2.imwrite(str(folder / "images" / f"{index}.jpg"), video.read()[1])
            rows.writerow([f"{index}.jpg", "val", 34, "female"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGESTREAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


def path_of(manifest: Manifest) -> Path:
    return manifest.folder / f"{manifest.name}.json"


def predict(manifest: Manifest, crops: np.ndarray = CROPS) -> tuple[np.ndarray, np.ndarray]:
    return Estimator(manifest, choose_device("cpu")).predict(crops)


def refusal(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """The one line with which models.export refuses."""
    assert main([str(a) for a in arguments]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # after tqdm's of a new data set
    assert line.startswith("models.export: ")
    return str(line)


@pytest.mark.parametrize("kind", ["onnx", "tflite", "saved_model", "keras"])
def test_every_kind_predicts_as_the_trained_network_for_any_number_of_faces(small, exported, kind):
    folder = small.folder if kind == "keras" else exported
    manifest = load_weights(folder / f"small{SUFFIXES[kind]}")
    assert list(manifest.files) == [kind]
    estimator = Estimator(manifest, choose_device("cpu"))
    expected = predict(small)
    assert len(set(expected[0].round(3))) == len(CROPS)
    for faces in (1, 5, 2):
        for found, wanted in zip(estimator.predict(CROPS[:faces]), expected, strict=True):
            np.testing.assert_allclose(found, wanted[:faces], atol=1e-4)


def test_kinds_of_one_model_share_one_manifest(small, exported):
    manifest = load_manifest(str(exported / "small.json"))
    assert set(manifest.files) == {"onnx", "tflite", "saved_model"}
    assert replace(manifest, files=small.files, folder=small.folder) == load_manifest(
        str(path_of(small))
    )
    assert sorted(p.name for p in exported.iterdir()) == [
        *("small", "small-fp16.json", "small-fp16.tflite", "small.json", "small.onnx"),
        "small.tflite",
    ]


def test_float16_weights_halve_the_file_and_hardly_change_predictions(small, exported):
    half = load_weights(exported / "small-fp16.tflite")
    whole = exported / "small.tflite"
    weights = ssrnet.build(**CONFIG).count_params()
    saved = whole.stat().st_size - (exported / "small-fp16.tflite").stat().st_size
    assert 1.2 * weights < saved < 2 * weights
    np.testing.assert_allclose(predict(half)[0], predict(small)[0], atol=0.1)


def assert_two_faces_have_ages(log: Path) -> None:
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [len(row["faces"]) for row in rows] == [2] * 10
    assert all(face["age"] is not None for face in rows[-1]["faces"])


@pytest.mark.parametrize("name", ["small", "small-fp16.tflite"])  # ONNX: see the last test
def test_the_live_application_runs_files_of_tensorflow(exported, tmp_path, capsys, name):
    log = tmp_path / "faces.jsonl"
    assert stream.main([*LIVE, "--log", str(log), "--weights", str(exported / name)]) == 0
    assert f"stream: {name.partition('.')[0]} on cpu with" in capsys.readouterr().err
    assert_two_faces_have_ages(log)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_an_int8_file_runs_and_prints_its_cost(faces, quick, tmp_path, monkeypatch, capsys, kind):
    monkeypatch.setitem(parity.DEVIATION["int8"], "age", 2.0)  # all faces are one person's
    out = tmp_path / "out"
    assert main(["ssrnet-joint", "--to", kind, "--int8", "--data", str(faces), "-o", str(out)]) == 0
    head, whole, small, beside, _ = capsys.readouterr().out.splitlines()
    assert head.split() == "MB 1 face, ms 8 faces, ms age error gender".split()
    assert (whole.split()[0], small.split()[0]) == ("float32", "int8")
    assert float(small.split()[1]) < float(whole.split()[1])
    assert "on 4 faces" in beside
    manifest = load_weights(out / f"ssrnet-joint-int8{SUFFIXES[kind]}")
    crops = parity.val_faces([faces], manifest.input).crops
    found, wanted = predict(manifest, crops), predict(load_manifest("ssrnet-joint"), crops)
    for one, other, limit in zip(found, wanted, (2.0, 0.05), strict=True):  # years, probability
        np.testing.assert_allclose(one, other, rtol=0, atol=limit)
        assert (one != other).any()


@pytest.mark.parametrize(
    ("figures", "head", "row"),
    [
        ({}, "", ""),
        ({"gender": 0.75}, "    gender", "    75.00%"),
        ({"age_error": 5.25}, "  age error", "      5.250"),
        ({"age_error": 5.25, "gender": 0.75}, "  age error    gender", "      5.250    75.00%"),
    ],
)
def test_every_measurement_has_its_heading(figures: dict[str, float], head: str, row: str) -> None:
    measured = {"megabytes": 1.5, "ms_1_face": 2.0, "ms_8_faces": 3.25, **figures}
    assert run._table({"float32": measured}) == [
        "              MB  1 face, ms  8 faces, ms" + head,
        "float32     1.50        2.00         3.25" + row,
    ]


def test_impossible_exports_are_refused_in_one_line(small, exported, faces, tmp_path, capsys):
    name, out = path_of(small), tmp_path / "out"
    assert "remove --int8" in refusal(
        capsys, name, "--to", "saved_model", "--int8", "--data", faces, "-o", out
    )
    assert "--int8 needs --data" in refusal(capsys, name, "--to", "onnx", "--int8", "-o", out)
    assert "unknown model 'nobody'" in refusal(capsys, "nobody", "--to", "onnx", "-o", out)
    assert "mtcnn is not a network of models.zoo" in refusal(
        capsys, "mtcnn", "--to", "onnx", "-o", out
    )
    alone = exported / "small.json"
    assert "has no keras file" in refusal(capsys, alone, "--to", "onnx", "-o", out)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.jpg").symlink_to(faces / "images" / "0.jpg")
    (tmp_path / "labels.csv").write_text("file,split\n0.jpg,test\n")
    line = refusal(capsys, name, "--to", "onnx", "--int8", "--data", tmp_path, "-o", out)
    assert "no face in the split 'val'" in line
    other = replace(small, origin="another run", folder=tmp_path)
    other.save()
    line = refusal(capsys, name, "--to", "onnx", "-o", tmp_path)
    assert "small.json is the manifest of another model" in line


def test_a_graph_that_deviates_is_not_written(small, quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(parity.TOLERANCE, "age", -1.0)
    line = refusal(capsys, path_of(small), "--to", "saved_model", "-o", tmp_path / "out")
    assert "small: age differs from Keras by" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_deviations_follow_their_definition():
    expected = {"age": np.array([20.0, 30.0]), "male": np.array([0.4, 0.9]), "nodes": np.eye(2)}
    found = {"age": np.array([20.3, 30.1]), "male": np.array([0.41, 0.5]), "nodes": np.eye(2)}
    words = parity.check_parity(found, expected, "int8", "x")
    assert words.startswith("age 0.2 years in the mean; male 0 of the faces with the other gender")
    with pytest.raises(ModelError, match=r"x: age differs from Keras by 0\.3 at most, more than"):
        parity.check_parity(found, expected, "float32", "x")
    with pytest.raises(ModelError, match=r"x: male differs from Keras by 0\.5 of the faces"):
        parity.check_parity({**found, "male": np.array([0.6, 0.9])}, expected, "int8", "x")
    with pytest.raises(ModelError, match="x lacks the output nodes"):
        parity.check_parity({"age": found["age"], "male": found["male"]}, expected, "int8", "x")


def weights_refusal(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        Estimator(load_weights(path), choose_device("cpu"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_that_cannot_run_are_refused_in_one_line(exported, tmp_path, monkeypatch):
    for path in [p for p in exported.iterdir() if p.is_file()]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert "no such weights file" in weights_refusal(tmp_path / "nothing.onnx")
    assert "is not a kind of file that runs here" in weights_refusal(tmp_path / "small.json")
    assert "is not a kind of file that runs here" in weights_refusal(tmp_path)
    (tmp_path / "other.tflite").write_bytes(b"")
    assert "has no manifest other.json beside it" in weights_refusal(tmp_path / "other.tflite")
    (tmp_path / "small-fp16.onnx").write_bytes(b"")
    assert "is not among the files" in weights_refusal(tmp_path / "small-fp16.onnx")
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # not installed
    assert "pip install tensorflow" in weights_refusal(tmp_path / "small.tflite")
    (tmp_path / "small.tflite").write_bytes(b"damaged")
    assert "differs from its manifest (sha256)" in weights_refusal(tmp_path / "small.tflite")


def test_a_changed_file_in_a_saved_model_folder_is_refused(exported):
    graph = exported / "small" / "fingerprint.pb"
    kept = graph.read_bytes()
    graph.write_bytes(kept + b" ")
    assert "differs from its manifest" in weights_refusal(exported / "small")
    graph.write_bytes(kept)
    assert load_weights(exported / "small").file("saved_model") == exported / "small"


def test_weights_and_a_model_are_not_given_together(capsys):
    with pytest.raises(SystemExit) as error:
        stream.main(["--weights", "a.onnx", "--model", "faceres"])
    assert error.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err.splitlines()[-1]


def test_an_onnx_file_runs_without_tensorflow(exported, tmp_path):
    log = tmp_path / "faces.jsonl"
    arguments = [*LIVE, "--log", str(log), "--weights", str(exported / "small.onnx")]
    code = (
        f"import sys, stream; stream.main({arguments!r});"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert "stream: small on cpu with" in done.stderr
    assert_two_faces_have_ages(log)

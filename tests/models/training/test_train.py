import csv
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from models.crops.spec import InputSpec
from models.datasets.chips import training_chips
from models.exporting.weights import Description, write_model
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest
from models.networks import ssrnet
from models.train import main


@pytest.fixture(scope="module")
def data(tmp_path_factory, astronaut):
    """A data set of two faces, its train and its val split."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    for split, left in (("train", 96), ("val", 90)):
        cv2.imwrite(str(folder / "images" / f"{split}.png"), astronaut[0:256, left:352])
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", "age", "gender"])
        rows.writerows([[f"{split}.png", split, 34, "female"] for split in ("train", "val")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGESTREAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


def trained(folder, name, *arguments):
    """The manifest of a network that was trained with these arguments."""
    assert main([str(a) for a in (name, *arguments, "--out", folder)]) == 0
    return load_manifest(str(folder / f"{name}.json"))


@pytest.mark.slow
def test_training_writes_a_model_that_runs_live(data, tmp_path):
    manifest = trained(tmp_path, "ssrnet-joint", "--data", data, "--epochs", 1)
    assert manifest.input == InputSpec(crop_fraction=0.75)
    assert "--epochs 1" in manifest.origin
    ages, males = Estimator(manifest, choose_device("cpu")).predict(
        np.zeros((2, 64, 64, 3), np.uint8)
    )
    assert np.isfinite(ages).all()
    assert np.isfinite(males).all()


def test_the_manifest_names_the_kept_epoch_the_best_and_the_last(tiny, data, tmp_path):
    arguments = ["--data", data, "--epochs", 2]
    metrics = trained(tmp_path, tiny, *arguments).metrics
    assert (metrics["kept"], metrics["epoch"], metrics["epoch_last"]) == ("last", 1, 1)
    assert (tmp_path / "tiny.png").is_file()
    with (tmp_path / "tiny.csv").open(newline="") as file:
        errors = [float(row["val_age_years_outside"]) for row in csv.DictReader(file)]
    assert len(errors) == 2
    assert metrics["val_mae_best"] == pytest.approx(min(errors), abs=5e-4)
    assert metrics["epoch_best"] == errors.index(min(errors))
    best = trained(tmp_path, tiny, *arguments, "--resume", "--keep", "best").metrics
    assert (best["kept"], best["val_mae"]) == ("best", best["val_mae_best"])


def test_a_training_ends_with_its_epochs_and_its_files(tiny, data, tmp_path, capsys):
    metrics = trained(tmp_path, tiny, "--data", data, "--epochs", 2, "--keep", "best").metrics
    counts, head, best, last, written = capsys.readouterr().out.splitlines()
    assert counts == "tiny: 1 train and 1 val faces"
    assert head.split() == ["epoch", "val", "age", "error", "val", "gender", "accuracy"]
    age, gender = metrics["val_mae_best"], 100 * metrics["val_gender_accuracy_best"]
    place = f"{metrics['epoch_best'] + 1}/2"
    assert best.split() == ["best", place, f"{age:.3f}", "years", f"{gender:.1f}", "%", "kept"]
    assert last.split()[:3] == ["last", "2/2", f"{metrics['val_mae_last']:.3f}"]
    assert written == (
        f"written to {tmp_path}: tiny.json, tiny.onnx, tiny.weights.h5, tiny.csv, tiny.state.npz, "
        f"tiny.png; TensorBoard: {tmp_path}/events/tiny"
    )
    names = written.partition(": ")[2].partition(";")[0].split(", ")
    assert all((tmp_path / name).is_file() for name in names)


def test_a_network_starts_from_another_and_distils_it(tiny, data, tmp_path):
    trained(tmp_path / "first", tiny, "--data", data, "--epochs", 1)
    teacher = tmp_path / "first" / "tiny.json"
    more = ["--teachers", teacher, "--init", teacher]
    student = trained(tmp_path, tiny, "--data", data, "--epochs", 1, "--mixup", 0.5, *more)
    digest = load_manifest(str(teacher)).files["onnx"]["sha256"][:12]
    for role in ("start", "teacher"):
        assert f"; {role} {teacher} (sha256 {digest})" in student.origin


def test_outputs_without_labels_are_not_in_the_manifest(tiny, data, tmp_path):
    ungendered = tmp_path / "ages"
    shutil.copytree(data, ungendered)
    labels = ungendered / "labels.csv"
    labels.write_text(labels.read_text().replace("female", ""))
    manifest = trained(tmp_path, tiny, "--data", ungendered, "--epochs", 1)
    assert set(manifest.outputs) == {"age", "nodes"}
    assert "val_gender_accuracy" not in manifest.metrics
    crops = np.zeros((2, manifest.input.size, manifest.input.size, 3), np.uint8)
    ages, males = Estimator(manifest, choose_device("cpu")).predict(crops)
    assert np.isfinite(ages).all()
    assert np.isnan(males).all()


@pytest.mark.slow
def test_a_training_resumes_with_the_same_data_in_the_same_order_and_the_same_teachers(
    tiny, data, tmp_path, capsys
):
    other = tmp_path / "other"
    shutil.copytree(data, other)
    (other / "labels.csv").write_text((data / "labels.csv").read_text().replace("34", "35"))
    trained(tmp_path / "first", tiny, "--data", data, "--epochs", 1)
    teacher = tmp_path / "first" / "tiny.json"
    command = ["--epochs", 2, "--teachers", teacher, "--resume"]
    trained(tmp_path / "run", tiny, "--data", data, other, *command)
    arguments = [tiny, *command, "--out", tmp_path / "run", "--data"]
    assert main([str(a) for a in (*arguments, other, data)]) == 2
    assert "was trained with data = " in capsys.readouterr().err
    trained(tmp_path / "first", tiny, "--data", other, "--epochs", 1)  # another teacher now
    assert main([str(a) for a in (*arguments, data, other)]) == 2
    assert "was trained with weights of init and teachers = " in capsys.readouterr().err


def test_two_data_sets_of_one_name_are_refused(tiny, data, tmp_path, capsys):
    other = tmp_path / data.name
    shutil.copytree(data, other)
    (other / "labels.csv").write_text((data / "labels.csv").read_text().replace("34", "35"))
    command = [tiny, "--out", str(tmp_path), "--data", str(data), str(other)]
    assert main(command) == 2
    assert f"two data sets are named {data.name}: rename one" in capsys.readouterr().err


def test_a_teacher_that_takes_box_crops_is_refused(tiny, data, tmp_path, capsys):
    manifest = trained(tmp_path / "first", tiny, "--data", data, "--epochs", 1)
    replace(manifest, input=replace(manifest.input, align="box")).save()
    teacher = ["--teachers", str(tmp_path / "first" / "tiny.json")]
    assert main([tiny, "--data", str(data), "--out", str(tmp_path), *teacher]) == 2
    assert "takes crops by the box, not chips" in capsys.readouterr().err


def test_mixup_without_teachers_is_refused(tiny, data, tmp_path, capsys):
    command = [tiny, "--data", str(data), "--out", str(tmp_path), "--blends", "1"]
    assert main(command) == 2
    assert "--mixup: the age of a mixed face comes from teachers" in capsys.readouterr().err


def test_faces_shown_twice_need_an_even_batch(tiny, data, tmp_path, capsys):
    command = [tiny, "--data", str(data), "--out", str(tmp_path), "--agreement", "1"]
    assert main([*command, "--batch", "7"]) == 2
    assert (
        "two crops of each face into a batch: --batch-size 7 must be even"
        in capsys.readouterr().err
    )
    assert main([*command, "--batch", "4", "--epochs", "1"]) == 0


def test_a_start_that_is_not_there_is_one_line(tiny, data, tmp_path, capsys):
    start = tmp_path / "none.h5"
    command = [tiny, "--data", str(data), "--out", str(tmp_path), "--init", str(start)]
    assert main(command) == 2
    assert f"--init: cannot read {start}: No such file" in capsys.readouterr().err


def test_ctrl_c_is_one_line(tmp_path, capsys, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("models.train.run", stopped)
    assert main(["ssrnet-joint", "--data", "faces.zip", "--out", str(tmp_path)]) == 130
    assert (
        capsys.readouterr().err == f"\nmodels.train: stopped; --resume continues from {tmp_path}\n"
    )


def test_data_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["ssrnet-joint", "--data", str(tmp_path / "none.zip")]) == 2
    assert "none.zip" in capsys.readouterr().err.splitlines()[-1]


def test_random_layers_are_not_frozen(data, tmp_path, capsys):
    command = ["mobilenetv2", "--data", str(data), "--out", str(tmp_path), "--preset", "agendernet"]
    assert main(command) == 2
    assert "the first layers of mobilenetv2 are random and would stay so" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--epochs 0", "number of at least 1"),
        ("--batch 0", "number of at least 1"),
        ("--view 0", "number from 0.1 to 1"),
        ("--view 1.2", "number from 0.1 to 1"),
        ("--decay -1", "number of at least 0"),
        ("--ema 1", "number from 0 to 0.99999"),
    ],
)
def test_numbers_out_of_range_are_refused(option, complaint, capsys):
    with pytest.raises(SystemExit) as end:
        main(["ssrnet", "--data", "x.zip", *option.split()])
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_outputs_without_a_loss_weight_are_not_in_the_manifest(tiny, data, tmp_path, capsys):
    arguments = ["--data", data, "--epochs", 1]
    no_age, no_gender = ("--age-weight", 0, "--nodes-weight", 0), ("--gender-weight", 0)
    aged = trained(tmp_path / "ages", tiny, *arguments, *no_gender)
    gendered = trained(tmp_path / "males", tiny, *arguments, *no_age)
    assert (list(aged.outputs), list(gendered.outputs)) == (["age", "nodes"], ["male"])
    for manifest, figure in ((aged, "val_mae"), (gendered, "val_gender_accuracy")):
        names = {name for name in manifest.metrics if name.startswith("val_")}
        assert names == {figure, f"{figure}_best", f"{figure}_last"}
    nothing = [tiny, *arguments, *no_age, *no_gender, "--out", tmp_path]
    assert main([str(a) for a in nothing]) == 2
    assert "there is nothing to train" in capsys.readouterr().err


def test_a_data_set_that_is_given_twice_has_its_train_faces_twice_and_its_val_faces_once(data):
    chips = training_chips([data, data, Path(os.path.relpath(data))])
    assert chips.splits.tolist() == ["train"] * 3 + ["val"]
    assert len(chips.images) == 4


def test_how_often_a_data_set_is_given_is_a_setting(tiny, data, tmp_path, capsys):
    trained(tmp_path, tiny, "--data", data, "--epochs", 1)
    again = [tiny, "--data", data, data, "--epochs", 1, "--resume", "--out", tmp_path]
    assert main([str(a) for a in again]) == 2
    assert "was trained with data = " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("file", ["tiny.json", "tiny.weights.h5"])
def test_a_manifest_has_the_data_of_its_start(tiny, data, tmp_path, monkeypatch, capsys, file):
    other = tmp_path / "other"
    shutil.copytree(data, other)
    monkeypatch.chdir(other)
    first = trained(tmp_path / "first", tiny, "--data", ".", "--epochs", 1)
    assert list(first.data) == ["other"]
    start = ["--init", tmp_path / "first" / file]
    second = trained(tmp_path / "second", tiny, "--data", data, "--epochs", 1, *start)
    assert set(second.data) == {"other", data.name}
    assert second.data["other"] == first.data["other"]
    (other / "labels.csv").write_text((data / "labels.csv").read_text().replace("34", "35"))
    assert main([str(a) for a in (tiny, "--data", other, *start, "--out", tmp_path)]) == 2
    assert (
        f"{start[1]} was trained on a different other: rename this one" in capsys.readouterr().err
    )


def test_without_tensorflow_the_weights_wait_for_their_graph(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    config: dict[str, Any] = {"joint": True}
    model = ssrnet.build(**config)
    spec = InputSpec(size=64)
    manifest = write_model(model, Description("net", "ssrnet", config, spec, "here"), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.weights.h5"]
    assert list(manifest.files) == ["keras"]

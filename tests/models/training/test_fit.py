"""Training itself on a few neurons: going on after a kill, best and last epoch, phases."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.datasets.chips import Chips
from models.datasets.labels import OLDEST
from models.errors import ModelError
from models.training.checkpoint import Checkpoint
from models.training.config import Training
from models.training.curves import save_curves
from models.training.fit import Faces, fit, trained_outputs, validation_rows
from models.training.pretrained import load_teacher
from models.training.recipes import Recipe

TRAIN, VAL = np.flatnonzero(np.arange(40) % 4), np.arange(0, 40, 4)
nan = float("nan")
RECIPE = Recipe(epochs=4, batch_size=8, lr=0.01, precision="float32")


def table(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def copy_after(monkeypatch: pytest.MonkeyPatch, epoch: int, folder: Path, copy: Path) -> None:
    """Copy what a training has written by the end of an epoch: what a kill then would leave."""
    end = Checkpoint.on_epoch_end

    def end_and_copy(self: Checkpoint, now: int, logs: dict | None = None) -> None:
        end(self, now, logs)
        if now == epoch:
            shutil.copytree(folder, copy)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", end_and_copy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "last"),
    [({}, 1), ({"freeze": ("features", "0"), "ema": 0.0, "optimizer": "sgd"}, 1)],
    ids=["amid a training", "between two phases"],
)
def test_a_killed_training_resumes_to_the_same_result(
    tiny: str,
    faces: Chips,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict,
    last: int,
) -> None:
    training = Training(tiny, replace(RECIPE, **changes))
    folder, killed = tmp_path / "whole", tmp_path / "killed"
    folder.mkdir()
    with monkeypatch.context() as patch:
        copy_after(patch, last, folder, killed)
        whole = fit(training, Faces(faces, TRAIN, VAL), folder)
    assert len(table(killed / "tiny.csv")) == last + 1
    resumed = fit(training, Faces(faces, TRAIN, VAL), killed, resume=True)
    expected, found = (table(tmp_path / n / "tiny.csv") for n in ("whole", "killed"))
    assert len(expected) == len(found) == 4
    for row, other in zip(expected, found, strict=True):
        assert other == pytest.approx(row, rel=1e-4, abs=1e-5)
    for weights, others in zip(whole.last, resumed.last, strict=True):
        np.testing.assert_allclose(others, weights, rtol=1e-3, atol=1e-5)
    assert resumed.best_row["epoch"] == whole.best_row["epoch"]


def test_a_finished_training_is_not_trained_again_and_other_settings_are_refused(
    tiny: str, faces: Chips, tmp_path: Path
) -> None:
    training = Training(tiny, replace(RECIPE, epochs=1))
    first = fit(training, Faces(faces, TRAIN, VAL), tmp_path)
    events = [path.stat().st_size for path in (tmp_path / "events" / tiny).iterdir()]
    again = fit(training, Faces(faces, TRAIN, VAL), tmp_path, resume=True)
    assert again.rows == first.rows
    assert events == [path.stat().st_size for path in (tmp_path / "events" / tiny).iterdir()]
    other = Training(tiny, replace(RECIPE, epochs=1, lr=0.02))
    with pytest.raises(ModelError, match=r"trained with lr = 0.01, not 0.02"):
        fit(other, Faces(faces, TRAIN, VAL), tmp_path, resume=True)
    (tmp_path / "tiny.state.npz").write_bytes(b"PK damaged")
    with pytest.raises(ModelError, match=r"state.npz cannot be read: .*; delete it"):
        fit(training, Faces(faces, TRAIN, VAL), tmp_path, resume=True)


def test_stored_settings_keep_their_names(tiny: str, faces: Chips, tmp_path: Path) -> None:
    training = Training(tiny, replace(RECIPE, epochs=1), crop_fraction=0.5)
    fit(training, Faces(faces, TRAIN, VAL), tmp_path, data=[["a.zip", {}]])
    with np.load(tmp_path / "tiny.state.npz") as state:
        settings = json.loads(str(state["record"]))["settings"]
    assert settings == {
        "network": "tiny", "recipe": None, "seed": 1, "view": 0.5, "init": None, "teachers": [],
        "epochs": 1, "steps": 0, "batch": 8, "optimizer": "adamw", "rate": 0.01,
        "schedule": "cosine", "drops": [], "decay": 1e-4, "penalty": 0.0, "clip": 5.0,
        "clip_of": "variable", "ema": 0.998, "age_weight": 1.0, "nodes_weight": 2.0,
        "gender_weight": 40.0, "gender": "brier", "smoothing": 0.0, "focal": 0.0, "trust": 0.5,
        "agreement": 0.0, "blends": 0.0, "dropout": 0.0, "balance": 0.3, "augmentation": "webcam",
        "strength": 1.0, "freeze": [], "precision": "float32", "data": [["a.zip", {}]],
        "weights of init and teachers": [],
    }  # fmt: skip


@pytest.mark.slow
def test_events_are_those_of_the_last_training(tiny: str, faces: Chips, tmp_path: Path) -> None:
    training, found = Training(tiny, replace(RECIPE, epochs=1)), []
    for _ in range(2):
        fit(training, Faces(faces, TRAIN, VAL), tmp_path)
        found.append([path.name for path in (tmp_path / "events" / tiny).iterdir()])
    assert [len(names) for names in found] == [1, 1]
    assert found[0] != found[1]


def test_the_best_epoch_is_the_first_with_the_lowest_val_error(
    tmp_path: Path,
) -> None:
    checkpoint = Checkpoint(tmp_path, "net", {})
    errors = [6.0, 5.0, 5.0, 7.0]
    checkpoint.rows = [{"epoch": k, "val_age_years_outside": e} for k, e in enumerate(errors)]
    assert checkpoint.best_row["epoch"] == 1
    rates = [0.5, 0.9, 0.8]
    checkpoint.rows = [{"epoch": k, "val_gender_accuracy": r} for k, r in enumerate(rates)]
    assert checkpoint.best_row["epoch"] == 1


def test_a_later_phase_that_trains_nothing_is_refused_at_once(
    tiny: str, faces: Chips, tmp_path: Path
) -> None:
    training = Training(tiny, replace(RECIPE, freeze=("features", "999")))
    with pytest.raises(ModelError, match="--freeze 999 leaves no layer of tiny to train"):
        fit(training, Faces(faces, TRAIN, VAL), tmp_path)
    assert not (tmp_path / "tiny.csv").exists()


def test_val_errors_are_of_exact_ages_and_of_brackets_where_there_are_none(faces: Chips) -> None:
    rows = np.arange(4)
    high = faces.age_high.copy()
    high[[1, 2]] = [9, OLDEST]
    assert validation_rows(replace(faces, age_high=high), rows, {"age"}).tolist() == [0, 3]
    high[[0, 3]] = [OLDEST, OLDEST]
    assert validation_rows(replace(faces, age_high=high), rows, {"age", "male"}).tolist() == [1]
    high[1] = OLDEST
    with pytest.raises(ModelError, match="no face of known age"):
        validation_rows(replace(faces, age_high=high), rows, {"age", "male"})


def test_without_an_age_to_train_val_errors_are_of_known_genders(faces: Chips) -> None:
    rows, males = np.arange(4), np.array([*[0, nan, 1, nan], *faces.male[4:]], np.float32)
    unaged = replace(faces, age_high=np.full(40, OLDEST), age_low=np.zeros(40), male=males)
    assert validation_rows(unaged, rows, {"male"}).tolist() == [0, 2]
    with pytest.raises(ModelError, match="no face of known gender"):
        validation_rows(unaged, np.array([1, 3]), {"male"})


def test_outputs_with_a_target_and_a_loss_weight_are_trained(faces: Chips) -> None:
    def outputs(chips: Chips, teachers: tuple[str, ...] = (), **changes: Any) -> set[str]:
        loaded = tuple(load_teacher(name) for name in teachers)
        training = Training("c3ae", replace(RECIPE, **changes), teachers=loaded)
        return trained_outputs(training, chips, np.arange(40))

    neither: dict[str, Any] = {"age_weight": 0.0, "age_bins_weight": 0.0}
    unaged = replace(faces, age_low=np.zeros(40), age_high=np.full(40, OLDEST))
    assert outputs(faces) == {"age", "nodes", "male"}
    assert outputs(faces, age_weight=0.0) == {"age", "nodes", "male"}  # by its bins
    assert outputs(faces, age_bins_weight=0.0) == {"age", "male"}
    assert outputs(faces, **neither) == outputs(unaged) == {"male"}
    assert outputs(unaged, ("faceres",)) == {"age", "nodes", "male"}
    with pytest.raises(ModelError, match="there is nothing to train: neither age nor gender is"):
        outputs(replace(unaged, male=np.full(40, nan)))


def test_a_training_of_gender_alone_chooses_its_best_epoch_by_gender(
    tiny: str, faces: Chips, tmp_path: Path
) -> None:
    unaged = replace(faces, age_low=np.zeros(40), age_high=np.full(40, OLDEST))
    found = fit(Training(tiny, replace(RECIPE, epochs=3)), Faces(unaged, TRAIN, VAL), tmp_path)
    assert not any("years_outside" in name for name in found.rows[0])
    rights = [row["val_male_gender_accuracy"] for row in found.rows]
    assert found.best_row["epoch"] == rights.index(max(rights))


def test_curves_are_drawn_beside_the_table(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = [
        {"epoch": k, "age_years_outside": 9 - k, "val_age_years_outside": 8 - k} for k in range(3)
    ]
    save_curves(rows, rows[2], "net", tmp_path / "net.png")
    assert (tmp_path / "net.png").read_bytes()[:4] == b"\x89PNG"


TWO_DEVICES = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf

devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from models.training import fit, optimize
from models import zoo
from models.datasets.chips import Chips
from models.training.recipes import Recipe
from models.zoo import Network
from models.crops.spec import InputSpec
from tests.synthetic import TINY_NODES, tiny_network

zoo.ARCHITECTURES["tiny"] = tiny_network
zoo.NETWORKS["tiny"] = zoo.Network("tiny", {}, InputSpec(size=8), TINY_NODES)
chosen = fit.all_devices
fit.all_devices = lambda: chosen("CPU")
sizes = []
outside = optimize.years_outside
def years_outside(target, age):
    tf.py_function(lambda rows: sizes.append(len(rows)), [target], [])
    return outside(target, age)
optimize.years_outside = years_outside
ages = np.arange(12, dtype="f4")
images, names = np.zeros((12, 128, 128, 3), np.uint8), np.full(12, "")
chips = Chips(images, ages, ages, ages % 2, names, names, np.full(12, -1))
training = fit.Training("tiny", Recipe(epochs=1, batch_size=8, precision="float32"))
fit.fit(training, fit.Faces(chips, np.arange(8), np.arange(8, 12)), Path(sys.argv[1]))
print(sorted(sizes))
"""


@pytest.mark.slow
def test_two_devices_share_every_batch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_DEVICES, str(tmp_path)]
    root = Path(__file__).parents[3]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[2, 2, 4, 4]"  # of 4 val faces and 8 train faces

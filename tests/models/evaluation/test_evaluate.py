"""The evaluation: its arithmetic by hand, and a small data set through the live path."""

import json
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest

from models import evaluate
from models.crops.align import crop_faces
from models.crops.spec import InputSpec
from models.datasets.faces import MIN_FACE
from models.datasets.labels import Pictures
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.evaluation import metrics, plots, results_table
from models.evaluation.metrics import Results
from models.evaluation.run import select_samples
from models.inference.calibration import AGE_BANDS
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest
from tests.synthetic import read_image

nan = float("nan")
SPEC = InputSpec(crop_fraction=0.75)


def results(
    ages: Sequence[float],
    predicted_ages: Sequence[float],
    males: Sequence[float] | None = None,
    male_probs: Sequence[float] | None = None,
    races: Sequence[str] | None = None,
    **limits: Sequence[float],
) -> Results:
    unknown = [nan] * len(ages)
    return Results(
        rows=np.arange(len(ages)),
        ages=np.array(ages, float),
        label_low=np.nan_to_num(np.array(ages, float), nan=0),
        label_high=np.nan_to_num(np.array(ages, float), nan=116),
        males=np.array(males or unknown, float),
        races=np.array(races or [""] * len(ages)),
        predicted_ages=np.array(predicted_ages, float),
        male_probs=np.array(male_probs or unknown, float),
        range_low=np.array(limits.get("low", unknown), float),
        range_high=np.array(limits.get("high", unknown), float),
        face_found=np.ones(len(ages), bool),
        bin_probs=np.full((len(ages), 1), nan),
    )


# Arithmetic


def test_errors_count_up_to_and_with_the_year() -> None:
    found = metrics.metrics(results([30, 30, 30, 30, 30], [33, 25, 37, 37.5, 30]))
    low, high = metrics.bootstrap_interval(np.array([3, 5, 7, 7.5, 0]))
    assert found == {
        "n": 5,
        "faces_found": 5,
        "mae": 4.5,  # 3, 5, 7, 7.5, 0
        "mae_low": low,
        "mae_high": high,
        "cs3": 0.4,
        "cs5": 0.6,
        "cs7": 0.8,
        "gender_accuracy": None,
        "gender_low": None,
        "gender_high": None,
        "coverage": None,
        "coverage_low": None,
        "coverage_high": None,
        "range_width": None,
        "ece": None,
    }


def test_one_half_is_male() -> None:
    found = metrics.metrics(results([nan] * 4, [nan] * 4, [1, 1, 0, 0], [0.5, 0.49, 0.5, 0.1]))
    assert found["gender_accuracy"] == 0.5
    assert found["mae"] is None


def test_faces_without_a_label_do_not_count() -> None:
    found = metrics.metrics(results([20, nan, 40], [22, 90, 44], [1, 0, nan], [0.9, 0.8, 0.9]))
    assert (found["n"], found["mae"], found["cs3"]) == (3, 3.0, 0.5)
    assert found["gender_accuracy"] == 0.5


def test_groups_hold_their_own_faces_only() -> None:
    ages = [0, 3.5, 4, 8, 76, 101, nan]
    guesses = [1, 5.5, 4, 12, 70, 100, 3]
    males, races = [1, 1, 0, 0, 1, nan, 0], ["x", "y", "x", "", "y", "x", "y"]
    groups = metrics.group_metrics(results(ages, guesses, males, [0.6] * 7, races))
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_age"].items()} == {
        "0-3": (2, 1.5),
        "4-8": (2, 2.0),
        "76+": (2, 3.5),
    }
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_gender"].items()} == {
        "female": (3, 2.0),
        "male": (3, 3.0),
    }
    assert {name: (g["n"], g["mae"]) for name, g in groups["by_race"].items()} == {
        "x": (3, 0.6667),
        "y": (3, 4.0),
    }
    assert groups["by_gender"]["female"]["gender_accuracy"] == 0.0


def test_the_age_bands_leave_no_gap() -> None:
    lows, highs = zip(*AGE_BANDS, strict=True)
    assert [low - 1 for low in lows[1:]] == list(highs[:-1])
    assert (lows[0], highs[-1]) == (0, None)


def test_a_range_holds_its_ends() -> None:
    found = metrics.metrics(
        results(
            [20, 30, 41, nan, 50], [20] * 5, low=[20, 25, 30, 1, nan], high=[22, 30, 40, 9, nan]
        )
    )
    assert found["coverage"] == 0.6667  # of 3 that are labelled and have a range
    assert found["range_width"] == 5.6667  # 2, 5, 10


def test_the_calibration_error_weighs_the_gap_of_every_bin_by_its_faces() -> None:
    # confidences 0.9, 0.9 (bin 12 of 15), both right; 0.6, 0.6 (bin 3), one right
    found = metrics.metrics(results([nan] * 4, [nan] * 4, [1, 0, 1, 1], [0.9, 0.1, 0.6, 0.4]))
    assert found["ece"] == 0.1  # 2/4 · |1 - 0.9| + 2/4 · |0.5 - 0.6|
    sure = metrics.metrics(results([nan] * 2, [nan] * 2, [1, 0], [1.0, 0.0]))
    assert sure["ece"] == 0.0


def test_an_interval_is_that_of_the_binomial_and_the_same_every_time() -> None:
    right = np.arange(400) % 10 > 0
    low, high = metrics.bootstrap_interval(right)
    assert (low, high) == metrics.bootstrap_interval(right)
    deviation = (0.9 * 0.1 / 400) ** 0.5  # 0.015
    assert (low, high) == pytest.approx((0.9 - 1.96 * deviation, 0.9 + 1.96 * deviation), abs=0.003)
    assert metrics.bootstrap_interval(np.array([3.0, 3.0])) == (3.0, 3.0)
    assert (
        metrics.bootstrap_interval(np.array([3.0]))
        == metrics.bootstrap_interval(np.array([]))
        == (None, None)
    )


def adults(groups: dict[str, tuple[int, int]]) -> Results:
    """Women of 30, per race (count, how many of them are taken for men)."""
    races = [race for race, (count, _) in groups.items() for _ in range(count)]
    wrong = [k < mistaken for count, mistaken in groups.values() for k in range(count)]
    guesses = [0.9 if w else 0.1 for w in wrong]
    return results([30] * len(races), [30] * len(races), [0] * len(races), guesses, races)


def test_a_small_group_is_named_where_chance_does_not_explain_that_it_lags() -> None:
    # all: 0.9214; 19 of 25 lie in 0.566 to 0.885, 21 of 25 in 0.653 to 0.936, 6 of 19 are too few
    fair = metrics.fairness(
        adults({"w": (1000, 53), "x": (25, 10), "y": (25, 6), "z": (19, 13), "v": (25, 4)})
    )
    assert fair["adults"]["behind"] == {
        "x": {"n": 25, "gender_accuracy": 0.6},
        "y": {"n": 25, "gender_accuracy": 0.76},
    }
    ends = metrics.wilson_interval(np.arange(25) < 15)
    assert ends == pytest.approx((0.4074, 0.7660), abs=1e-4)
    assert metrics.wilson_interval(np.ones(5, bool)) == pytest.approx((0.5655, 1.0), abs=1e-4)


def test_a_large_group_that_lags_is_named_and_a_small_one_is_not() -> None:
    # 0.87 of 400: the mean is 0.87; x lags by 0.07, y by 0.06 exactly, z has too few faces
    fair = metrics.fairness(adults({"w": (101, 6), "x": (100, 20), "y": (100, 19), "z": (99, 7)}))
    assert fair["adults"]["n"] == 400
    assert fair["adults"]["gender_accuracy"] == 0.87
    assert fair["adults"]["behind"] == {"x": {"n": 100, "gender_accuracy": 0.8}}


def test_children_are_told_apart_and_do_not_count_among_adults() -> None:
    fair = metrics.fairness(
        results([15, 16, nan, 8], [18, 16, 1, 9], [1, 1, 1, 0], [0.2, 0.9, 0.1, 0.1])
    )
    assert fair["children"] == {"n": 2, "mae": 2.0, "gender_accuracy": 0.5}
    assert fair["adults"] == {"n": 1, "gender_accuracy": 1.0, "behind": {}}
    assert fair["coverage"] == {"bands": {}, "outside": []}


def test_an_age_known_as_a_range_makes_an_adult_or_a_child_where_it_is_clear() -> None:
    ranges = replace(
        results([nan] * 4, [20] * 4, [1] * 4, [0.9, 0.1, 0.1, 0.9]),
        label_low=np.array([20, 10, 3, 16]),
        label_high=np.array([30, 20, 10, 116]),
    )
    fair = metrics.fairness(ranges)
    assert (fair["adults"]["n"], fair["adults"]["gender_accuracy"]) == (2, 1.0)
    assert fair["children"] == {"n": 1, "mae": None, "gender_accuracy": 0.0}


def test_bands_that_are_covered_too_much_or_too_little_are_named() -> None:
    count, inside = 200, {20: 168, 30: 167, 40: 193, 50: 192}  # 0.84, 0.835, 0.965, 0.96
    ages = [age for age in inside for _ in range(count)] + [70] * 25 + [80] * 25
    high = [age if k < n else age - 1 for age, n in inside.items() for k in range(count)]
    high += [70] * 20 + [0] * 5 + [80] * 15 + [0] * 10  # in 0.609 to 0.911, in 0.407 to 0.766
    fair = metrics.fairness(results(ages, ages, low=[0] * len(ages), high=high))
    assert fair["coverage"]["bands"] == {
        "16-25": {"n": 200, "coverage": 0.84},
        "26-35": {"n": 200, "coverage": 0.835},
        "36-45": {"n": 200, "coverage": 0.965},
        "46-60": {"n": 200, "coverage": 0.96},
        "76+": {"n": 25, "coverage": 0.6},
    }
    assert fair["coverage"]["outside"] == ["26-35", "36-45", "76+"]


# Plots


def test_the_worst_are_the_farthest_ages_and_the_surest_wrong_genders() -> None:
    rows = plots.worst(
        results([30, 30, nan, 30], [31, 70, 99, 25], [1, 1, 0, nan], [0.4, 0.1, 0.2, 0.9])
    )
    assert [part.tolist() for part in rows] == [[1, 3, 0], [1, 0]]


@pytest.mark.parametrize("known", [True, False])
def test_plots_are_drawn_of_what_is_known(known: bool, tmp_path: Path) -> None:
    ages, males = list(range(0, 90, 2)), [k % 2 for k in range(45)]
    low, high = ([a + d for a in ages] for d in (-3, 8))
    guesses = [a + k % 9 for k, a in enumerate(ages)]
    full = results(ages, guesses, males, [k / 45 for k in range(45)], low=low, high=high)
    some = full if known else results([nan], [nan])
    crops = {int(row): np.zeros((9, 9, 3), np.uint8) for part in plots.worst(some) for row in part}
    plots.save_plots(some, crops, "a title", tmp_path)
    shapes = {path.name: read_image(path).shape[:2] for path in tmp_path.glob("*")}
    assert shapes["age.png"] == (616, 726)  # 5.6 × 6.6 inches of 110 dots
    assert shapes["error.png"] == (660, 990)
    assert shapes["calibration.png"] == (528, 1155)
    # 24 ages and 12 genders, six in a row of 1.75 inches; nothing takes two rows
    assert shapes["worst.png"] == ((1221, 990) if known else (451, 990))


# A data set of six pictures through the whole command


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """An untrained joint SSR-Net with random weights that answers differently to every crop."""
    from models.exporting.weights import Description, write_model
    from models.networks import ssrnet

    net = ssrnet.build()
    rng = np.random.default_rng(5)
    net.set_weights([_weights(w, rng) for w in net.weights])
    folder = tmp_path_factory.mktemp("models")
    return write_model(net, Description("untrained", "ssrnet", {}, SPEC, "a test"), folder)


def _weights(variable: Any, rng: np.random.Generator) -> np.ndarray:
    shape = tuple(variable.shape)
    if variable.name == "moving_variance":
        return np.full(shape, 400.0)
    weights: np.ndarray = rng.uniform(-0.2, 1, shape) / max(math.prod(shape[:-1]), 3)
    return weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    """Three faces, a blank picture, one that cannot be decoded, one that is not there."""
    path = tmp_path_factory.mktemp("data")
    (path / "images").mkdir()
    portrait = astronaut[0:300, 80:380]
    faces = {"a.png": portrait, "b.png": portrait[:, ::-1], "c.png": portrait // 2}
    for name, image in {**faces, "blank.png": np.full((90, 120, 3), 70, np.uint8)}.items():
        cv2.imwrite(str(path / "images" / name), image)
    (path / "images" / "broken.jpg").write_bytes(b"no picture")
    rows = [
        "file,note,split,age,gender,race",
        "a.png,x,test,30,female,white",
        "b.png,,test,50,,white",
        "c.png,,test,,female,black",
        "blank.png,,test,20,male,",
        "broken.jpg,,test,20,male,",
        "missing.png,,test,20,male,",
        "a.png,,val,,,",
    ]
    (path / "labels.csv").write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def run(model: Manifest, folder: Path, capsys: pytest.CaptureFixture) -> Callable[..., Any]:
    """The command with --json; returns the object it prints."""

    def command(
        *options: str, data: Path = folder, name: str = str(model.folder / "untrained.json")
    ) -> Any:
        assert evaluate.main([name, "--data", str(data), "--json", *options]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0], parse_constant=_not_json)

    return command


def _not_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def estimates(model: Manifest, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Ages and males of the pictures' only faces, of whole pictures where there is none."""
    detector, crops = Mtcnn(MIN_FACE), []
    for image in images:
        face = detector.detect(image)
        assert len(face) <= 1
        if len(face):
            crops.append(crop_faces(image, face.boxes, face.points, SPEC)[0])
        else:
            crops.append(cv2.resize(image, (64, 64)))
    return Estimator(model, choose_device("cpu")).predict(np.stack(crops))


def test_every_picture_is_counted_once(run: Callable, model: Manifest, folder: Path) -> None:
    report = run()
    names = ("a.png", "b.png", "c.png", "blank.png")
    images = [read_image(folder / "images" / name) for name in names]
    ages, males = estimates(model, images)
    assert len(set(ages.tolist())) == 4
    errors = np.abs(ages[[0, 1, 3]] - [30, 50, 20])
    right = (males[[0, 2, 3]] >= 0.5) == [False, False, True]
    assert (report["n"], report["faces_found"], report["unreadable"]) == (4, 3, 2)
    assert report["mae"] == pytest.approx(errors.mean(), abs=1e-3)
    for years in (3, 5, 7):
        assert report[f"cs{years}"] == pytest.approx((errors <= years).mean(), abs=1e-3)
    assert report["gender_accuracy"] == pytest.approx(right.mean(), abs=1e-3)
    assert report["by_age"]["46-60"]["mae"] == pytest.approx(errors[1], abs=1e-3)
    assert {k: v["n"] for k, v in report["by_gender"].items()} == {"female": 2, "male": 1}
    assert {k: v["n"] for k, v in report["by_race"].items()} == {"black": 1, "white": 2}
    assert (report["model"], report["split"], report["chips"]) == ("untrained", "test", False)
    assert report["data"] == str(folder)
    assert report["seconds"] > 0


def test_a_zip_holds_the_same_pictures(run: Callable, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in [folder / "labels.csv", *sorted((folder / "images").iterdir())]:
            archive.write(file, str(file.relative_to(folder)))
    from_folder, from_zip = run(), run(data=tmp_path / "set.zip")
    for report in (from_folder, from_zip):
        del report["data"], report["seconds"]
    assert from_zip == from_folder


def test_chips_are_taken_whole(run: Callable, model: Manifest, folder: Path) -> None:
    report = run("--chips")
    images = [read_image(folder / "images" / f"{name}.png") for name in "ab"]
    # 300 pixels to 64: shrunk by areas
    crops = [cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in images]
    ages, _ = Estimator(model, choose_device("cpu")).predict(np.stack(crops))
    assert (report["n"], report["chips"], report["faces_found"]) == (4, True, None)
    assert report["by_race"]["white"]["mae"] == pytest.approx(
        np.abs(ages - [30, 50]).mean(), abs=1e-3
    )


def test_what_is_not_labelled_is_null(run: Callable) -> None:
    report = run("--split", "val")
    assert report["n"] == report["faces_found"] == 1
    assert [report[name] for name in metrics.METRICS] == [None] * len(metrics.METRICS)
    assert report["by_age"] == report["by_gender"] == report["by_race"] == {}


def test_what_a_model_does_not_tell_is_null(run: Callable, tmp_path: Path) -> None:
    import keras

    from models.exporting.weights import Description, write_model
    from models.networks import ssrnet

    keras.utils.set_random_seed(5)
    config: dict[str, Any] = {"outputs": ["age"]}
    about = Description("ages", "ssrnet", config, SPEC, "a test")
    write_model(ssrnet.build(**config), about, tmp_path)
    report = run(name=str(tmp_path / "ages.json"))
    assert report["gender_accuracy"] is None
    assert report["by_gender"]["female"]["gender_accuracy"] is None
    assert report["mae"] is not None


def test_a_limit_spreads_over_the_split(folder: Path) -> None:
    pictures = Pictures(folder)
    chosen = select_samples(pictures, "test", 3)
    assert [sample.file for sample in chosen] == ["a.png", "c.png", "broken.jpg"]
    assert len(select_samples(pictures, "test", 60)) == 6


def test_people_get_a_table(model: Manifest, folder: Path, capsys: pytest.CaptureFixture) -> None:
    name = str(model.folder / "untrained.json")
    assert evaluate.main([name, "--data", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "4 pictures, 3 faces found, 2 unreadable" in lines[0]
    assert lines[1].split() == [
        "n", "mae", "CA(3)", "CA(5)", "CA(7)", "gender", "coverage", "width", "ece",
    ]  # fmt: skip
    assert lines[2].split()[:2] == ["all", "4"]
    assert lines[2].split()[3].startswith("±")
    assert [line.split()[0] for line in lines[3:-5]] == [
        "16-25", "26-35", "46-60", "female", "male", "black", "white",
    ]  # fmt: skip
    assert lines[-5].startswith("CA(n): share of ages with an error ≤ n years")
    assert lines[-4].startswith("adults (label of at least 16 years): 2 faces, gender accuracy ")
    assert lines[-4].endswith("groups more than 6 points below: none")
    assert lines[-3] == (
        "children (label under 16 years): 0 faces, age error - years, gender accuracy -"
    )
    assert lines[-2] == (
        "coverage of age bands with at least 200 faces, and of smaller ones outside 0.84 to "
        "0.96: -; outside: none"
    )
    assert lines[-1] == (
        f"{folder.name}: 1 of 6 pictures of test are also in other splits, byte for byte"
    )


def test_saved_rows_are_replaced_and_others_stay(
    run: Callable, model: Manifest, folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "results"
    for split in ("test", "val", "test"):
        report = run("--split", split, "--save", str(kept), "--plots", str(tmp_path / "plots"))
    rows = results_table.read(kept / "evaluation.csv")
    assert [(row["data"], row["split"], row["n"]) for row in rows] == [
        (folder.name, "test", "4"),
        (folder.name, "val", "1"),
    ]
    first = rows[0]
    assert first["mae"] == str(report["mae"])
    assert (first["mae_low"], first["coverage"]) == (str(report["mae_low"]), "")
    assert first["command"].startswith("python -m models.evaluate ")
    assert first["weights"] == model.files["onnx"]["sha256"][:12]
    assert all(first[name] for name in ("seed", "machine", "date"))
    assert [row["group"] for row in results_table.read(kept / "groups.csv")] == [
        "16-25", "26-35", "46-60", "female", "male", "black", "white",
    ]  # fmt: skip
    assert len(list((tmp_path / "plots").iterdir())) == 4


def test_people_see_which_files_were_written(
    model: Manifest, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    name = str(model.folder / "untrained.json")
    assert evaluate.main([name, "--data", str(folder), "--save", str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"written: {tmp_path}/evaluation.csv, {tmp_path}/groups.csv"


# Refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--split", "dev"], ["no split 'dev'", "test, val"]),
        (["--data", "nowhere.zip"], ["nowhere.zip does not exist"]),
        (["--save", __file__], ["cannot make folder", "exists"]),
        (["--save", "results", "--chips"], ["remove --chips or --save"]),
        (["--save", "results", "--limit", "1"], ["remove --limit or --save"]),
        (["--data", __file__], [__file__, "neither a folder nor a zip"]),
        (["--data", str(Path(__file__).parent)], ["has no labels.csv beside images/"]),
    ],
)
def test_a_mistake_is_told_in_one_line(
    options: list[str],
    words: list[str],
    model: Manifest,
    folder: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    name = str(model.folder / "untrained.json")
    assert evaluate.main([name, "--data", str(folder), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def test_figures_of_a_data_set_by_the_name_of_what_was_learnt_are_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "utkface.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.csv", "file,split\na.png,test\n")
    assert evaluate.main(["ssrnet-joint", "--data", str(path), "--save", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"{path} differs from the utkface.zip that ssrnet-joint was trained on" in told
    assert not (tmp_path / "evaluation.csv").exists()


def test_an_unknown_model_is_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("no-such-model", "mtcnn"):
        assert evaluate.main([name, "--data", str(folder)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert name in err


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("", "labels.csv has no column file and split"),
        ("file,age\na.png,3\n", "labels.csv has no column split"),
        ("file,split,age\n", "labels.csv has no rows"),
        ("file,split,age\na.png,test,old\n", "line 2: age 'old' is not a number of years"),
        ("file,split,age\na.png,test,nan\n", "line 2: age 'nan' is not a number of years"),
        ("file,split,age\na.png,test,-1\n", "line 2: age '-1' is not a number of years"),
        ("file,split,gender\na.png,test,boy\n", "line 2: gender 'boy' is neither male, female"),
        ("file,split\n\xff\n", "labels.csv cannot be read"),
        ('file,split\na.png,"' + 140_000 * "a", "labels.csv line 2 is damaged: field larger"),
        ("file,split\nb.png,test\n", "none of the 1 pictures of split 'test' could be read"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_refused(
    labels: str, reason: str, model: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "labels.csv").write_bytes(labels.encode("latin-1"))
    name = str(model.folder / "untrained.json")
    assert evaluate.main([name, "--data", str(tmp_path)]) == 2
    assert reason in capsys.readouterr().err


def test_a_damaged_zip_is_one_line(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.csv", "file,split\n")
    path.write_bytes(b"".join([path.read_bytes()[:40], b"PK" * 9, path.read_bytes()[-22:]]))
    assert evaluate.main(["ssrnet-joint", "--data", str(path)]) == 2
    assert f"{path} is a damaged zip" in capsys.readouterr().err


def test_a_damaged_picture_in_a_zip_is_unreadable(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.csv", "file,split\na.png,test\n")
        archive.writestr("images/a.png", b"0123456789" * 9)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"0123456789", b"0123456780", 1))  # the checksum fails
    pictures = Pictures(path)
    assert pictures.image(pictures.samples[0]) is None


def test_weights_that_were_changed_are_refused(model: Manifest, folder: Path) -> None:
    manifest = load_manifest(str(model.folder / "untrained.json"))
    graph = manifest.folder / "untrained.onnx"
    kept = graph.read_bytes()
    try:
        graph.write_bytes(kept + b" ")
        with pytest.raises(ModelError, match="differs from its manifest"):
            Estimator(manifest, choose_device("cpu"))
    finally:
        graph.write_bytes(kept)

"""The command models.evaluate: a data set of six pictures through the live path."""

import json
import math
import zipfile
from collections.abc import Callable
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
from models.evaluation import metrics, results_table
from models.evaluation.run import select_samples
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest
from tests.synthetic import read_image

nan = float("nan")
SPEC = InputSpec(crop_fraction=0.75)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """An untrained joint SSR-Net with random weights that predicts another age for every crop."""
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


def test_an_output_that_a_model_lacks_is_null(run: Callable, tmp_path: Path) -> None:
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
        (["--split", "dev"], ["no split 'dev'", "--split from 'test', 'val'"]),
        (["--data", "nowhere.zip"], ["nowhere.zip does not exist"]),
        (["--save", __file__], ["cannot make folder", "exists"]),
        (["--save", "results", "--chips"], ["remove --chips or --save"]),
        (["--save", "results", "--limit", "1"], ["remove --limit or --save"]),
        (["--data", __file__], [__file__, "neither a folder nor a zip"]),
        (["--data", str(Path(__file__).parent)], ["has no labels.csv beside images/"]),
    ],
)
def test_a_mistake_is_one_line(
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


def test_results_of_a_data_set_with_the_name_of_a_training_set_are_not_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "utkface.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.csv", "file,split\na.png,test\n")
    assert evaluate.main(["ssrnet-joint", "--data", str(path), "--save", str(tmp_path)]) == 2
    line = capsys.readouterr().err
    assert f"{path} differs from the utkface.zip that ssrnet-joint was trained on" in line
    assert not (tmp_path / "evaluation.csv").exists()


def test_an_unknown_model_is_one_line(folder: Path, capsys: pytest.CaptureFixture) -> None:
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


def test_pictures_with_near_twins_in_training_are_counted_and_left_out(
    run: Callable,
    model: Manifest,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("AGESTREAM_CACHE", str(tmp_path / "cache"))
    train, table = tmp_path / "train", tmp_path / "lists" / "twins.csv"
    (train / "images").mkdir(parents=True)
    (train / "labels.csv").write_text("file,split,age\ncopy.jpg,train,30\n")
    portrait = read_image(folder / "images" / "a.png")
    cv2.imwrite(str(train / "images" / "copy.jpg"), cv2.resize(portrait, (200, 200)))
    report = run("--twins", str(folder), str(train), "--twins-csv", str(table))
    found = [line.split(",")[:3] for line in table.read_text().splitlines()[1:]]
    assert sorted(found) == [[name, str(train), "copy.jpg"] for name in ("a.png", "b.png", "c.png")]
    assert report["twins"]["pictures"] == 3
    assert report["twins"]["of"] == report["n"] == 4
    blank = run("--twins", str(folder))["twins"]
    assert (blank["pictures"], blank["without"]["mae"]) == (0, report["mae"])
    (age,), _ = estimates(model, [read_image(folder / "images" / "blank.png")])
    assert report["twins"]["without"]["mae"] == pytest.approx(abs(age - 20), abs=1e-3)
    name = str(model.folder / "untrained.json")
    assert evaluate.main([name, "--data", str(folder), "--twins", str(train)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == (
        "3 of 4 pictures have near twins in the train splits; without them: age error "
        f"{report['twins']['without']['mae']:.3f} years, gender accuracy "
        f"{report['twins']['without']['gender_accuracy']:.3f}"
    )


def test_a_table_of_twins_needs_the_sets_of_training(folder: Path, model: Manifest, capsys) -> None:
    arguments = [str(model.folder / "untrained.json"), "--data", str(folder), "--twins-csv", "a"]
    assert evaluate.main(arguments) == 2
    assert "give the data sets of training with --twins" in capsys.readouterr().err

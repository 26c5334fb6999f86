"""Data sets as they are distributed, in small, through the command."""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models import prepare
from models.datasets import face_region, preparation, shards
from models.datasets.formats import Rules
from models.datasets.labels import Pictures
from models.datasets.splits import hashed_split
from tests.models.datasets.test_formats import person, write_folds, write_mat
from tests.synthetic import jpeg

HEAD = "file,split,age,gender,race,age_bin,subject,fold"


@pytest.fixture(scope="session")
def portraits(astronaut: np.ndarray) -> list[bytes]:
    """Eight pictures of one face, all different: as it is, mirrored, scaled, brightened."""
    face = astronaut[0:256, 96:352]
    pictures = []
    for side in (160, 200):
        scaled = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        for image in (scaled, scaled[:, ::-1]):
            pictures += [jpeg(image), jpeg(cv2.convertScaleAbs(image, alpha=1.2, beta=10))]
    return pictures


def put(folder: Path, pictures: dict[str, bytes]) -> None:
    for file, data in pictures.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)


def train_or_val(picture: bytes) -> str:
    """Where a picture of the authors' train goes if they made no val."""
    return "val" if hashed_split(hashlib.sha256(picture).hexdigest()) == "val" else "train"


def run(name: str, source: Path, out: Path, *options: str) -> tuple[list[str], dict]:
    """The lines of labels.csv and the report."""
    assert prepare.main([name, str(source), str(out), *options]) == 0
    with zipfile.ZipFile(out) as file:
        lines = file.read("labels.csv").decode().splitlines()
        rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
        assert file.namelist() == ["labels.csv", *(f"images/{row['file']}" for row in rows)]
    assert lines[0] == HEAD
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert not out.with_name(f"{out.name}.parts").exists()
    return lines[1:], json.loads(out.with_suffix(".report.json").read_text())


def write_fgnet(folder: Path, portraits: list[bytes]) -> None:
    files = ("001A02.JPG", "001A43a.JPG", "002A16.JPG", "003A05.JPG", "004A30.JPG", "005A61.JPG")
    put(folder, {f"images/{file}": data for file, data in zip(files, portraits, strict=False)})


def test_imdb_pictures_get_the_split_of_their_celebrity(
    tmp_path: Path, portraits: list[bytes]
) -> None:
    files = ["01/nm01_rm1_1960-6-30_2000.jpg", "01/nm01_rm2_1960-6-30_1990.jpg", "99/nm99_rm3.jpg"]
    put(tmp_path / "imdb_crop", dict(zip(files, portraits, strict=False)))
    write_mat(
        tmp_path / "imdb_crop" / "imdb.mat",
        [
            person(files[0], name="Ivy"),
            person(files[1], name="Ivy", photo_taken=1990),
            person(files[2], name="Bob", gender=0.0),
            person(files[2], name="Bob"),
            person("99/gone.jpg", name="Bob"),
            person(files[2], score=0.5),
        ],
    )
    rows, report = run("imdb", tmp_path, tmp_path / "imdb.zip")
    assert rows == [
        f"{files[0]},test,40,male,,,Ivy,",
        f"{files[1]},test,30,male,,,Ivy,",
        f"{files[2]},val,40,female,,,Bob,",
    ]
    assert report == {
        "name": "imdb",
        "source": str(tmp_path),
        "rules": "Rules(min_face_score=1.0, max_second_score=-inf, one_face=False)",
        "pictures": 6,
        "kept": {"test": 2, "val": 1},
        "dropped": {
            "face_score below 1": {"no split": 1},
            "file is missing": {"no split": 1},
            "named twice": {"no split": 1},
        },
    }


def test_wiki_scores_can_be_let_through(
    tmp_path: Path, portraits: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, {"17/1_1960-06-30_2000.jpg": portraits[0]})
    write_mat(tmp_path / "wiki.mat", [person("17/1_1960-06-30_2000.jpg", score=-0.5, second=-1.0)])
    out = tmp_path / "out" / "wiki.zip"
    assert prepare.main(["wiki", str(tmp_path), str(out)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"models.prepare: {tmp_path} has no picture of wiki (most: face_score below 1): "
        "expected wiki.mat beside the folders 00 to 99 of wiki_crop"
    ]
    rows, _ = run("wiki", tmp_path, out, "--min-face-score=-inf", "--max-second-score", "0")
    assert [row.split(",", 2)[2] for row in rows] == ["40,male,,,,"]


def test_morph2_wants_exactly_one_face(
    tmp_path: Path, portraits: list[bytes], two_people: Callable[[int], np.ndarray]
) -> None:
    put(
        tmp_path / "Album2",
        {
            "000001_0M20.JPG": portraits[0],
            "000001_1M21.JPG": portraits[1],
            "000002_0F33.JPG": portraits[2],
            "000005_0F33.JPG": jpeg(two_people(0)),
            "000008_0F33.JPG": jpeg(np.full((99, 99, 3), 80, np.uint8)),
            "000009_0F33.JPG": b"damaged",
        },
    )
    rows, report = run("morph2", tmp_path, tmp_path / "morph2.zip")
    assert rows == [
        "000001_0M20.JPG,train,20,male,,,000001,",
        "000001_1M21.JPG,train,21,male,,,000001,",
        "000002_0F33.JPG,test,33,female,,,000002,",
    ]
    assert report["dropped"] == {
        "cannot be decoded": {"no split": 1},
        "more than one face found": {"no split": 1},
        "no face found": {"no split": 1},
    }


def test_megaage_asian_is_trimmed_and_keeps_its_split(
    tmp_path: Path, portraits: list[bytes]
) -> None:
    root = tmp_path / "megaage_asian"
    put(root, {f"train/{i + 1}.jpg": portraits[i] for i in range(2)})
    put(root, {"test/1.jpg": portraits[4], "test/2.jpg": portraits[1]})
    for split, ages in (("train", "25\n0\n"), ("test", "70\n1\n")):
        put(root, {f"list/{split}_name.txt": b"1.jpg\n2.jpg\n"})
        put(root, {f"list/{split}_age.txt": ages.encode()})
    out = tmp_path / "megaage.zip"
    rows, report = run("megaage-asian", tmp_path, out)
    assert rows == [
        f"train/1.jpg,{train_or_val(portraits[0])},25,,,,,",
        "test/1.jpg,test,70,,,,,",
        "test/2.jpg,test,1,,,,,",
    ]
    assert report["dropped"] == {"in a later split too": {"train": 1}}
    pictures = Pictures(out)
    images = [pictures.image(sample) for sample in pictures.samples]
    assert [image.shape for image in images if image is not None] == [
        (120, 160, 3),
        (160, 200, 3),
        (120, 160, 3),
    ]


def test_adience_has_folds_and_brackets(tmp_path: Path, portraits: list[bytes]) -> None:
    put(
        tmp_path / "aligned",
        {
            "1@N01/landmark_aligned_face.1.a_o.jpg": portraits[0],
            "1@N01/landmark_aligned_face.2.a_o.jpg": portraits[1],
            "2@N02/landmark_aligned_face.3.b.jpg": portraits[2],
            "3@N03/landmark_aligned_face.4.c.jpg": portraits[3],
        },
    )
    write_folds(
        tmp_path,
        {
            0: [("1@N01", "a_o.jpg", "1", "(25, 32)", "f"), ("1@N01", "a_o.jpg", "2", "13", "m")],
            2: [("2@N02", "b.jpg", "3", "(38, 42)", "m")],
            4: [("3@N03", "c.jpg", "4", "(60, 100)", "u")],
        },
    )
    rows, report = run("adience", tmp_path, tmp_path / "adience.zip")
    assert rows == [
        "1@N01/landmark_aligned_face.1.a_o.jpg,test,,female,,25-32,1@N01/1,0",
        "1@N01/landmark_aligned_face.2.a_o.jpg,val,,male,,8-12,1@N01/2,0",
        "2@N02/landmark_aligned_face.3.b.jpg,test,,male,,38-43,2@N02/3,2",
    ]
    assert report["dropped"] == {"gender unknown": {"no split": 1}}


def test_the_same_bytes_under_two_names_share_a_split(
    tmp_path: Path, portraits: list[bytes]
) -> None:
    names = [f"0{i}_1_0_2017011615120422{i}.jpg" for i in range(8)]
    put(tmp_path, dict(zip(names, portraits, strict=True)))
    put(tmp_path, {f"1{name}": data for name, data in zip(names, portraits, strict=True)})
    rows, _ = run("utkface", tmp_path, tmp_path / "utkface.zip")
    splits = dict(row.split(",")[:2] for row in rows)
    assert len(splits) == 16
    assert [splits[f"1{name}"] for name in names] == [splits[name] for name in names]


def test_fgnet_gives_a_subject_one_split(tmp_path: Path, portraits: list[bytes]) -> None:
    write_fgnet(tmp_path, portraits)
    rows, _ = run("fgnet", tmp_path, tmp_path / "fgnet.zip")
    assert rows[:2] == ["001A02.JPG,train,2,,,,001,", "001A43a.JPG,train,43,,,,001,"]


def test_aaf_and_fairface_are_tested_on_the_authors_val(
    tmp_path: Path, portraits: list[bytes]
) -> None:
    put(tmp_path, {"original images/00000A02.jpg": portraits[0], "image sets/val.txt": b""})
    put(tmp_path, {"image sets/train.txt": b"00000A02.jpg 0\n"})
    rows, _ = run("aaf", tmp_path, tmp_path / "aaf.zip")
    assert rows == [f"00000A02.jpg,{train_or_val(portraits[0])},2,female,,,,"]
    head = b"file,age,gender,race,service_test\n"
    put(tmp_path, {"train/1.jpg": portraits[0], "val/1.jpg": portraits[1]})
    put(tmp_path, {"fairface_label_train.csv": head + b"train/1.jpg,0-2,Male,East Asian,True\n"})
    put(tmp_path, {"fairface_label_val.csv": head + b"val/1.jpg,more than 70,Female,Black,False\n"})
    rows, _ = run("fairface", tmp_path, tmp_path / "fairface.zip")
    assert rows == [
        f"train/1.jpg,{train_or_val(portraits[0])},,male,East Asian,0-2,,",
        "val/1.jpg,test,,female,Black,more than 70,,",
    ]


def test_a_zip_is_read_as_the_folder_in_it(tmp_path: Path, portraits: list[bytes]) -> None:
    write_fgnet(tmp_path / "FGNET", portraits)
    with zipfile.ZipFile(tmp_path / "fgnet-original.zip", "w") as file:
        for path in sorted((tmp_path / "FGNET").rglob("*.JPG")):
            file.write(path, path.relative_to(tmp_path))
    run("fgnet", tmp_path / "FGNET", tmp_path / "a.zip")
    run("fgnet", tmp_path / "fgnet-original.zip", tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_killed_run_goes_on_where_it_was(
    tmp_path: Path, portraits: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fgnet(tmp_path / "FGNET", portraits)
    run("fgnet", tmp_path / "FGNET", tmp_path / "whole.zip")
    monkeypatch.setattr(shards, "SHARD_SIZE", 2)
    real = face_region.prepare_picture
    seen: Counter[bytes] = Counter()

    def killed_at_the_fourth(published: bytes, *rest: Any) -> tuple[str, bytes]:
        seen[published] += 1
        if published == portraits[3] and seen[published] == 1:
            raise KeyboardInterrupt
        return real(published, *rest)

    monkeypatch.setattr(preparation, "prepare_picture", killed_at_the_fourth)
    out = tmp_path / "again.zip"
    with pytest.raises(KeyboardInterrupt):
        preparation.prepare("fgnet", tmp_path / "FGNET", out, Rules())
    assert not out.exists()
    assert sorted(path.name for path in (tmp_path / "again.zip.parts").glob("*.zip")) == ["0.zip"]
    run("fgnet", tmp_path / "FGNET", out)
    assert [seen[data] for data in portraits[:6]] == [1, 1, 2, 2, 1, 1]
    assert out.read_bytes() == (tmp_path / "whole.zip").read_bytes()


def test_shards_of_another_plan_are_not_used(tmp_path: Path, portraits: list[bytes]) -> None:
    out = tmp_path / "out.zip"
    shards.Shards(out, "this", 3).fill(lambda i: shards.Prepared("", str(i), b"x"), "")
    assert [done.digest for done in shards.Shards(out, "this", 3).outcomes()] == ["0", "1", "2"]
    shards.Shards(out, "that", 3)
    assert [path.name for path in (tmp_path / "out.zip.parts").iterdir()] == ["plan"]


def test_mistakes_are_one_line(
    tmp_path: Path, portraits: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("file", "o.zip"):
        (tmp_path / name).write_text("")
    put(tmp_path / "no-faces", {"001A02.JPG": b"damaged"})
    write_fgnet(tmp_path / "FGNET", portraits)
    for source, out, line in (
        (
            "none",
            "o.zip",
            f"{tmp_path}/none is neither a folder nor a zip file: expected pictures",
        ),
        ("FGNET/images/..", "o", f"cannot write {tmp_path}/o: name a file that ends in .zip"),
        ("FGNET", "file/o.zip", f"cannot make folder {tmp_path}/file: File exists"),
        ("o.zip", "o.zip", f"cannot write {tmp_path}/o.zip: it is the original: name another file"),
        ("no-faces", "o.zip", f"{tmp_path}/no-faces: no picture is left (most: cannot be decoded)"),
    ):
        assert prepare.main(["fgnet", str(tmp_path / source), str(tmp_path / out)]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith(f"models.prepare: {line}")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("utkface a b.zip --max-second-score 0", "utkface has no face scores: remove the option"),
        ("imdb a b.zip --min-face-score nan", "invalid score value: 'nan'"),
    ],
)
def test_scores_are_numbers_and_of_imdb_and_wiki_alone(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        prepare.main(arguments.split())
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_utkface_under_its_own_names_gives_the_labels_of_the_shared_zip(
    shared: Path, tmp_path: Path
) -> None:
    pictures = Pictures(shared / "data" / "utkface.zip")
    some = pictures.samples[::300]
    images = {s.file: pictures.image(s) for s in some}
    put(tmp_path, {file: jpeg(image) for file, image in images.items() if image is not None})
    out = tmp_path / "utkface.zip"
    preparation.prepare("utkface", tmp_path, out, Rules())
    made = {s.file: s for s in Pictures(out).samples}
    assert len(made) > 0.95 * len(some)
    assert [(s.age, s.male, s.race) for s in some if s.file in made] == [
        (made[s.file].age, made[s.file].male, made[s.file].race) for s in some if s.file in made
    ]


def test_the_report_is_a_table(
    tmp_path: Path, portraits: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, {"001A02.JPG": portraits[0], "002A16.JPG": b"damaged", "more.jpg": b""})
    run("fgnet", tmp_path, tmp_path / "fgnet.zip")
    assert capsys.readouterr().out.splitlines() == [
        "fgnet: 1 of 3 pictures kept",
        "                      train  no split       all",
        "kept                      1         0         1",
        "cannot be decoded         0         1         1",
        "malformed name            0         1         1",
        f"written: {tmp_path}/fgnet.zip, {tmp_path}/fgnet.report.json, {tmp_path}/fgnet.png",
    ]

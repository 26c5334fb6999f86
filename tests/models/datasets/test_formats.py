"""Labels and cleaning rules of the data sets, from lists and names alone."""

from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from models.datasets.adience import adience_bracket
from models.datasets.formats import FORMATS, Rules
from models.datasets.source import Record, Source
from models.errors import ModelError

RULES = Rules()
# MATLAB's datenum('30-Jun-1960') and datenum('01-Jul-1960')
JUNE, JULY = 716057, 716058


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def records(name: str, folder: Path, rules: Rules = RULES) -> list[Record]:
    original = FORMATS[name]
    return list(original.records(Source(folder, original.layout), rules))


def cells(values: list[Any]) -> np.ndarray:
    """A MATLAB row of cells."""
    row = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        row[0, i] = value
    return row


def write_mat(path: Path, people: list[dict[str, Any]]) -> None:
    """imdb.mat or wiki.mat: a struct of 1×N arrays, with the fields and types of the published."""

    def row(field: str, kind: type) -> np.ndarray:
        return np.array([[person[field] for person in people]], kind)

    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "dob": row("dob", np.int32),
        "photo_taken": row("photo_taken", np.uint16),
        "full_path": cells([person["path"] for person in people]),
        "gender": row("gender", np.float64),
        "name": cells([person.get("name", "") for person in people]),
        "face_location": cells([np.array([[1.0, 1.0, 99.0, 99.0]])] * len(people)),
        "face_score": row("score", np.float64),
        "second_face_score": row("second", np.float64),
    }
    savemat(path, {path.stem: table})


def person(path: str, **changed: Any) -> dict[str, Any]:
    known = {"dob": JUNE, "photo_taken": 2000, "gender": 1.0, "score": 3.0, "second": nan}
    return {"path": path, **known, **changed}


def test_imdb_ages_are_those_on_the_first_of_july(tmp_path: Path) -> None:
    touch(tmp_path, "imdb_crop/01/a.jpg", "imdb_crop/01/b.jpg")
    write_mat(
        tmp_path / "imdb_crop" / "imdb.mat",
        [
            person("01/a.jpg", name="Fred Astaire"),
            person("01/b.jpg", name="", dob=JULY, gender=0.0),
        ],
    )
    assert records("imdb", tmp_path) == [
        Record("imdb_crop/01/a.jpg", "01/a.jpg", "40", gender="male", subject="Fred Astaire"),
        Record("imdb_crop/01/b.jpg", "01/b.jpg", "39", gender="female"),
    ]


@pytest.mark.parametrize(
    ("changed", "rules", "reason"),
    [
        ({"score": 1.0}, RULES, ""),
        ({"score": 0.99}, RULES, "face_score below 1"),
        ({"score": 0.99}, replace(RULES, min_face_score=-inf), ""),
        ({"score": -inf}, replace(RULES, min_face_score=-inf), "no face by its face_score"),
        ({"second": -0.5}, RULES, "second face by its second_face_score"),
        ({"second": 0.0}, replace(RULES, max_second_score=0.0), ""),
        (
            {"second": 0.1},
            replace(RULES, max_second_score=0.0),
            "second face by its second_face_score",
        ),
        ({"gender": nan}, RULES, "gender unknown"),
        ({"photo_taken": 2060}, RULES, ""),
        ({"photo_taken": 2061}, RULES, "age outside 0 to 100"),
        ({"photo_taken": 1959}, RULES, "age outside 0 to 100"),
        ({"dob": 5}, RULES, "age outside 0 to 100"),
        ({"path": "99/gone.jpg"}, RULES, "file is missing"),
    ],
)
def test_imdb_wiki_rules_leave_out(
    tmp_path: Path, changed: dict[str, Any], rules: Rules, reason: str
) -> None:
    touch(tmp_path, "00/a.jpg")
    write_mat(tmp_path / "wiki.mat", [person("00/a.jpg") | changed])
    assert [record.dropped for record in records("wiki", tmp_path, rules)] == [reason]


def test_morph2_names_hold_subject_gender_and_age(tmp_path: Path) -> None:
    touch(
        tmp_path, "Album2/009055_1M54.JPG", "Album2/012345_03F07.jpg", "Album2/cover.jpg", "a.csv"
    )
    assert records("morph2", tmp_path) == [
        Record("Album2/009055_1M54.JPG", "009055_1M54.JPG", "54", gender="male", subject="009055"),
        Record(
            "Album2/012345_03F07.jpg", "012345_03F07.jpg", "7", gender="female", subject="012345"
        ),
        Record("Album2/cover.jpg", "cover.jpg", dropped="malformed name"),
    ]


def test_megaage_asian_keeps_the_official_lists(tmp_path: Path) -> None:
    root = tmp_path / "megaage_asian"
    touch(root, "train/1.jpg", "train/2.jpg", "test/1.jpg", "list/x")
    (root / "list" / "train_name.txt").write_text("1.jpg\n2.jpg\n3.jpg\n")
    (root / "list" / "train_age.txt").write_text("25\n0\n70\n")
    (root / "list" / "test_name.txt").write_text("1.jpg\r\n")
    (root / "list" / "test_age.txt").write_text("33\r\n")
    assert records("megaage-asian", tmp_path) == [
        Record("megaage_asian/train/1.jpg", "train/1.jpg", "25", split="train"),
        Record("megaage_asian/train/2.jpg", "train/2.jpg", "0", split="train"),
        Record("", "train/3.jpg", "70", split="train", dropped="file is missing"),
        Record("megaage_asian/test/1.jpg", "test/1.jpg", "33", split="test"),
    ]
    assert FORMATS["megaage-asian"].trim == 20
    (root / "list" / "test_age.txt").write_text("33\n34\n")
    with pytest.raises(ModelError, match=r"test_name.txt has 1 lines, test_age.txt 2"):
        records("megaage-asian", tmp_path)


HEAD = (
    "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\t"
    "fiducial_yaw_angle\tfiducial_score\n"
)


def write_folds(folder: Path, rows: dict[int, list[tuple[str, str, str, str, str]]]) -> None:
    for fold in range(5):
        lines = [
            "\t".join(row) + "\t0\t414\t1086\t1383\t-115\t30\t17\n" for row in rows.get(fold, [])
        ]
        (folder / f"fold_{fold}_data.txt").write_text(HEAD + "".join(lines))


def test_adience_folds_name_album_face_and_bracket(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "aligned/30601258@N03/landmark_aligned_face.1.10399646885_o.jpg",
        "aligned/30601258@N03/coarse_tilt_aligned_face.1.10399646885_o.jpg",
        "faces/7153718@N04/coarse_tilt_aligned_face.2.11.jpg",
    )
    write_folds(
        tmp_path,
        {
            0: [
                ("30601258@N03", "10399646885_o.jpg", "1", "(25, 32)", "f"),
                ("30601258@N03", "10399646885_o.jpg", "1", "None", "f"),
                ("30601258@N03", "10399646885_o.jpg", "1", "(25, 32)", "u"),
                ("30601258@N03", "10399646885_o.jpg", "1", "(8, 23)", ""),
            ],
            4: [
                ("7153718@N04", "11.jpg", "2", "35", "m"),
                ("7153718@N04", "12.jpg", "2", "35", "m"),
            ],
        },
    )
    tail = "30601258@N03/landmark_aligned_face.1.10399646885_o.jpg"
    first = Record(
        f"aligned/{tail}",
        tail,
        age_bin="25-32",
        gender="female",
        subject="30601258@N03/1",
        fold="0",
    )
    tail = "7153718@N04/coarse_tilt_aligned_face.2.11.jpg"
    last = Record(
        f"faces/{tail}", tail, age_bin="25-32", gender="male", subject="7153718@N04/2", fold="4"
    )
    assert records("adience", tmp_path) == [
        first,
        replace(first, age_bin="", dropped="age unknown"),
        replace(first, gender="", dropped="gender unknown"),
        replace(first, age_bin="", gender="", dropped="age unknown"),
        last,
        replace(
            last,
            path="",
            file="7153718@N04/landmark_aligned_face.2.12.jpg",
            dropped="file is missing",
        ),
    ]


def test_stray_adience_ages_get_the_nearest_bracket() -> None:
    labels = {
        "0-2": "(0, 2)|2|3",
        "4-6": "(4, 6)",
        "8-12": "(8, 12)|13",
        "15-20": "(15, 20)|22",
        "25-32": "(25, 32)|(27, 32)|23|29|32|34|35",
        "38-43": "(38, 43)|(38, 42)|(38, 48)|36|42|45",
        "48-53": "(48, 53)|46|55|56",
        "60-100": "(60, 100)|57|58",
        "": "None||(8, 23)",
    }
    for bracket, row in labels.items():
        assert [adience_bracket(label) for label in row.split("|")] == [bracket] * len(
            row.split("|")
        )


def test_utkface_names_hold_age_gender_and_race(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "part1/26_0_4_20170117195713037.jpg",
        "UTKFace/1_1_0_20161219201324636.jpg.chip.jpg",
        "UTKFace/39_1_20170116174525125.jpg.chip.jpg",  # no race
        "UTKFace/61_3_0_20170109150557335.jpg",  # gender 3
        "UTKFace/53__0_20170116184028385.jpg",  # no gender
        "UTKFace/24_0_1_20170116220224657 .jpg.chip.jpg",
        "UTKFace/._24_0_1_20170116220224657.jpg",
    )
    assert [(r.file, r.age, r.gender, r.race, r.dropped) for r in records("utkface", tmp_path)] == [
        ("1_1_0_20161219201324636.jpg.chip.jpg", "1", "female", "white", ""),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", "24", "male", "black", ""),
        ("39_1_20170116174525125.jpg.chip.jpg", "", "", "", "malformed name"),
        ("53__0_20170116184028385.jpg", "", "", "", "malformed name"),
        ("61_3_0_20170109150557335.jpg", "", "", "", "malformed name"),
        ("26_0_4_20170117195713037.jpg", "26", "male", "other", ""),
    ]


def test_fgnet_names_hold_subject_and_age(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "images/001A02.JPG",
        "images/082A69b.JPG",
        "images/readme.jpg",
        "points/001a02.pts",
    )
    assert records("fgnet", tmp_path) == [
        Record("images/001A02.JPG", "001A02.JPG", "2", subject="001"),
        Record("images/082A69b.JPG", "082A69b.JPG", "69", subject="082"),
        Record("images/readme.jpg", "readme.jpg", dropped="malformed name"),
    ]


def test_aaf_lists_hold_split_and_gender(tmp_path: Path) -> None:
    root = tmp_path / "All-Age-Faces Dataset"
    touch(root, "original images/00000A02.jpg", "original images/07381A80.jpg", "image sets/x")
    touch(root, "aglined faces/00000A02.jpg")
    (root / "image sets" / "train.txt").write_text("00000A02.jpg 0\n00001A02 1\n")
    (root / "image sets" / "val.txt").write_text("07381A80\nnonsense\n")
    folder = "All-Age-Faces Dataset/original images"
    assert records("aaf", tmp_path) == [
        Record(f"{folder}/00000A02.jpg", "00000A02.jpg", "2", gender="female", split="train"),
        Record("", "00001A02.jpg", "2", gender="male", split="train", dropped="file is missing"),
        Record(f"{folder}/07381A80.jpg", "07381A80.jpg", "80", gender="male", split="test"),
        Record("", "nonsense", split="test", dropped="malformed name"),
    ]


def test_fairface_lists_hold_bin_gender_and_race(tmp_path: Path) -> None:
    touch(tmp_path, "fairface-img-margin025-trainval/train/1.jpg")
    touch(tmp_path, "fairface-img-margin025-trainval/val/1.jpg")
    head = "file,age,gender,race,service_test\n"
    (tmp_path / "fairface_label_train.csv").write_text(
        f"{head}train/1.jpg,50-59,Male,East Asian,True\ntrain/2.jpg,,Male,White,True\n"
    )
    (tmp_path / "fairface_label_val.csv").write_text(
        f"{head}val/1.jpg,more than 70,Female,Latino_Hispanic,False\n"
    )
    rows = [replace(record, path="") for record in records("fairface", tmp_path)]
    assert rows == [
        Record("", "train/1.jpg", "", "50-59", "male", "East Asian", split="train"),
        Record(
            "", "train/2.jpg", "", "", "male", "White", split="train", dropped="malformed label"
        ),
        Record("", "val/1.jpg", "", "more than 70", "female", "Latino_Hispanic", split="test"),
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("imdb", "has no imdb.mat: expected imdb.mat beside the folders 00 to 99 of imdb_crop"),
        ("megaage-asian", "has no list/train_name.txt: expected list/train_name.txt, list"),
        ("adience", "has no fold_0_data.txt: expected fold_0_data.txt to fold_4_data.txt beside"),
        ("aaf", "has no image sets/train.txt: expected"),
        ("fairface", "has no fairface_label_train.csv: expected"),
    ],
)
def test_a_missing_list_is_named_with_the_layout(tmp_path: Path, name: str, line: str) -> None:
    with pytest.raises(ModelError, match=f"^{tmp_path} {line}"):
        records(name, tmp_path)


def test_a_list_that_is_another_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "imdb.mat").write_bytes(b"no matrix" * 99)
    (tmp_path / "wiki.mat").touch()
    with pytest.raises(ModelError, match=r"wiki.mat is not a list of IMDB-WIKI: .*truncated"):
        records("wiki", tmp_path)
    with pytest.raises(ModelError, match=r"imdb.mat is not a list of IMDB-WIKI: .*") as caught:
        records("imdb", tmp_path)
    assert "\n" not in str(caught.value)
    savemat(tmp_path / "wiki.mat", {"wiki": {"dob": np.zeros((1, 1))}})
    with pytest.raises(ModelError, match=r"wiki.mat is not a list of IMDB-WIKI"):
        records("wiki", tmp_path)
    (tmp_path / "fold_0_data.txt").write_text("user_id\toriginal_image\tage\n")
    with pytest.raises(ModelError, match=r"fold_0_data.txt has no column face_id and gender"):
        records("adience", tmp_path)
    with pytest.raises(ModelError, match="neither a folder nor a zip file: expected pictures"):
        records("fgnet", tmp_path / "nowhere")

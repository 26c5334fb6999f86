"""Data sets as their authors distribute them: what each picture shows, and which ones to leave out.

Every adapter turns a source's names and lists into records and reads no picture. Lists name the
pictures by folder and file, and wherever that folder lies below the source it is found.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import inf, isfinite
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from models.datasets.labels import BRACKETS, UNREADABLE
from models.datasets.source import Record, Source
from models.errors import ModelError

UTKFACE_RACES = ("white", "black", "asian", "indian", "other")
FAIRFACE_BIN = r"\d+-\d+|more than \d+"
THEIR_VAL_TESTS = {"train": "train", "val": "test"}  # of sets that publish no test: list -> split
AAF_MEN = 7381  # the first serial number of a man
MATLAB_EPOCH = 366  # days: MATLAB counts from the year 0, Python from the year 1


@dataclass(frozen=True)
class Rules:
    """What systems ask of a picture differently."""

    min_face_score: float = 1.0  # IMDB-WIKI, of its own detector
    max_second_score: float = -inf  # IMDB-WIKI: a second face with a higher score is one too many
    one_face: bool = False  # whether our detector must find exactly one face


def imdb_wiki(source: Source, rules: Rules, name: str) -> Iterator[Record]:
    """IMDB-WIKI (Rothe et al. 2016), the crops with 40 % margin. Its struct of 1×N arrays is as in
    the README of the data set and in public loaders."""
    columns = _mat_columns(source, name)
    for path, born, taken, gender, person, score, second in zip(*columns, strict=True):
        age = _age(float(born), int(taken))
        reason = ""
        if age is None or not 0 <= age <= 100:
            reason = "age outside 0 to 100"
        elif not isfinite(gender):
            reason = "gender unknown"
        elif not isfinite(score):
            reason = "no face by its face_score"
        elif score < rules.min_face_score:
            reason = f"face_score below {rules.min_face_score:g}"
        elif second > rules.max_second_score:  # nan where there is none
            reason = "second face by its second_face_score"
        yield source.listed(
            _cell(path),
            reason,
            age="" if reason else str(age),
            gender="male" if gender == 1 else "female",
            subject=_cell(person),
        )


def _mat_columns(source: Source, name: str) -> list[np.ndarray]:
    """The columns of `name`.mat that matter, (N,) each."""
    file = f"{name}.mat"
    wanted = "full_path dob photo_taken gender name face_score second_face_score".split()
    try:
        table = loadmat(io.BytesIO(source.table(file)))[name][0, 0]
        columns = [table[column][0] for column in wanted]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its columns are not equally long")
        return columns
    except (KeyError, TypeError, IndexError, MatReadError, *UNREADABLE) as error:
        raise ModelError(f"{source.path}: {file} is not that of IMDB-WIKI: {error}") from None


def _age(born: float, taken: int) -> int | None:
    """Years on 1 July of the year `taken`; `born` is a MATLAB datenum."""
    if not isfinite(born) or born - MATLAB_EPOCH > date.max.toordinal():
        return None
    birthday = date.fromordinal(max(int(born) - MATLAB_EPOCH, 1))
    return taken - birthday.year - (birthday.month >= 7)


def _cell(cell: Any) -> str:
    """The text in a cell of a .mat, "" of an empty one."""
    return str(np.ravel(cell)[0]) if np.size(cell) else ""


def morph2(source: Source, rules: Rules) -> Iterator[Record]:
    """MORPH album 2 (Ricanek and Tesafaye 2006): 009055_1M54.JPG is picture 1 of subject 009055, a
    man of 54. From public loaders; the set itself was not at hand."""
    genders = {"M": "male", "F": "female"}
    for path, file, name in source.matches(r"(\d+)_\d+([MF])(\d\d)\.jpe?g"):
        if name:
            subject, gender, age = name.groups()
            gender = genders[gender.upper()]
            yield Record(path, file, str(int(age)), gender=gender, subject=subject)
        else:
            yield Record(path, file, dropped="malformed name")


def megaage_asian(source: Source, rules: Rules) -> Iterator[Record]:
    """MegaAge-Asian (Zhang et al. 2017): train/ and test/, and list/ with a name and an age a line.
    A tenth of its train becomes val. From public loaders; the set itself was not at hand."""
    for split in ("train", "test"):
        files, ages = (source.lines(f"list/{split}_{kind}.txt") for kind in ("name", "age"))
        if len(files) != len(ages):
            raise ModelError(
                f"{source.path}: list/{split}_name.txt has {len(files)} lines, "
                f"{split}_age.txt {len(ages)}"
            )
        for file, age in zip(files, ages, strict=True):
            if re.fullmatch(r"\d{1,2}(\.0*)?", age):
                yield source.listed(f"{split}/{file}", age=str(int(float(age))), split=split)
            else:
                yield source.listed(f"{split}/{file}", "age unknown", split=split)


def adience(source: Source, rules: Rules) -> Iterator[Record]:
    """Adience (Eidinger, Enbar and Hassner 2014): five lists, and below a folder for every album
    landmark_aligned_face.FACE.NAME or coarse_tilt_aligned_face.FACE.NAME. From public loaders; that
    a face's number stands for a person is read off their lists."""
    genders = {"m": "male", "f": "female"}
    columns = {"user_id", "original_image", "face_id", "age", "gender"}
    for fold in range(5):
        for row in source.rows(f"fold_{fold}_data.txt", columns, "\t"):
            end = f"aligned_face.{row['face_id']}.{row['original_image']}"
            tails = [f"{row['user_id']}/{kind}_{end}" for kind in ("landmark", "coarse_tilt")]
            tail = next(filter(source.place, tails), tails[0])
            bracket, gender = adience_bracket(row["age"]), genders.get(row["gender"].strip(), "")
            yield source.listed(
                tail,
                "" if bracket and gender else "gender unknown" if bracket else "age unknown",
                age_bin=bracket,
                gender=gender,
                subject=f"{row['user_id']}/{row['face_id']}",
                fold=str(fold),
            )


def adience_bracket(label: str) -> str:
    """The bracket of a label, "" if none: "(25, 32)" -> "25-32". A stray range is that of the
    bracket with more than half of its years, a stray age that of the nearest, of two as near the
    younger: "(38, 42)" and "36" -> "38-43", "13" -> "8-12", "35" -> "25-32", "(8, 23)" -> ""."""
    ends = [int(end) for end in re.findall(r"\d+", label)]
    if len(ends) == 2:
        low, high = ends
        shared = [min(high, b) - max(low, a) + 1 for a, b in BRACKETS]
        half = (high - low + 1) / 2
        found = [pair for pair, years in zip(BRACKETS, shared, strict=True) if years > half]
    else:
        found = [min(BRACKETS, key=lambda pair: max(pair[0] - age, age - pair[1])) for age in ends]
    return "{}-{}".format(*found[0]) if found else ""


def utkface(source: Source, rules: Rules) -> Iterator[Record]:
    """UTKFace (Zhang, Song and Qi 2017): 26_0_4_20170117195713037.jpg is a man of 26 of race 4; the
    aligned pictures have another .chip.jpg behind."""
    for path, file, name in source.matches(r"(\d{1,3})_([01])_([0-4])_\d+ ?\.jpg(\.chip\.jpg)?"):
        if name and int(name[1]) <= 116:
            gender, race = ("male", "female")[int(name[2])], UTKFACE_RACES[int(name[3])]
            yield Record(path, file, str(int(name[1])), gender=gender, race=race)
        else:
            yield Record(path, file, dropped="malformed name")


def fgnet(source: Source, rules: Rules) -> Iterator[Record]:
    """FG-NET (Lanitis 2004): 001A43a.JPG is subject 001 at 43. From public loaders."""
    for path, file, name in source.matches(r"(\d{3})A(\d{2})[A-Z]?\.jpe?g"):
        if name:
            yield Record(path, file, str(int(name[2])), subject=name[1])
        else:
            yield Record(path, file, dropped="malformed name")


def aaf(source: Source, rules: Rules) -> Iterator[Record]:
    """All-Age-Faces (Cheng et al. 2019), as in its README: "image sets/train.txt" and val.txt name
    a picture and 0 for a woman, 1 for a man; 00000A02.jpg is the woman 00000 at 2. Its val is the
    test here, and a tenth of its train becomes val."""
    for part, split in THEIR_VAL_TESTS.items():
        for line in source.lines(f"image sets/{part}.txt"):
            name = re.match(r"(\d{5})A(\d{2})(\.jpg)?(\s+[01])?\s*$", line, re.IGNORECASE)
            if name is None:
                yield Record("", line, split=split, dropped="malformed name")
                continue
            gender = int(name[4]) if name[4] else int(name[1]) >= AAF_MEN
            file = f"{name[1]}A{name[2]}.jpg"
            yield source.listed(
                f"original images/{file}",
                file=file,
                age=str(int(name[2])),
                gender="male" if gender else "female",
                split=split,
            )


def fairface(source: Source, rules: Rules) -> Iterator[Record]:
    """FairFace (Kärkkäinen and Joo 2021): a list for train/ and one for val/, the age as one of
    nine bins, as in its README. Its val is the test here, and a tenth of its train becomes val."""
    for part, split in THEIR_VAL_TESTS.items():
        columns = {"file", "age", "gender", "race"}
        for row in source.rows(f"fairface_label_{part}.csv", columns):
            gender = row["gender"].lower()
            known = gender in ("male", "female") and re.fullmatch(FAIRFACE_BIN, row["age"])
            yield source.listed(
                row["file"],
                "" if known else "malformed label",
                age_bin=row["age"],
                gender=gender,
                race=row["race"],
                split=split,
            )


@dataclass(frozen=True)
class Original:
    """A data set: how its records are read, and how it lies on disk."""

    records: Callable[[Source, Rules], Iterator[Record]]
    layout: str
    one_face: bool = False
    trim: int = 0  # rows of every picture, at the top and at the bottom


ORIGINALS = {
    "imdb": Original(
        partial(imdb_wiki, name="imdb"), "imdb.mat beside the folders 00 to 99 of imdb_crop"
    ),
    "wiki": Original(
        partial(imdb_wiki, name="wiki"), "wiki.mat beside the folders 00 to 99 of wiki_crop"
    ),
    "morph2": Original(morph2, "pictures named like 009055_1M54.JPG", one_face=True),
    "megaage-asian": Original(
        megaage_asian,
        "list/train_name.txt, list/train_age.txt and train/1.jpg, the same for test",
        trim=20,
    ),
    "adience": Original(
        adience,
        "fold_0_data.txt to fold_4_data.txt beside aligned/ALBUM/landmark_aligned_face.1.NAME.jpg "
        "or faces/ALBUM/coarse_tilt_aligned_face.1.NAME.jpg",
    ),
    "utkface": Original(utkface, "pictures named like 26_0_4_20170117195713037.jpg"),
    "fgnet": Original(fgnet, "pictures named like 001A43a.JPG"),
    "aaf": Original(
        aaf, '"image sets/train.txt", "image sets/val.txt" and "original images/00000A02.jpg"'
    ),
    "fairface": Original(
        fairface,
        "fairface_label_train.csv and fairface_label_val.csv beside train/1.jpg and val/1.jpg",
    ),
}

"""The formats in which authors distribute data sets: labels of every picture, and pictures to drop.

Each adapter turns file names and lists into records; it reads no picture. Lists name a picture as
"folder/file"; that folder may be at any depth below the source.
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

from models.datasets.adience import adience_bracket
from models.datasets.labels import UNREADABLE
from models.datasets.source import Record, Source
from models.errors import ModelError

UTKFACE_RACES = ("white", "black", "asian", "indian", "other")
FAIRFACE_BIN = r"\d+-\d+|more than \d+"
SPLIT_OF_LIST = {"train": "train", "val": "test"}  # of data sets that publish no test split
AAF_MEN = 7381  # serial number of the first man
MATLAB_EPOCH = 366  # days: MATLAB counts from year 0, Python from year 1


@dataclass(frozen=True)
class Rules:
    """Filters that papers set differently. The field names are part of report.json."""

    min_face_score: float = 1.0  # IMDB-WIKI: score of its own detector
    max_second_score: float = -inf  # IMDB-WIKI: drop a picture whose second face scores higher
    one_face: bool = False  # drop a picture unless our detector finds exactly one face


def imdb_wiki(source: Source, rules: Rules, name: str) -> Iterator[Record]:
    """IMDB-WIKI (Rothe et al. 2016), crops with a margin of 40 %; `name` is "imdb" or "wiki". The
    struct of 1×N arrays follows the data set's README and public loaders."""
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
        elif second > rules.max_second_score:  # nan: no second face
            reason = "second face by its second_face_score"
        yield source.listed(
            _cell(path),
            reason,
            age="" if reason else str(age),
            gender="male" if gender == 1 else "female",
            subject=_cell(person),
        )


def _mat_columns(source: Source, name: str) -> list[np.ndarray]:
    """The seven columns of `name`.mat that labels need, (N,) each. Raises ModelError."""
    file = f"{name}.mat"
    needed = "full_path dob photo_taken gender name face_score second_face_score".split()
    try:
        table = loadmat(io.BytesIO(source.table(file)))[name][0, 0]
        columns = [table[column][0] for column in needed]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its columns differ in length")
        return columns
    except (KeyError, TypeError, IndexError, MatReadError, *UNREADABLE) as error:
        raise ModelError(f"{source.path}: {file} is not a list of IMDB-WIKI: {error}") from None


def _age(born: float, taken: int) -> int | None:
    """Age in years on 1 July of the year `taken`, or None if `born`, a MATLAB datenum, is not a
    date."""
    if not isfinite(born) or born - MATLAB_EPOCH > date.max.toordinal():
        return None
    birthday = date.fromordinal(max(int(born) - MATLAB_EPOCH, 1))
    return taken - birthday.year - (birthday.month >= 7)


def _cell(cell: Any) -> str:
    """The text in a cell of a .mat file, "" if the cell is empty."""
    return str(np.ravel(cell)[0]) if np.size(cell) else ""


def morph2(source: Source, rules: Rules) -> Iterator[Record]:
    """MORPH album 2 (Ricanek and Tesafaye 2006): 009055_1M54.JPG is picture 1 of subject 009055, a
    man of 54. Follows public loaders; not tested on the data set itself."""
    genders = {"M": "male", "F": "female"}
    for path, file, name in source.matches(r"(\d+)_\d+([MF])(\d\d)\.jpe?g"):
        if name:
            subject, gender, age = name.groups()
            gender = genders[gender.upper()]
            yield Record(path, file, str(int(age)), gender=gender, subject=subject)
        else:
            yield Record(path, file, dropped="malformed name")


def megaage_asian(source: Source, rules: Rules) -> Iterator[Record]:
    """MegaAge-Asian (Zhang et al. 2017): train/, test/ and list/ with one name or age per line. A
    tenth of train becomes val. Follows public loaders; not tested on the data set itself."""
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
    """Adience (Eidinger, Enbar and Hassner 2014): five lists, and one folder per album with
    landmark_aligned_face.FACE.NAME or coarse_tilt_aligned_face.FACE.NAME. Follows public loaders; a
    face's number identifies a person, which the lists suggest."""
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


def utkface(source: Source, rules: Rules) -> Iterator[Record]:
    """UTKFace (Zhang, Song and Qi 2017): 26_0_4_20170117195713037.jpg is a man of 26 of race 4;
    names of aligned pictures end in .jpg.chip.jpg."""
    for path, file, name in source.matches(r"(\d{1,3})_([01])_([0-4])_\d+ ?\.jpg(\.chip\.jpg)?"):
        if name and int(name[1]) <= 116:
            gender, race = ("male", "female")[int(name[2])], UTKFACE_RACES[int(name[3])]
            yield Record(path, file, str(int(name[1])), gender=gender, race=race)
        else:
            yield Record(path, file, dropped="malformed name")


def fgnet(source: Source, rules: Rules) -> Iterator[Record]:
    """FG-NET (Lanitis 2004): 001A43a.JPG is subject 001 at 43. Follows public loaders."""
    for path, file, name in source.matches(r"(\d{3})A(\d{2})[A-Z]?\.jpe?g"):
        if name:
            yield Record(path, file, str(int(name[2])), subject=name[1])
        else:
            yield Record(path, file, dropped="malformed name")


def aaf(source: Source, rules: Rules) -> Iterator[Record]:
    """All-Age-Faces (Cheng et al. 2019), after its README: "image sets/train.txt" and val.txt name
    a picture and 0 for a woman, 1 for a man; 00000A02.jpg is the woman 00000 at 2. The authors' val
    becomes test, and a tenth of their train becomes val."""
    for part, split in SPLIT_OF_LIST.items():
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
    """FairFace (Kärkkäinen and Joo 2021), after its README: a list for train/ and one for val/,
    ages in nine bins. The authors' val becomes test, and a tenth of their train becomes val."""
    for part, split in SPLIT_OF_LIST.items():
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
class Format:
    """How a data set is distributed: the adapter of its records, and its layout on disk."""

    records: Callable[[Source, Rules], Iterator[Record]]
    layout: str  # for error lines
    one_face: bool = False  # as in Rules
    trim: int = 0  # pixel rows to remove from every picture, at the top and at the bottom


FORMATS = {
    "imdb": Format(
        partial(imdb_wiki, name="imdb"), "imdb.mat beside the folders 00 to 99 of imdb_crop"
    ),
    "wiki": Format(
        partial(imdb_wiki, name="wiki"), "wiki.mat beside the folders 00 to 99 of wiki_crop"
    ),
    "morph2": Format(morph2, "pictures named like 009055_1M54.JPG", one_face=True),
    "megaage-asian": Format(
        megaage_asian,
        "list/train_name.txt, list/train_age.txt and train/1.jpg, the same for test",
        trim=20,
    ),
    "adience": Format(
        adience,
        "fold_0_data.txt to fold_4_data.txt beside aligned/ALBUM/landmark_aligned_face.1.NAME.jpg "
        "or faces/ALBUM/coarse_tilt_aligned_face.1.NAME.jpg",
    ),
    "utkface": Format(utkface, "pictures named like 26_0_4_20170117195713037.jpg"),
    "fgnet": Format(fgnet, "pictures named like 001A43a.JPG"),
    "aaf": Format(
        aaf, '"image sets/train.txt", "image sets/val.txt" and "original images/00000A02.jpg"'
    ),
    "fairface": Format(
        fairface,
        "fairface_label_train.csv and fairface_label_val.csv beside train/1.jpg and val/1.jpg",
    ),
}

"""Folds of cross-validation protocols."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.datasets.chips import Chips
from models.datasets.labels import Pictures
from models.errors import ModelError
from models.training.protocols import draw_val, folds

ROWS = np.arange(40)


def people(chips: Chips, rows: np.ndarray) -> set[str]:
    return set(chips.subjects[rows])


@pytest.mark.parametrize(("protocol", "count"), [("adience-5fold", 5), ("kfold", 4), ("lopo", 10)])
def test_folds_test_every_face_once_and_share_none(faces: Chips, protocol: str, count: int) -> None:
    found = list(folds(protocol, faces, ROWS, 4, seed=1))
    assert len(found) == count
    assert sorted(np.concatenate([fold.test for fold in found])) == ROWS.tolist()
    for fold in found:
        parts = np.concatenate([fold.train, fold.val, fold.test])
        assert sorted(parts) == ROWS.tolist()
        assert not people(faces, fold.train) & people(faces, fold.val)
        if protocol != "kfold":
            assert not people(faces, fold.test) & people(faces, np.r_[fold.train, fold.val])


def test_adiences_folds_are_those_of_the_labels(faces: Chips) -> None:
    fold = next(iter(folds("adience-5fold", faces, ROWS, 10, seed=1)))
    assert (fold.name, fold.test.tolist()) == ("0", [0, 1, 2, 3, 4, 5, 6, 7])


def test_val_is_a_tenth_of_the_people_with_all_their_pictures(faces: Chips) -> None:
    assert len(draw_val(faces, ROWS, 1)) == 4  # one of ten people
    alone = replace(faces, subjects=np.full(40, ""))
    assert len(draw_val(alone, ROWS, 1)) == 4  # of pictures
    assert draw_val(alone, ROWS, 1).tolist() != draw_val(alone, ROWS, 2).tolist()


def test_labels_that_lack_what_a_protocol_needs_are_refused(faces: Chips) -> None:
    unknown = replace(faces, subjects=np.full(40, ""), folds=np.full(40, -1))
    for protocol, missing in (("adience-5fold", "a fold"), ("lopo", "a subject")):
        with pytest.raises(ModelError, match=missing):
            next(folds(protocol, unknown, ROWS, 10, 1))
    with pytest.raises(ModelError, match="--k 41"):
        next(folds("kfold", faces, ROWS, 41, 1))


def test_subject_and_fold_are_read_where_labels_have_them(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,split,age_bin,subject,fold\na.jpg,test,25-32,anne,3\nb.jpg,test,,,\n")
    first, second = Pictures(tmp_path).samples
    assert (first.age_low, first.age_high, first.subject, first.fold) == (25, 33, "anne", 3)
    assert (second.subject, second.fold) == ("", None)
    table.write_text("file,split,fold\na.jpg,test,x\n")
    with pytest.raises(ModelError, match="line 2: fold 'x'"):
        Pictures(tmp_path)


def test_a_person_in_two_folds_is_named(faces: Chips) -> None:
    subjects = faces.subjects.copy()
    subjects[-1] = "p0"
    with pytest.raises(ModelError, match="p0 is in more than one fold"):
        list(folds("adience-5fold", replace(faces, subjects=subjects), np.arange(40), 5, 1))

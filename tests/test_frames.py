from dataclasses import replace

import numpy as np
import pytest

from demo.frames import Faces


def faces(count: int) -> Faces:
    boxes = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    points = np.zeros((count, 5, 2), np.float32)
    return Faces.detected(boxes, np.linspace(1, 0, count, dtype=np.float32), points)


def test_detected_faces_have_no_id_age_or_gender():
    found = faces(2)
    assert found.ids.tolist() == [-1, -1]
    assert np.isnan(found.ages).all()
    assert np.isnan(found.male_probs).all()


def test_a_mask_keeps_rows_of_every_column_in_order():
    kept = replace(faces(3), ids=np.array([7, 8, 9]))[np.array([True, False, True])]
    assert kept.ids.tolist() == [7, 9]
    assert kept.boxes.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]


def test_no_face_is_an_ordinary_value():
    assert len(faces(0)) == 0
    assert len(faces(0)[np.zeros(0, bool)]) == 0


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="different length"):
        replace(faces(2), ids=np.array([1]))

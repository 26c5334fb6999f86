from dataclasses import replace

import numpy as np

from demo.frames import Faces, Frame
from demo.records import CSV_COLUMNS, csv_rows, face_records, frame_record


def two_faces() -> Faces:
    """A person, and a face with the detector's columns alone."""
    found = Faces.detected(
        np.array([[1, 2, 30.04, 40], [5, 6, 7, 8]], np.float32),
        np.array([0.99, 0.9], np.float32),
        np.zeros((2, 5, 2), np.float32),
    )
    return replace(
        found,
        ids=np.array([3, -1]),
        ages=np.array([31.256, np.nan], np.float32),
        male_probs=np.array([0.25, np.nan], np.float32),
        age_low=np.array([24.5, np.nan], np.float32),
        age_high=np.array([40.0, np.nan], np.float32),
    )


FRAME = Frame(np.zeros((4, 4, 3), np.uint8), 7, 0.28004, "clip")


def test_a_face_is_a_dict_of_plain_rounded_values():
    person, unknown = face_records(two_faces())
    assert person == {
        "id": 3,
        "box": [1.0, 2.0, 30.0, 40.0],
        "score": 0.99,
        "age": 31.26,
        "age_low": 24.5,
        "age_high": 40.0,
        "male": 0.25,
    }
    assert [type(value) for value in person.values()] == [int, list, *[float] * 5]
    assert [unknown[name] for name in ("age", "age_low", "age_high", "male")] == [None] * 4


def test_a_frame_is_a_dict_of_its_faces():
    record = frame_record(FRAME, two_faces())
    assert list(record) == ["source", "frame", "time", "shot", "faces"]
    assert (record["source"], record["frame"], record["time"]) == ("clip", 7, 0.28)
    assert record["faces"] == face_records(two_faces())
    assert frame_record(FRAME, two_faces()[:0])["faces"] == []


def test_a_row_per_face_has_the_columns_of_the_csv_log():
    rows = csv_rows(FRAME, two_faces())
    assert " ".join(CSV_COLUMNS) == (
        "source frame time id x1 y1 x2 y2 score age age_low age_high male shot"
    )
    assert rows == [
        ["clip", 7, 0.28, 3, 1.0, 2.0, 30.0, 40.0, 0.99, 31.26, 24.5, 40.0, 0.25, 1],
        ["clip", 7, 0.28, -1, 5.0, 6.0, 7.0, 8.0, 0.9, None, None, None, None, 1],
    ]

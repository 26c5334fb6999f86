import csv
import io
import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest

from demo.errors import UserError
from demo.frames import Frame, Timing
from demo.records import CSV_COLUMNS
from demo.sinks.log import Log
from tests.test_records import two_faces

TIMING = Timing(5.0, math.nan)


def frame(index: int) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), index, index / 10, "clip")


def test_a_json_log_has_one_object_a_frame(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(frame(0), two_faces(), TIMING)
        log.write(frame(1), two_faces()[:0], TIMING)
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "source": "clip",
        "frame": 0,
        "time": 0.0,
        "shot": 1,
        "faces": [
            {"id": 3, "box": [1.0, 2.0, 30.0, 40.0], "score": 0.99}
            | {"age": 31.26, "age_low": 24.5, "age_high": 40.0, "male": 0.25},
            {"id": -1, "box": [5.0, 6.0, 7.0, 8.0], "score": 0.9}
            | {"age": None, "age_low": None, "age_high": None, "male": None},
        ],
    }
    assert second == {"source": "clip", "frame": 1, "time": 0.1, "shot": 1, "faces": []}


def test_a_csv_log_has_one_row_a_face(tmp_path):
    path = tmp_path / "log.csv"
    with Log(path) as log:
        log.write(frame(0), two_faces(), TIMING)
    header, *rows = csv.reader(path.open())
    assert header == CSV_COLUMNS
    assert rows[0] == "clip 0 0.0 3 1.0 2.0 30.0 40.0 0.99 31.26 24.5 40.0 0.25 1".split()
    unknown = [*[""] * 4, "1"]
    assert rows[1] == ["clip", "0", "0.0", "-1", "5.0", "6.0", "7.0", "8.0", "0.9", *unknown]


def test_a_log_is_complete_to_the_last_frame_while_it_is_written(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for k in range(3):
            log.write(frame(k), two_faces(), TIMING)
            assert len(path.read_text().splitlines()) == k + 1


def test_before_the_first_frame_no_file_is_touched(tmp_path):
    path = tmp_path / "log.csv"
    with Log(path) as log:
        assert not log.written
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("x.log", r"must end in \.csv, \.jsonl"), ("none/x.csv", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, complaint):
    with pytest.raises(UserError, match=complaint):
        Log(tmp_path / name)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot log to .*No space left"), Log(path) as log:
        log.write(frame(0), two_faces(), TIMING)


@pytest.mark.parametrize("name", ["=1+1.jpg", "+1.jpg", "-2+3.jpg", "@a.jpg", "\t=1.jpg"])
def test_a_name_that_a_spreadsheet_would_run_is_shown_as_text(tmp_path, name):
    photo = replace(frame(0), source=name)
    for suffix in ("csv", "jsonl"):
        with Log(tmp_path / f"log.{suffix}") as log:
            log.write(photo, two_faces(), TIMING)
    text = (tmp_path / "log.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["source"] for row in rows] == [f"'{name}"] * 2
    assert [row["id"] for row in rows] == ["3", "-1"]
    assert json.loads((tmp_path / "log.jsonl").read_text())["source"] == name

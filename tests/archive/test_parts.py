import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from demo.archive import parts
from demo.archive.parts import PartWriter
from demo.archive.schema import FACES, PEOPLE, SCHEMA_VERSION
from demo.frames import Faces, Frame
from demo.records import CSV_COLUMNS, csv_rows
from tests.sinks.sessions import BLANK, faces


def ranged(*rows: tuple[int, float, float]) -> Faces:
    found = faces(*rows)
    return replace(found, age_low=found.ages - 5, age_high=found.ages + 6)


def test_rows_of_faces_are_those_of_the_log(tmp_path):
    seen = [ranged((1, 30.123, 0.25), (-1, np.nan, np.nan)), ranged(), ranged((2, 8, 0.9))]
    frames = [Frame(BLANK, k, k / 3, "a.mp4", shot=1 + k) for k in range(3)]
    with PartWriter(tmp_path, False, {"agestream.job": "key"}) as writer:
        for frame, each in zip(frames, seen, strict=True):
            writer.write(frame, each)
    table = parquet.read_table(tmp_path / "faces.parquet")
    assert table.column_names == CSV_COLUMNS == list(FACES)
    logged = [row for f, s in zip(frames, seen, strict=True) for row in csv_rows(f, s)]
    assert [list(row.values()) for row in table.to_pylist()] == logged
    assert table.schema.metadata == {
        b"agestream.schema": str(SCHEMA_VERSION).encode(),
        b"agestream.job": b"key",
    }


def test_rows_of_people_are_a_calculation_by_hand(tmp_path):
    # 1 in all four frames at 0, 0.5, 3 and 3.5 s, 2 in the second one alone
    with PartWriter(tmp_path, False, {}) as writer:
        for second, *rows in (
            (0.0, (1, 30, 0.2), (-1, 9, 0.1)),
            (0.5, (1, 31, 0.2), (2, np.nan, np.nan)),
            (3.0, (1, 32.126, 0.24)),
            (3.5, (1, np.nan, np.nan)),
        ):
            writer.write(Frame(BLANK, 0, second, "a.mp4"), ranged(*rows))
    table = parquet.read_table(tmp_path / "people.parquet")
    assert table.column_names == list(PEOPLE)
    one = ["a.mp4", 1, 0.0, 3.5, 0.5 + 1.0 + 0.5 + 0.5, 4, 32.13, 27.1, 38.1, 0.24, "female"]
    two = ["a.mp4", 2, 0.5, 0.5, 1.0, 1, None, None, None, None, "unknown"]
    assert [list(row.values()) for row in table.to_pylist()] == [one, two]


def test_photos_have_faces_and_no_people(tmp_path):
    with PartWriter(tmp_path, True, {}) as writer:
        writer.write(Frame(BLANK, 7, 0.0, "p/\udcfc.jpg"), ranged((1, 30, 0.2)))
    assert parquet.read_table(tmp_path / "people.parquet").num_rows == 0
    table = parquet.read_table(tmp_path / "faces.parquet")
    assert table["source"].to_pylist() == ["p/\\udcfc.jpg"]  # as in the log


@pytest.mark.parametrize("rows", [0, 5])
def test_rows_are_written_in_groups_and_none_is_a_part_too(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(parts, "ROWS", 2)
    with PartWriter(tmp_path, False, {}) as writer:
        for k in range(rows):
            writer.write(Frame(BLANK, k, k / 2, "a"), ranged((1, 30, 0.2)))
    file = parquet.ParquetFile(tmp_path / "faces.parquet")
    assert (file.metadata.num_rows, file.num_row_groups) == (rows, math.ceil(rows / 2))
    assert writer.faces == rows

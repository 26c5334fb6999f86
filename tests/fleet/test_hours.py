import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from demo.errors import UserError
from demo.fleet.hours import HourFiles, claim_part
from demo.fleet.people import HourPeople
from demo.fleet.rows import RowStore, hour_of
from demo.fleet.schema import FLEET_FACES, FLEET_PEOPLE
from demo.frames import Faces, Frame

IMAGE = np.zeros((4, 6, 3), np.uint8)


def faces(*ids: int, age: float = 30.0) -> Faces:
    count = len(ids)
    values = np.full(count, age, np.float32)
    return Faces(
        np.tile(np.array([1, 2, 3, 4], np.float32), (count, 1)),
        np.full(count, 0.5, np.float32),
        np.zeros((count, 5, 2), np.float32),
        np.array(ids, np.int64),
        values,
        np.full(count, 0.25, np.float32),
        values - 10,
        values + 10,
    )


def read(path: Path) -> list[dict]:
    return parquet.read_table(path).to_pylist()


def test_no_part_number_is_given_twice(tmp_path: Path) -> None:
    assert [claim_part(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["3"]


def test_an_hour_grows_in_one_file_that_is_always_whole(tmp_path: Path) -> None:
    files = HourFiles(tmp_path, "faces", {"part": "int64"}, 7)
    files.append("2026-11-27T14", [[1], [2]])
    with files.path("2026-11-27T14").open("rb") as before:
        files.append("2026-11-27T14", [[3]])
        assert parquet.read_table(before).to_pylist() == [{"part": 1}, {"part": 2}]
    path = tmp_path / "faces" / "2026-11-27T14.00007.parquet"
    assert [row["part"] for row in read(path)] == [1, 2, 3]
    assert parquet.read_schema(path).metadata[b"agestream.schema"] == b"1"


def test_what_a_killed_process_left_unfinished_is_removed_and_never_visible(tmp_path: Path) -> None:
    HourFiles(tmp_path, "faces", {"part": "int64"}, 1)
    left = tmp_path / ".unfinished" / "faces.2026-11-27T14.00001.parquet"
    newer = tmp_path / ".unfinished" / "faces.2026-11-27T14.00003.parquet"
    for path in (left, newer):
        path.write_bytes(b"PAR1")
    HourFiles(tmp_path, "faces", {"part": "int64"}, 2)
    assert (left.exists(), newer.exists()) == (False, True)
    assert not list((tmp_path / "faces").iterdir())


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    files = HourFiles(tmp_path, "faces", {"part": "int64"}, 1)
    files.append("2026-11-27T14", [[1]])
    with pytest.raises(ValueError, match="Could not convert"):
        files.append("2026-11-27T14", [["x"]])
    assert read(files.path("2026-11-27T14")) == [{"part": 1}]
    assert not list((tmp_path / ".unfinished").iterdir())


def test_a_person_belongs_to_the_hour_of_the_first_frame() -> None:
    people = HourPeople()
    people.add(faces(1, age=30), 10.0, 7199.0, "1970-01-01T01")
    people.add(faces(1, 2, age=31), 10.5, 7200.5, "1970-01-01T02")
    people.add(faces(2, -1, age=32), 11.5, 7201.5, "1970-01-01T02")
    rows = people.take("1970-01-01T02", "door", 3)
    assert list(rows) == ["1970-01-01T01", "1970-01-01T02"]
    first, second = (
        [dict(zip(FLEET_PEOPLE, row, strict=True)) for row in r] for r in rows.values()
    )
    assert first == [
        {
            **{"source": "door", "id": 1, "first_seen": 10.0, "last_seen": 10.5, "seconds": 1.5},
            **{"frames": 2, "age": 31.0, "age_low": 21.0, "age_high": 41.0, "male": 0.25},
            **{"gender": "female", "first_moment": 7199000, "last_moment": 7200500, "part": 3},
        }
    ]
    assert [(row["id"], row["frames"], row["seconds"]) for row in second] == [(2, 2, 1.0)]
    assert (people.count, people.in_view) == (2, 1)


def test_only_hours_that_changed_are_written_again_and_old_ones_forgotten() -> None:
    people = HourPeople()
    people.add(faces(1), 0.0, 0.0, "a")
    assert list(people.take("a", "door", 1)) == ["a"]
    people.add(faces(2), 70.0, 70.0, "b")
    assert list(people.take("b", "door", 1)) == ["a", "b"]  # the last second of the first person
    people.add(faces(2), 71.0, 71.0, "b")
    assert list(people.take("b", "door", 1)) == ["b"]
    people.add(faces(1), 72.0, 72.0, "b")  # the number again: another row, in this hour
    rows = people.take("b", "door", 1)
    assert [[row[1] for row in each] for each in rows.values()] == [[2, 1]]


def test_rows_are_those_of_the_log_with_clock_and_part(tmp_path: Path) -> None:
    now, wall = time.monotonic(), time.time()
    with RowStore(tmp_path, 4) as store:
        store.write(Frame(IMAGE, 5, 1.5, "door", now - 1.0), faces(1, 2))
        store.write(Frame(IMAGE, 6, 1.6, "door", now), faces())
    (path,) = (tmp_path / "faces").iterdir()
    assert path.name == f"{hour_of(wall - 1.0)}.00004.parquet"
    first, second = read(path)
    assert list(first) == list(FLEET_FACES)
    assert abs((first["moment"] - datetime.fromtimestamp(wall - 1.0, UTC)).total_seconds()) < 0.1
    assert (first["id"], second["id"], first["frame"], first["part"]) == (1, 2, 5, 4)
    assert (first["x2"], first["age"], first["male"], first["age_high"]) == (3.0, 30.0, 0.25, 40.0)


def test_rows_are_on_disk_soon_though_no_further_frame_comes(tmp_path: Path) -> None:
    with RowStore(tmp_path, 1, flush_seconds=0.1) as store:
        store.write(Frame(IMAGE, 0, 0.0, "door", time.monotonic()), faces(1))
        end = time.monotonic() + 10
        while not list((tmp_path / "people").iterdir()):
            assert time.monotonic() < end
            time.sleep(0.02)
        (path,) = (tmp_path / "faces").iterdir()
        assert len(read(path)) == 1
        store.write(Frame(IMAGE, 1, 0.04, "door", time.monotonic()), faces(1))
    rows = [row["frame"] for each in (tmp_path / "faces").iterdir() for row in read(each)]
    assert rows == [0, 1]


def test_a_folder_that_vanishes_ends_the_run_with_a_line(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "door", 1)
    (tmp_path / "door" / ".unfinished").rmdir()
    store.write(Frame(IMAGE, 0, 0.0, "door", time.monotonic()), faces(1))
    with pytest.raises(UserError, match=r"cannot write to .*door: .*No such file"), store:
        pass


def test_a_long_name_of_an_hour_sorts_as_time_does() -> None:
    assert hour_of(3599.9) == "1970-01-01T00"
    assert hour_of(1795788000.0) == "2026-11-27T14"

import multiprocessing
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from demo.errors import UserError
from demo.frames import Timing
from demo.history import store as module
from demo.history.schema import APPLICATION_ID, VERSION, open_to_read, open_to_write
from demo.history.store import MAX_WAITING, VisitStore
from tests.history.made import NOON, Clock, frame, ranged, rows

TIMING = Timing(5.0, 20.0)
ANNA, BEN = (1, 34.5, 0.1), (2, 61.0, 0.9)
VISITS = "SELECT source, first_seen, last_seen, seconds, frames, gender FROM visits ORDER BY id"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the stores of this test, which look at new frames at once."""
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.005)
    return made


def show(store: VisitStore, clock: Clock, seconds: float, *people: tuple) -> None:
    """Let a store see people at some moment of a camera."""
    clock.now = seconds
    store.write(frame(seconds), ranged(*people), TIMING)


def eventually(path, query: str, expected: list[tuple]) -> None:
    """Wait until a query gives the expected rows."""
    end = time.monotonic() + 10
    while (found := rows(path, query)) != expected and time.monotonic() < end:
        time.sleep(0.005)
    assert found == expected


def test_a_run_leaves_its_visits_and_minutes_in_a_single_file(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path, dropped=lambda source: 4) as store:
        for k in range(30):
            show(store, clock, k / 10, *([ANNA, BEN] if k < 10 else [ANNA]))
    assert [file.name for file in tmp_path.iterdir()] == ["visits.db"]
    assert rows(path, VISITS) == [
        ("0", NOON, NOON + 2.9, 3.0, 30, "female"),
        ("0", NOON, NOON + 0.9, 1.0, 10, "male"),
    ]
    minute = "SELECT minute, frames, dropped, busiest, people, female_30, male_60 FROM minutes"
    assert rows(path, minute) == [(NOON, 30, 4, 2, 2, 1, 1)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]


def test_a_later_run_continues_the_database(tmp_path, clock):
    path = tmp_path / "visits.db"
    for start in (0, 20):
        with VisitStore(path) as store:
            show(store, clock, start, ANNA)
            show(store, clock, start + 1, ANNA, BEN)
    assert rows(path, "SELECT id, first_seen FROM visits") == [
        *((1, NOON), (2, NOON + 1)),
        *((3, NOON + 20), (4, NOON + 21)),
    ]
    minutes = rows(path, "SELECT minute, frames, busiest, people, female_30 FROM minutes")
    assert minutes == [(NOON, 4, 2, 4, 2)]  # both runs were within the same minute


def test_the_frames_of_a_file_count_from_when_they_were_read(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        for k in range(3):
            clock.now = 100 + k / 10
            store.write(frame(float(k), "a.mp4", live=False), ranged(ANNA), TIMING)
    assert rows(path, VISITS) == [("a.mp4", NOON + 100, NOON + 100.2, 3.0, 3, "female")]


def test_who_left_is_written_while_the_run_goes_on(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        show(store, clock, 0.0, ANNA, BEN)
        show(store, clock, 0.5, ANNA)
        clock.now = 1.2
        eventually(path, "SELECT gender, seconds FROM visits", [("male", 0.5)])
        clock.now = 63.0  # no frame comes any more
        eventually(path, "SELECT minute, people FROM minutes", [(NOON, 2)])


def test_a_reader_sees_one_moment_while_a_run_writes(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        show(store, clock, 0.0, ANNA)
        clock.now = 2.0
        eventually(path, "SELECT count(*) FROM visits", [(1,)])
        with open_to_read(path) as database:
            (before,) = database.execute("SELECT count(*) FROM visits").fetchone()
            show(store, clock, 3.0, BEN)
            clock.now = 5.0
            eventually(path, "SELECT count(*) FROM visits", [(2,)])
            (after,) = database.execute("SELECT count(*) FROM visits").fetchone()
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                database.execute("DELETE FROM visits")
    assert (before, after) == (1, 1)


def _run_until_killed(path: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with VisitStore(path) as store:
        start = time.monotonic()
        for k in range(1000):
            people = [ANNA, BEN] if k < 20 else [ANNA]
            store.write(frame(start + k / 10), ranged(*people), TIMING)
            if k == 60:
                ready.set()
            time.sleep(0.1)


def test_a_killed_run_loses_only_the_visits_of_people_in_view(tmp_path):
    path = tmp_path / "visits.db"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    run = context.Process(target=_run_until_killed, args=(path, ready))
    run.start()
    try:
        assert ready.wait(60)
    finally:
        run.kill()
        run.join()
    assert rows(path, "SELECT gender, frames FROM visits") == [("male", 20)]
    with VisitStore(path):  # the lock ended with the process
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["visits.db"]


def test_rows_older_than_the_days_to_keep_are_deleted_at_the_start_and_each_hour(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        show(store, clock, 0.0, ANNA)
        show(store, clock, 3600.0, BEN)
    day = 86_400
    clock.now = day + 60.0
    with VisitStore(path, keep_days=1):
        eventually(path, "SELECT first_seen FROM visits", [(NOON + 3600,)])
        eventually(path, "SELECT minute FROM minutes", [(NOON + 3600,)])
        clock.now = day + 3601.0
        time.sleep(0.05)
        assert rows(path, "SELECT count(*) FROM visits") == [(1,)]  # an hour has not passed
        clock.now = day + 3661.0
        eventually(path, "SELECT count(*) FROM visits", [(0,)])
        eventually(path, "SELECT count(*) FROM minutes", [(0,)])
    assert b"female" not in path.read_bytes().split(b"CREATE TABLE")[0]


def test_a_second_run_is_refused_and_the_first_one_goes_on(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        with (
            pytest.raises(UserError, match="another run writes to it: end that run"),
            VisitStore(path),
        ):
            pass
        assert (tmp_path / "visits.db-lock").exists()
        show(store, clock, 0.0, ANNA)
    assert len(rows(path, VISITS)) == 1


def test_a_file_that_is_no_database_is_refused_and_stays(tmp_path):
    path = tmp_path / "visits.db"
    path.write_bytes(b"notes of another day")
    with pytest.raises(UserError, match=r"cannot store to .*not a database: name another file"):
        VisitStore(path)
    assert path.read_bytes() == b"notes of another day"


@pytest.mark.parametrize(
    ("pragma", "complaint"),
    [
        ("application_id = 5", "is a database of another program: name another file"),
        (f"user_version = {VERSION + 1}", f"has version {VERSION + 1} of the format, expected"),
    ],
)
def test_a_database_of_another_program_or_version_is_refused_and_stays(tmp_path, pragma, complaint):
    path = tmp_path / "visits.db"
    with closing(open_to_write(path)) as database:
        database.execute(f"PRAGMA {pragma}")
    before = path.read_bytes()
    with pytest.raises(UserError, match=complaint):
        VisitStore(path)
    with pytest.raises(UserError, match=complaint), open_to_read(path):
        pass
    assert path.read_bytes() == before


def test_tables_of_another_program_without_a_number_are_refused(tmp_path):
    path = tmp_path / "visits.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE notes (text)")
    with pytest.raises(UserError, match="is a database of another program"):
        VisitStore(path)


def test_an_empty_file_becomes_a_database(tmp_path):
    path = tmp_path / "visits.db"
    path.touch()
    with VisitStore(path):
        pass
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("x.csv", r"must end in \.db, \.sqlite, \.sqlite3"), ("none/x.db", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, complaint):
    with pytest.raises(UserError, match=complaint):
        VisitStore(tmp_path / name)


def test_a_database_that_another_program_locks_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "visits.db"
    monkeypatch.setattr("demo.history.schema.LOCKED_SECONDS", 0.05)
    with closing(open_to_write(path)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="another program keeps it locked"), VisitStore(path):
            pass
    assert not (tmp_path / "visits.db-lock").exists()


def test_a_full_disk_ends_the_run_with_one_line_and_keeps_what_was_written(tmp_path, clock):
    path = tmp_path / "visits.db"
    with VisitStore(path) as store:
        show(store, clock, 0.0, ANNA)
        clock.now = 2.0
        eventually(path, "SELECT count(*) FROM visits", [(1,)])
        store._database.execute("PRAGMA max_page_count = 1")
        show(store, clock, 3.0, *((k, 30.0, 0.2) for k in range(2, 400)))
        clock.now = 6.0
        store._thread.join()
        with pytest.raises(UserError, match=r"cannot store to .*: database or disk is full"):
            show(store, clock, 6.0)
        store.write(frame(9.0), ranged(ANNA), TIMING)  # told once
    assert rows(path, "SELECT count(*) FROM visits") == [(1,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_disk_that_does_not_respond_ends_the_run(tmp_path, clock, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(VisitStore, "_count", lambda self: free.wait(10))
    store = VisitStore(tmp_path / "visits.db").__enter__()
    for _ in range(MAX_WAITING):
        store.write(frame(0.0), ranged(ANNA), TIMING)
    with pytest.raises(UserError, match="the disk does not respond"):
        store.write(frame(0.0), ranged(ANNA), TIMING)
    free.set()
    store.__exit__(None, None, None)


@pytest.mark.skipif(os.name != "posix", reason="needs names that are bytes")
def test_a_name_that_is_no_text_is_stored_with_a_replacement(tmp_path, clock):
    path = tmp_path / "visits\udcfc ?#%.db"
    with VisitStore(path) as store:
        store.write(frame(0.0, "M\udcfcller.mp4"), ranged(ANNA), TIMING)
    with open_to_read(path) as database:
        assert database.execute("SELECT source FROM visits").fetchall() == [("M\ufffdller.mp4",)]

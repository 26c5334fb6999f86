import multiprocessing
import os
import signal

import pytest

from demo.archive import ledger as module
from demo.archive.ledger import Ledger, has_failed, is_dead
from demo.errors import UserError
from tests.archive.made import video


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    made = Ledger(tmp_path / "out")
    made.prepare()
    return made


def hold(out, ready) -> None:
    with Ledger(out).locked():
        ready.set()
        signal.pause()


@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_the_lock_keeps_a_second_driver_away_and_ends_with_a_kill(ledger, monkeypatch):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(ledger.out, ready))
    process.start()
    ready.wait()
    assert ledger.busy()
    with pytest.raises(UserError, match="another run works on"), ledger.locked():
        pass
    process.kill()
    process.join()
    assert not ledger.busy()
    with ledger.locked():
        pass


def test_a_record_returns_and_junk_is_no_record(ledger, clip):
    job = video(clip)
    ledger.set_attempts(job, 2, "failed", "it is damaged")
    (ledger.out / "jobs" / "junk.json").write_text("{")
    (ledger.out / "jobs" / "old.json").write_text('{"version": 0, "key": "old"}')
    (record,) = ledger.records().values()
    assert record == ledger.read(job.key)
    assert (record["state"], record["attempts"], record["error"]) == ("failed", 2, "it is damaged")
    assert record["paths"] == [str(clip)]
    assert list(ledger.unfinished.iterdir()) == []


def test_cleaning_leaves_the_files_of_finished_jobs_alone(ledger):
    for key in ("film.v2.mp4-1", "gone.mp4-2"):
        for name in (f"faces/{key}.parquet", f"logs/{key}.csv", f"records/{key}.mp4"):
            (ledger.out / name).write_text("x")
    (ledger.out / "records" / "photos.x-3").mkdir()
    (ledger.out / "records" / "photos.x-4").mkdir()
    (ledger.unfinished / "gone.mp4-2.abc").mkdir()
    ledger.clean({"film.v2.mp4-1", "photos.x-3"})
    left = [p.relative_to(ledger.out).as_posix() for p in ledger.out.glob("*/*")]
    kept = ["faces/film.v2.mp4-1.parquet", "logs/film.v2.mp4-1.csv", "records/film.v2.mp4-1.mp4"]
    assert sorted(left) == [*kept, "records/photos.x-3"]
    ledger.remove("film.v2.mp4-1")
    ledger.remove("photos.x-3")
    assert not list(ledger.out.glob("*/*"))


@pytest.mark.parametrize(
    ("record", "dead", "failed"),
    [
        ({"state": "failed", "attempts": 3}, True, True),
        ({"state": "running", "attempts": 3}, True, True),
        ({"state": "failed", "attempts": 2}, False, False),
        ({"state": "done", "attempts": 3, "faults": []}, False, False),
        ({"state": "done", "attempts": 1, "faults": ["a photo"]}, False, True),
    ],
)
def test_three_attempts_make_a_dead_letter(record, dead, failed):
    assert (is_dead(record), has_failed(record)) == (dead, failed)

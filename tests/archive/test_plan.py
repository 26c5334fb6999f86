from demo.archive.jobs import Item, make_jobs
from demo.archive.ledger import PARTS, Ledger, about
from demo.archive.plan import Measured, Target, main, measure, plan_lines


def test_a_plan_is_the_arithmetic_of_a_sample():
    # a minute of video took 30 s of work: 0.5 s of a core for a second
    found = Measured(2, 60.0, 30.0, 1500, 6_000_000, 60_000, 8_000)
    assert list(plan_lines(found, Target(10_000, 30, 50, 16))) == [
        "measured: 2 videos, 1:00 long, 30 s of work: 0.50 s of a core for a second of video, "
        "50 frames a second on a core",
        "work: 10000 h x 0.50 = 5000 core hours",
        # 5000 / 800 = 6.25 h, and a quarter of an hour
        "time: 5000 h / (50 x 16 cores) + 15 min for the last video = 6.5 h",
        # 100 kB a second of video, in 23,400 s
        "reading: 3600 GB, 153.8 MB/s, 3.08 MB/s a machine",
        "results: 36.0 GB of Parquet in 40000 files",
        "records: 80 MB in 20000 files",
        "driver: 0.85 jobs a second end",
        "a machine that dies costs 2.0 core hours on average",
    ]


def test_a_sample_is_summed_over_videos_that_are_done(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.prepare()
    items = [Item(f"{k}.mkv", f"/{k}.mkv", 1000, "1", False) for k in range(3)]
    done, also, failed = make_jobs(items, "0")
    for job in (done, also):
        for part in PARTS:
            (tmp_path / part / f"{job.key}.parquet").write_bytes(bytes(50))
        figures = {"seconds": 10.0, "duration": 4.0, "frames": 250, "photos": False}
        counts = {"state": "done", "attempts": 1, "error": "", "faults": []}
        ledger.write(job.key, {**counts, **about(job), **figures})
    ledger.set_attempts(failed, 3, "failed", "broken")
    size = sum((tmp_path / "jobs" / f"{job.key}.json").stat().st_size for job in (done, also))
    assert measure(ledger) == Measured(2, 20.0, 8.0, 500, 2000, 200, size)


def test_a_plan_needs_a_sample(tmp_path, capsys):
    assert main([str(tmp_path), "--hours", "1"]) == 2
    assert "holds no video that is done: do a sample first" in capsys.readouterr().err

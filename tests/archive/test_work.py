import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pandas
import pyarrow.parquet as parquet
import pytest

import stream
from demo.archive.jobs import Item, Job
from demo.archive.ledger import Ledger, OptionsError, OutputError
from demo.archive.report import write_report
from demo.archive.work import work
from demo.images import save_image
from tests.archive.made import bundle, options, records, run, video
from tests.synthetic import write_clip


@pytest.fixture
def out(tmp_path) -> Path:
    Ledger(tmp_path / "out").prepare()
    return tmp_path / "out"


def rows(out: Path, key: str) -> list[dict]:
    return parquet.read_table(out / "faces" / f"{key}.parquet").to_pylist()


def logged(*arguments: object) -> list[dict]:
    """Faces of a log of `stream.py`, as rows of the data set."""
    log = Path(str(arguments[-1]))
    stream.main([*map(str, arguments[:-1]), "--no-display", "--log", str(log)])
    return faces_of(log)


def faces_of(log: Path) -> list[dict]:
    frames = [json.loads(line) for line in log.read_text().splitlines()]
    return [
        {
            **{name: frame[name] for name in ("source", "frame", "time")},
            "id": face["id"],
            **dict(zip(("x1", "y1", "x2", "y2"), face["box"], strict=True)),
            **{name: face[name] for name in ("score", "age", "age_low", "age_high", "male")},
            "shot": frame["shot"],
        }
        for frame in frames
        for face in frame["faces"]
    ]


def test_the_rows_of_a_video_are_those_of_the_log_of_the_command(clip, out):
    job = video(clip)
    record = work(job, options(out))
    assert (record["state"], record["attempts"], record["error"]) == ("done", 1, "")
    expected = logged("-s", clip, out / "log.jsonl")
    assert rows(out, job.key) == expected
    people = parquet.read_table(out / "people" / f"{job.key}.parquet").to_pylist()
    assert [(p["id"], p["frames"]) for p in people] == [
        (i, sum(row["id"] == i for row in expected)) for i in (1, 2)
    ]
    assert (record["frames"], record["people"], record["faces"]) == (20, 2, len(expected))
    assert records(out) == [{"version": 1, "key": job.key, **record}]
    assert list((out / ".unfinished").iterdir()) == []


@pytest.mark.shared
def test_the_rows_of_real_clips_are_those_of_the_log(shared, out):
    for clip in sorted((shared / "video").glob("w*")):
        job = video(clip)
        work(job, options(out))
        assert rows(out, job.key) == logged("-s", clip, out / "log.jsonl")


def test_a_bundle_gives_the_rows_of_the_folder_and_names_a_broken_photo(
    astronaut, two_people, tmp_path, out
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "c.jpg", "e.png"):
        save_image(folder / name, astronaut if name == "c.jpg" else two_people(3))
    (folder / "b.jpg").write_bytes(b"none")
    paths = sorted(folder.iterdir())
    jobs = [bundle(*paths[:2]), bundle(*paths[2:], first=2)]
    done = [work(job, options(out, record=True, log="csv")) for job in jobs]
    expected = logged("-s", folder, out / "log.jsonl")
    assert [row for job in jobs for row in rows(out, job.key)] == expected
    assert {row["frame"] for row in expected} == {0, 2, 3}
    broken = f"{folder / 'b.jpg'} is not a picture that can be read (its content is not a picture)"
    assert [record["faults"] for record in done] == [[broken], []]
    assert [record["state"] for record in done] == ["done", "done"]
    recorded = [sorted(p.name for p in (out / "records" / job.key).iterdir()) for job in jobs]
    assert recorded == [["a.jpg"], ["c.jpg", "e.png"]]
    table = pandas.read_csv(out / "logs" / f"{jobs[1].key}.csv")
    assert table.source.tolist() == [row["source"] for row in rows(out, jobs[1].key)]


def test_log_and_recording_are_those_of_the_command(clip, out):
    job = video(clip)
    work(job, options(out, record=True, log="jsonl", run={"max_frames": 5}))
    log = out / "logs" / f"{job.key}.jsonl"
    assert (
        faces_of(log)
        == rows(out, job.key)
        == logged(*("-s", clip, "--max-frames", 5, out / "log.jsonl"))
    )
    assert log.read_text() == (out / "log.jsonl").read_text()
    assert (out / "records" / f"{job.key}.mp4").stat().st_size > 5000


def test_a_damaged_file_fails_in_one_line_and_leaves_nothing_but_its_record(tmp_path, out):
    (tmp_path / "a.mp4").write_bytes(b"damaged")
    (tmp_path / "b.mp4").write_bytes(b"")
    for name in ("a.mp4", "b.mp4"):
        job = video(tmp_path / name)
        for attempt in (1, 2):
            record = work(job, options(out))
            assert (record["state"], record["attempts"]) == ("failed", attempt)
            assert str(tmp_path / name) in record["error"]
            assert "\n" not in record["error"]
    assert {p.parent.name for p in out.glob("*/*")} == {"jobs"}


def test_a_file_that_is_gone_or_grows_fails(clip, tmp_path, out):
    gone, grown = tmp_path / "gone.mkv", tmp_path / "grown.mkv"
    for path in (gone, grown):
        shutil.copy(clip, path)
    jobs = video(gone), video(grown)
    gone.unlink()
    with grown.open("ab") as file:
        file.write(b"more")
    errors = [work(job, options(out, run={"max_frames": 2}))["error"] for job in jobs]
    assert errors == [
        f"no such file or folder: {gone}",
        f"{grown} changed while it was read: run the command again",
    ]


def test_a_file_that_breaks_off_is_done_with_a_fault(clip, tmp_path, out):
    broken = tmp_path / "broken.mkv"
    content = clip.read_bytes()
    broken.write_bytes(content[: len(content) * 2 // 3])
    record = work(video(broken), options(out))
    assert (record["state"], len(record["faults"])) == ("done", 1)
    assert str(broken) in record["faults"][0]
    assert 0 < record["frames"] < 20


def test_a_bug_fails_the_job_and_keeps_its_traceback(clip, out):
    job = video(clip)
    record = work(job, options(out, run={"max_frames": "many"}))
    assert record["error"].startswith("TypeError: ")
    assert "Traceback" in record["traceback"]


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"model": "none"}, "unknown model 'none'"),
        ({"anonymize": "mask", "detect_every": 4}, "--detect-every and --budget-ms would"),
    ],
)
def test_options_that_fit_no_job_end_the_run_and_count_no_attempt(clip, out, chosen, line):
    with pytest.raises(OptionsError, match=line):
        work(video(clip), options(out, run=chosen))
    assert records(out) == []


def test_warnings_are_kept(tmp_path, out):
    write_clip(tmp_path / "empty.mkv", [np.zeros((90, 160, 3), np.uint8)] * 3)
    record = work(video(tmp_path / "empty.mkv"), options(out, run={"anonymize": "mask"}))
    assert record["warnings"] == [
        f"--anonymize: no face was found in {tmp_path / 'empty.mkv'}: nothing is covered there, "
        "look at it"
    ]
    write_report(Ledger(out))
    assert f"{record['warnings'][0]}</td><td>1</td>" in (out / "summary.html").read_text()


def test_a_done_job_takes_the_place_of_the_one_that_it_replaces(clip, out):
    chosen = options(out, record=True, run={"max_frames": 2})
    old = video(clip)
    work(old, chosen)
    assert len(Ledger(out).files(old.key)) == 3
    new = replace(old, options="others", replaces=(old.key,))
    work(new, chosen)
    assert Ledger(out).files(old.key) == []
    assert [record["key"] for record in records(out)] == [new.key]
    assert [p.stem for p in (out / "faces").iterdir()] == [new.key]
    work(new, chosen)  # again, as after a kill
    assert len(Ledger(out).files(new.key)) == 3


def test_files_at_addresses_are_copied_and_keep_their_names(clip, astronaut, tmp_path, out):
    system = fsspec.filesystem("memory")
    system.pipe("/films/a.mkv", clip.read_bytes())
    save_image(tmp_path / "a.jpg", astronaut)
    system.pipe("/photos/a.jpg", (tmp_path / "a.jpg").read_bytes())
    system.pipe("/photos/b.jpg", b"none")
    names = ["memory:///films/a.mkv", "memory:///photos/a.jpg", "memory:///photos/b.jpg"]
    items = [Item(name, name, 1, "1", name.endswith("jpg")) for name in names]
    film, photos = Job((items[0],), "o"), Job(tuple(items[1:]), "o")
    assert work(film, options(out))["faces"] > 20
    assert {row["source"] for row in rows(out, film.key)} == {names[0]}
    record = work(photos, options(out))
    assert [row["source"] for row in rows(out, photos.key)] == [names[1]]
    assert record["faults"][0].startswith(f"{names[2]} is not a picture")
    gone = replace(items[0], path="memory:///films/b.mkv", name="memory:///films/b.mkv")
    error = work(Job((gone,), "o"), options(out))["error"]
    assert error == "cannot read memory:///films/b.mkv: /films/b.mkv"


def test_a_folder_of_results_that_vanishes_is_no_job_s_fault(clip, out):
    shutil.rmtree(out)
    with pytest.raises(OutputError, match=f"cannot write to {out}"):
        work(video(clip), options(out))


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files")
def test_a_full_disk_ends_the_run_and_counts_no_attempt(clip, tmp_path):
    def fill() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    out = tmp_path / "out"
    code, _, told = run(clip, "--out", out, "--log", "jsonl", "--workers", 1, before=fill)
    assert code == 2
    assert f"demo.archive: cannot write to {out}: File too large" in told
    assert [(r["state"], r["attempts"]) for r in records(out)] == [("waiting", 0)]
    assert not [*out.glob("faces/*"), *out.glob("logs/*"), *out.glob(".unfinished/*")]

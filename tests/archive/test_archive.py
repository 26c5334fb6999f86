"""The command with its worker processes, and what kills them."""

import json
import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pandas
import pytest

from tests.archive.made import at_work, ended, kill, records, run, start, until
from tests.synthetic import write_clip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")


@pytest.fixture(scope="module")
def films(tmp_path_factory, two_people) -> Path:
    """Four videos, the longest of which takes seconds."""
    folder = tmp_path_factory.mktemp("films")
    for name, frames in (("long", 240), ("a", 12), ("b", 11), ("c", 10)):
        write_clip(folder / f"{name}.mkv", [two_people(k % 20) for k in range(frames)])
    return folder


@pytest.fixture
def sources(films, tmp_path) -> Path:
    shutil.copytree(films, tmp_path / "films")
    return tmp_path / "films"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def frames(out: Path) -> dict[str, int]:
    """Frames with faces by the name of the video."""
    table = pandas.read_parquet(out / "faces")
    assert not table.duplicated(["source", "frame", "x1"]).any()
    counts = table.groupby("source").frame.nunique()
    return {Path(name).stem: int(count) for name, count in counts.items()}


ALL = {"long": 240, "a": 12, "b": 11, "c": 10}


def check_complete(out: Path) -> None:
    assert frames(out) == ALL
    assert {record["state"] for record in records(out)} == {"done"}
    assert len(records(out)) == 4
    assert not list(out.glob(".unfinished/*"))


def test_the_same_command_does_what_is_missing_and_what_has_changed(sources, out):
    (sources / "long.mkv").unlink()
    (sources / "notes.txt").touch()
    command = (sources, "--out", out, "--workers", 1, "--json")
    code, printed, told = run(*command)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert code == 0
    assert "3 files in 3 jobs, 0 done before; left out: 1 no media" in told
    assert [Path(line["name"]).stem for line in lines[:-1]] == ["a", "b", "c"]  # by size
    assert {line["state"] for line in lines[:-1]} == {"done"}
    assert [lines[-1][name] for name in ("jobs", "done", "frames", "exit_code")] == [3, 3, 33, 0]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}

    code, printed, told = run(*command)
    assert (code, len(printed.splitlines())) == (0, 1)
    assert "3 done before" in told
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*")} == before

    shutil.copy(sources / "b.mkv", sources / "a.mkv")
    code, printed, told = run(*command)
    assert "1 job is done anew: its files changed" in told
    assert frames(out) == {"a": 11, "b": 11, "c": 10}

    code, printed, told = run(*command, "--max-frames", 4)
    assert "3 jobs are done anew: options or model changed" in told
    assert frames(out) == {"a": 4, "b": 4, "c": 4}
    assert len(records(out)) == 3


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_an_attempt_of_its_job_alone(sources, out):
    process = start(sources, "--out", out, "--workers", 2)
    (note,) = until(lambda: [n for n in at_work(out) if "long" in n["name"]])
    kill(note["pid"])
    code, _, told = ended(process)
    assert code == 0, told
    check_complete(out)
    assert sorted(record["attempts"] for record in records(out)) == [1, 1, 1, 2]


@pytest.mark.slow
def test_a_file_that_kills_its_worker_is_a_dead_letter_until_it_is_tried_again(sources, out):
    process = start(sources, "--out", out, "--workers", 1)
    killed = set()
    while process.poll() is None:
        for note in at_work(out):
            if "long" in note["name"] and note["pid"] not in killed:
                killed.add(note["pid"])
                kill(note["pid"])
        time.sleep(0.01)
    code, _, told = ended(process)
    assert (code, len(killed)) == (3, 3)
    assert "long.mkv: its worker process died (SIGKILL)" in told
    assert frames(out) == {"a": 12, "b": 11, "c": 10}
    assert "its worker process died (SIGKILL)" in (out / "summary.html").read_text()

    code, _, told = run(sources, "--out", out)  # nothing is tried again
    assert code == 3
    assert "1 job failed before" in told
    assert run(sources, "--out", out, "--retry-dead", "--workers", 1)[0] == 0
    check_complete(out)


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_no_finished_job_and_no_attempt(sources, out):
    random.seed(7)
    for _ in range(2):
        process = start(sources, "--out", out, "--workers", 1)
        notes = until(lambda: at_work(out))
        time.sleep(random.random())
        process.kill()
        process.communicate()
        for note in notes:  # its workers end with it
            until(partial(is_gone, note["pid"]))
    shown = list(pandas.read_parquet(out / "faces").source) if list(out.glob("faces/*")) else []
    assert not [name for name in shown if "long" in name]
    assert run(sources, "--out", out, "--workers", 1)[0] == 0
    check_complete(out)
    assert {record["attempts"] for record in records(out)} == {1}


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_ctrl_c_lets_running_jobs_end_and_a_second_one_ends_them(sources, out):
    process = start(sources, "--out", out, "--workers", 1)
    until(lambda: at_work(out))
    os.killpg(process.pid, signal.SIGINT)
    code, _, told = ended(process)
    assert code == 130
    assert "Ctrl-C again ends at once" in told
    assert frames(out) == {"long": 240}

    shutil.rmtree(out)
    process = start(sources, "--out", out, "--workers", 1)
    until(lambda: at_work(out))
    os.killpg(process.pid, signal.SIGINT)
    process.stderr.readline()
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    assert ended(process)[0] == 130
    assert time.monotonic() - began < 4
    assert [(r["state"], r["attempts"]) for r in records(out)] == [("waiting", 0)]
    assert not list(out.glob("faces/*"))


def test_a_second_driver_is_refused_and_a_second_terminal_sees_the_state(sources, out):
    process = start(sources, "--out", out, "--workers", 1)
    until(lambda: at_work(out))
    code, _, told = run(sources, "--out", out)
    assert code == 2
    assert f"another run works on {out}" in told
    code, shown, _ = run("--status", "--out", out)
    assert code == 0
    assert shown.startswith("running: 0 of 4 jobs done, 0 failed\n")
    assert "long.mkv: frame " in shown
    process.terminate()
    assert ended(process)[0] == 130
    assert run("--status", "--out", out)[1].startswith("ended: 0 of 4 jobs done")


def test_names_that_are_no_text_are_taken(sources, out):
    name = b"M\xfcller\n\x1b[31m.mkv"
    os.rename(sources / "a.mkv", os.fsencode(sources) + b"/" + name)
    code, printed, told = run(sources, "--out", out, "--workers", 1, "--max-frames", 3)
    assert (code, printed) == (0, "")
    assert "4 of 4 jobs done" in told
    table = pandas.read_parquet(out / "faces")
    assert f"{sources}/M\\udcfcller\n\x1b[31m.mkv" in set(table.source)
    page = (out / "summary.html").read_text()
    assert "M\ufffdller\ufffd\ufffd[31m.mkv" in page


def test_damaged_files_end_nothing(sources, out):
    (sources / "bad.mp4").write_bytes(b"damaged")
    (sources / "empty.mp4").touch()
    (sources / "long.mkv").unlink()
    code, printed, _ = run(sources, "--out", out, "--json", "--workers", 1)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert code == 3
    assert frames(out) == {"a": 12, "b": 11, "c": 10}
    bad = [line for line in lines[:-1] if line["state"] == "failed"]
    assert sorted((Path(b["name"]).name, b["attempts"], b["again"]) for b in bad) == [
        (name, n, n < 3) for name in ("bad.mp4", "empty.mp4") for n in (1, 2, 3)
    ]
    assert (lines[-1]["done"], lines[-1]["failed"]) == (3, 2)
    page = (out / "summary.html").read_text()
    assert "2 failures" in page
    assert "bad.mp4</td><td>3</td>" in page


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_one_line(sources, out):
    out.mkdir(mode=0o500)
    code, _, told = run(sources, "--out", out)
    assert (code, len(told.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--out", "{out}"], "nothing to do: give files"),
        (["gone.mp4", "--out", "{out}"], "no such file or folder: gone.mp4"),
        (["{sources}", "--out", "{sources}/a.mkv"], "a.mkv: File exists"),
        (["--status", "--out", "{out}"], "is no archive"),
        (["{sources}", "--out", "{out}", "--model", "none"], "unknown model 'none'"),
    ],
)
def test_a_mistake_is_one_line(sources, out, arguments, line):
    code, _, told = run(*(each.format(sources=sources, out=out) for each in arguments))
    assert (code, len(told.splitlines())) == (2, 1)
    assert line in told

"""The command, and what the page for use says of the database."""

import csv
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from demo.build import build_run
from demo.errors import UserError
from demo.history.__main__ import main
from demo.options import Options
from tests.history.made import three_visits
from tests.imports import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return three_visits(tmp_path / "visits.db")


def test_the_command_prints_a_table_with_bars(path, capsys):
    assert main([str(path)]) == 0
    first, head, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{path}: 3 visits"
    assert head.split() == "day people female male unknown mean time busiest dropped".split()
    bar = "█"
    assert [line.split() for line in lines] == [
        ["Thu", "2026-01-01", "2", bar * 30, "1", "1", "0", "0:55", "2", "4"],
        ["Fri", "2026-01-02", "1", bar * 15, "1", "0", "0", "0:20", "0", "0"],
    ]
    assert len({len(line) for line in (head, *lines)}) == 1


def test_the_command_lists_visits(path, capsys):
    assert main([str(path), "--by", "visit", "--since", "2026-01-01T10:30"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-01 11:00:00  male, 61      in view    1:30  0",
        "2026-01-02 10:00:00  female        in view    0:20  =1+1.mp4",
    ]


def test_the_command_writes_csv_that_no_spreadsheet_runs(path, tmp_path, capsys):
    file = tmp_path / "out.csv"
    assert main([str(path), "--by", "visit", "--csv", str(file)]) == 0
    rows = list(csv.DictReader(file.open(encoding="utf-8", newline="")))
    assert [row["source"] for row in rows] == ["0", "0", "'=1+1.mp4"]
    assert rows[1]["seconds"] == "90.0"
    assert main([str(path), "--by", "hour", "--csv", str(file), "--until", "2026-01-01"]) == 0
    assert [row["people"] for row in csv.DictReader(file.open())] == ["1", "1"]
    assert capsys.readouterr().out == f"wrote {file}\n" * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.db"], "cannot read none.db: there is no such file; --store of a run writes it"),
        (["visits.db", "--source", "1"], "source 1: there is no such source; the database has 0, "),
        (["visits.db", "--since", "soon"], "'soon' is not a date: expected 2026-03-01"),
        (["visits.db", "--csv", "visits.db"], "--csv visits.db is the database: name another file"),
        (["visits.db", "--csv", "none/a.csv"], "No such file or directory"),
        (["notes.db"], "cannot read notes.db: it is not a database"),
        (["empty.db"], "cannot read empty.db: it is empty; --store of a run fills it"),
        (["."], "cannot read .: there is no such file"),
    ],
)
def test_a_mistake_is_one_line(path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(path.parent)
    Path("notes.db").write_text("notes of another day")
    Path("empty.db").touch()
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1


def test_the_queries_of_the_page_for_use_run(path):
    text = (ROOT / "demo" / "README.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", text, re.S)
    assert len(queries) == 1
    with closing(sqlite3.connect(path)) as opened:
        _, people, mean, age = opened.execute(queries[0].split(";")[0]).fetchone()
        assert (people, mean, age) == (2, 55.0, 47.5)
        assert len(opened.execute(queries[0].split(";")[1]).fetchall()) == 1


def test_the_page_for_use_names_every_column(path):
    text = (ROOT / "demo" / "README.md").read_text(encoding="utf-8").split("## History")[1]
    with closing(sqlite3.connect(path)) as opened:
        for table in ("visits", "minutes"):
            columns = [row[1] for row in opened.execute(f"PRAGMA table_info({table})")]
            missing = [name for name in columns if f"`{name}`" not in text]
            assert all(re.fullmatch(r"(female|male|unknown)_\d+", name) for name in missing)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"keep_days": 3}, "--keep-days deletes from the database of --store: add --store FILE"),
        ({"store": Path("a.db"), "sources": ("photo.jpg",)}, "remove it for photos"),
        ({"store": Path("clip.mkv")}, "--store clip.mkv is the file of -s"),
        ({"store": Path("a.csv"), "log": Path("a.csv")}, "--store a.csv is the file of --log"),
        ({"store": Path("a.txt")}, r"cannot store to a.txt: the name must end in \.db"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_nothing_is_written(
    tmp_path, clip, astronaut, monkeypatch, given, complaint
):
    import cv2

    monkeypatch.chdir(tmp_path)
    Path("clip.mkv").symlink_to(clip)
    cv2.imwrite("photo.jpg", astronaut)
    options = Options(**({"sources": ("clip.mkv",)} | given))
    with pytest.raises(UserError, match=complaint), build_run(options):
        pass
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mkv", "photo.jpg"]


def test_a_run_keeps_its_visits(tmp_path, clip):
    path = tmp_path / "visits.db"
    with build_run(Options(sources=(str(clip),), store=path)) as run:
        run.session.run()
    assert run.written == [path]
    with closing(sqlite3.connect(path)) as opened:
        rows = opened.execute("SELECT source, frames, round(seconds, 2) FROM visits").fetchall()
        (minute,) = opened.execute("SELECT sum(frames), max(busiest) FROM minutes").fetchall()
    people = [(person.seconds, person.source) for person in run.outputs.summary._presence.people]
    assert [(seconds, source) for source, _, seconds in rows] == [
        (round(seconds, 2), source) for seconds, source in people
    ]
    assert minute == (20, 2)

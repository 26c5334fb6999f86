"""The history as pages and programs ask for it."""

import csv
import io
import json
from pathlib import Path

import pytest

from demo.options import Options
from demo.web import history as module
from tests.history.made import three_visits
from tests.web.serving import served


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return three_visits(tmp_path / "visits.db")


def test_hours_days_and_weeks_come_as_json_with_the_newest_visits(path):
    with served(Options(store=path)) as server:
        days = server.json("/api/history")
        hours = server.json("/api/history?by=hour&source=0")
    assert days["by"] == "day"
    assert days["sources"] == ["0", "=1+1.mp4"]
    assert [(p["from"][:10], p["people"], p["male"]) for p in days["periods"]] == [
        ("2026-01-01", 2, 1),
        ("2026-01-02", 1, 0),
    ]
    assert days["ages_from"][3] == 30
    assert days["total"]["ages"]["female"][3] == 1
    assert [each["first_seen"][:16] for each in days["visits"]] == [
        "2026-01-02T10:00",
        "2026-01-01T11:00",
        "2026-01-01T10:00",
    ]
    assert [(p["from"][11:16], p["people"]) for p in hours["periods"]] == [
        ("10:00", 1),
        ("11:00", 1),
    ]
    assert (hours["periods"][1]["busiest"], hours["periods"][1]["frames"]) == (2, 1500)


def test_the_time_asked_for_is_filled_with_empty_periods(path):
    with served(Options(store=path)) as server:
        answer = server.json("/api/history?since=2025-12-30&until=2026-01-04")
    assert [period["people"] for period in answer["periods"]] == [0, 0, 2, 1, 0, 0]


@pytest.mark.parametrize(("by", "name", "count"), [("visit", "visits", 3), ("day", "by-day", 2)])
def test_csv_is_a_download_that_no_spreadsheet_runs(path, by, name, count):
    with served(Options(store=path)) as server:
        status, headers, body = server.get(f"/api/history.csv?by={by}")
    assert status == 200
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert len(rows) == count
    assert "'=1+1.mp4" in [row.get("source") for row in rows] or by == "day"


def test_a_long_csv_waits_in_a_file_and_comes_whole(path, monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 10)
    monkeypatch.setattr(module, "PIECE", 7)
    with served(Options(store=path)) as server:
        _, _, body = server.get("/api/history.csv?by=visit")
    assert body.decode().count("\n") == 4


@pytest.mark.parametrize("place", ["/history", "/api/history", "/api/history.csv"])
def test_a_run_that_keeps_no_history_says_so(place):
    with served() as server:
        status, _, body = server.get(place)
    assert status == 404
    assert json.loads(body) == {"error": "no history is kept: start the run with --store FILE"}


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("by=year", "by: expected hour, day, week"),
        ("by=visit", "by: expected hour, day, week"),
        ("since=soon", "'soon' is not a date: expected 2026-03-01, or 2026-03-01T12:00 with a"),
        ("source=1", "source 1: there is no such source; the database has 0, =1+1.mp4"),
        ("by=hour&since=1000-01-01", "more than 10000 periods of one hour: choose later dates"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line(path, query, complaint):
    with served(Options(store=path)) as server:
        status, _, body = server.get(f"/api/history?{query}")
    assert status == 400
    assert complaint in json.loads(body)["error"]


def test_a_database_that_is_gone_is_one_line(path):
    with served(Options(store=path)) as server:
        path.unlink()
        status, _, body = server.get("/api/history")
    assert status == 503
    assert "there is no such file" in json.loads(body)["error"]


def test_the_page_and_its_parts_are_served_with_the_policy(path):
    with served(Options(store=path)) as server:
        for place in ("/history", "/static/history.js", "/static/history.css"):
            status, headers, body = server.get(place)
            assert status == 200
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert b"http://" not in body
            assert b"style=" not in body

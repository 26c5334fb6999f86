import math
import time
from collections.abc import Iterator

import pytest

from demo.errors import UserError
from demo.history.queries import (
    PERIOD_COLUMNS,
    Period,
    Selection,
    check_source,
    csv_rows,
    filled,
    iso,
    moment,
    next_start,
    overall,
    period_start,
    sources,
    totals,
    visits,
)
from demo.history.schema import open_to_read
from demo.history.tally import Minute
from tests.history.made import database, local, visit

ALL = Selection()


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is that of Berlin, whose clocks change on 29 March and 25 October 2026."""
    if not hasattr(time, "tzset"):
        pytest.skip("needs time zones of POSIX")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def history(tmp_path):
    """Five visits and three minutes of two sources, Thursday 1 to Monday 5 January 2026."""
    seen = [
        visit(1, "2026-01-01T09:59:50", 20.0, 34.9, 0.1),
        visit(2, "2026-01-01T10:00:00", 40.0, 8.0, 0.9),
        visit(3, "2026-01-01T10:30:00", 60.0, None, 0.9),
        visit(4, "2026-01-02T00:00:00", 10.0, 120.0, 0.2),
        visit(5, "2026-01-05T12:00:00", 30.0, 50.0, 0.8),
    ]
    seen[4].source = "=door"
    minutes = [
        Minute(int(local("2026-01-01T10:00:00")), "0", 1500, 3, 2),
        Minute(int(local("2026-01-01T10:01:00")), "0", 1400, 5, 4),
        Minute(int(local("2026-01-05T12:00:00")), "=door", 100, 0, 7),
    ]
    path = database(tmp_path / "visits.db", seen, minutes)
    with open_to_read(path) as opened:
        yield opened


def short(periods: list[Period]) -> list[tuple]:
    return [
        (iso(p.start)[:16], p.people, tuple(p.genders.values()), p.busiest, p.frames, p.dropped)
        for p in periods
    ]


def test_hours_count_visits_where_they_begin(history):
    assert short(totals(history, "hour", ALL)) == [
        ("2026-01-01T09:00", 1, (1, 0, 0), 0, 0, 0),
        ("2026-01-01T10:00", 2, (0, 2, 0), 4, 2900, 8),
        ("2026-01-02T00:00", 1, (1, 0, 0), 0, 0, 0),
        ("2026-01-05T12:00", 1, (0, 1, 0), 7, 100, 0),
    ]


def test_days_begin_at_local_midnight_and_weeks_on_monday(history):
    assert short(totals(history, "day", ALL)) == [
        ("2026-01-01T00:00", 3, (1, 2, 0), 4, 2900, 8),
        ("2026-01-02T00:00", 1, (1, 0, 0), 0, 0, 0),
        ("2026-01-05T00:00", 1, (0, 1, 0), 7, 100, 0),
    ]
    assert short(totals(history, "week", ALL)) == [
        ("2025-12-29T00:00", 4, (2, 2, 0), 4, 2900, 8),
        ("2026-01-05T00:00", 1, (0, 1, 0), 7, 100, 0),
    ]


def test_a_period_has_people_by_gender_and_band_and_their_mean_time(history):
    record = totals(history, "day", ALL)[0].record()
    assert record["ages"] == {
        "female": [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        "male": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "unknown": [0] * 10,
    }
    assert record["seconds_mean"] == 40.0
    assert (record["from"], record["to"]) == (
        "2026-01-01T00:00:00+01:00",
        "2026-01-02T00:00:00+01:00",
    )
    assert totals(history, "day", ALL)[1].ages["female"][9] == 1  # 120 years


def test_all_periods_as_one(history):
    whole = overall(totals(history, "hour", ALL)).record()
    assert (whole["people"], whole["female"], whole["male"]) == (5, 2, 3)
    assert (whole["seconds_mean"], whole["busiest"], whole["frames"]) == (32.0, 7, 3000)
    assert overall([]).record()["seconds_mean"] is None


def test_one_source_or_some_time_alone(history):
    assert sources(history) == ["0", "=door"]
    door = Selection("=door")
    assert short(totals(history, "day", door)) == [("2026-01-05T00:00", 1, (0, 1, 0), 7, 100, 0)]
    since = Selection(since=moment("2026-01-01T10:00"), until=moment("2026-01-01", end=True))
    assert short(totals(history, "day", since)) == [("2026-01-01T00:00", 2, (0, 2, 0), 4, 2900, 8)]
    check_source(history, "0")
    check_source(history, None)
    with pytest.raises(UserError, match="source 1: there is no such source; the database has 0, ="):
        check_source(history, "1")


def test_the_newest_visits_come_first(history):
    found = list(visits(history, ALL, newest=2))
    assert [each["first_seen"] for each in found] == [
        "2026-01-05T12:00:00+01:00",
        "2026-01-02T00:00:00+01:00",
    ]
    assert found[0]["gender"] == "male"


def test_csv_has_a_header_and_a_row_a_period_or_visit(history):
    header, *rows = csv_rows(history, "week", ALL)
    assert header == PERIOD_COLUMNS
    assert len(rows) == 2
    assert dict(zip(header, rows[0], strict=True))["female_30"] == 1
    header, *rows = csv_rows(history, "visit", ALL)
    assert rows[2] == [
        *("0", "2026-01-01T10:30:00+01:00", "2026-01-01T10:31:00+01:00", 60.0, 10),
        *(None, None, None, 0.9, "male"),
    ]


def test_periods_without_anything_are_filled_in(history):
    now = local("2026-01-09T08:00:00")
    days = filled(totals(history, "day", ALL), "day", ALL, now)
    assert [period.people for period in days] == [3, 1, 0, 0, 1]
    since = Selection(since=moment("2025-12-31"))
    days = filled(totals(history, "day", since), "day", since, now)
    assert [period.people for period in days] == [0, 3, 1, 0, 0, 1, 0, 0, 0, 0]
    until = since._replace(until=moment("2026-01-05", end=True))
    days = filled(totals(history, "day", until), "day", until, now)
    assert iso(days[-1].start) == "2026-01-05T00:00:00+01:00"
    assert filled([], "day", ALL, now) == []


def test_too_many_periods_are_refused(history):
    since = Selection(since=moment("2000-01-01"))
    with pytest.raises(UserError, match="more than 10000 periods of one hour: choose later dates"):
        filled([], "hour", since, local("2026-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)]
)
def test_a_day_on_which_the_clock_changes_is_shorter_or_longer(day, hours):
    start = int(local(day))
    end = next_start(start, "day")
    assert end - start == hours * 3600
    inside = [start]
    while (following := next_start(inside[-1], "hour")) < end:
        inside.append(following)
    assert [each - start for each in inside] == [3600 * k for k in range(hours)]


def test_the_hour_that_the_clock_repeats_is_two_hours():
    first, second = moment("2026-10-25T02:30+02:00"), moment("2026-10-25T02:30+01:00")
    starts = [iso(period_start(each, "hour")) for each in (first, second)]
    assert starts == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "99999-01-01", "0001-01-01"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(UserError, match="is not a date: expected 2026-03-01"):
        moment(text)


def test_everything_is_selected_without_limits():
    assert Selection() == (None, -math.inf, math.inf)

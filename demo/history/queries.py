"""What the database of visits shows: totals by hour, day or week in local time, and visits."""

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from demo.errors import UserError
from demo.history.schema import BANDS
from demo.sinks.words import AGE_BAR_YEARS, AGE_BARS, GENDERS

PERIODS = ("hour", "day", "week")  # weeks begin on Monday
QUARTER = 900  # seconds; the offsets of all time zones are whole quarters of an hour
HOUR = 3600  # seconds
MAX_PERIODS = 10_000  # a year by hour
PERIOD_COLUMNS = [
    *("from", "to", "people", *GENDERS, "seconds_mean", "busiest", "frames", "dropped", *BANDS),
]
VISIT_COLUMNS = [
    *("source", "first_seen", "last_seen", "seconds", "frames"),
    *("age", "age_low", "age_high", "male", "gender"),
]


class Selection(NamedTuple):
    """Which part of the history is asked for."""

    source: str | None = None  # None: all sources
    since: float = -math.inf  # seconds since 1970, UTC
    until: float = math.inf  # the first moment after the part

    def where(self, column: str) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters; `column` has seconds since 1970."""
        conditions, values = [f"{column} >= ? AND {column} < ?"], [self.since, self.until]
        if self.source is None:
            return conditions[0], list(values)
        return f"{conditions[0]} AND source = ?", [*values, self.source]


@dataclass
class Period:
    """An hour, day or week. People count where their visit begins."""

    start: int  # seconds since 1970, UTC
    end: int
    ages: dict[str, list[int]] = field(default_factory=lambda: {g: [0] * AGE_BARS for g in GENDERS})
    genders: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GENDERS, 0))
    seconds: float = 0.0  # in view, summed over people
    busiest: int = 0  # the most people at once in view of one source
    frames: int = 0
    dropped: int = 0

    @property
    def people(self) -> int:
        """Number of visits."""
        return sum(self.genders.values())

    def record(self) -> dict[str, Any]:
        """The period, as in the JSON of the API."""
        return {
            "from": iso(self.start),
            "to": iso(self.end),
            "start": self.start,
            "end": self.end,
            "people": self.people,
            **self.genders,
            "seconds_mean": round(self.seconds / self.people, 1) if self.people else None,
            "busiest": self.busiest,
            "frames": self.frames,
            "dropped": self.dropped,
            "ages": self.ages,
        }

    def row(self) -> list[Any]:
        """The values of PERIOD_COLUMNS."""
        record = self.record()
        bands = [count for gender in GENDERS for count in self.ages[gender]]
        return [*(record[name] for name in PERIOD_COLUMNS[: -len(bands)]), *bands]


def sources(database: sqlite3.Connection) -> list[str]:
    """The names of all sources."""
    rows = database.execute("SELECT source FROM visits UNION SELECT source FROM minutes ORDER BY 1")
    return [source for (source,) in rows]


def check_source(database: sqlite3.Connection, name: str | None) -> None:
    """Raise UserError unless the database has a source of that name; None means all."""
    known = sources(database)
    if name is not None and name not in known:
        names = ", ".join(known) or "none yet"
        raise UserError(f"source {name}: there is no such source; the database has {names}")


def totals(database: sqlite3.Connection, by: str, chosen: Selection) -> list[Period]:
    """The periods in which a source was watched or people came, in order; `by` is one of PERIODS.
    Raises UserError above MAX_PERIODS."""
    periods: dict[int, Period] = {}

    def at(quarter: int) -> Period:
        start = period_start(quarter * QUARTER, by)
        if start not in periods:
            periods[start] = Period(start, next_start(start, by))
            if len(periods) > MAX_PERIODS:
                raise UserError(f"more than {MAX_PERIODS} periods of one {by}: choose later dates")
        return periods[start]

    condition, values = chosen.where("first_seen")
    band = f"min(max(CAST(age / {AGE_BAR_YEARS} AS INTEGER), 0), {AGE_BARS - 1})"
    for quarter, gender, place, count, seconds in database.execute(
        f"SELECT CAST(first_seen / {QUARTER} AS INTEGER), gender, {band}, count(*), sum(seconds) "
        f"FROM visits WHERE {condition} GROUP BY 1, 2, 3",
        values,
    ):
        period = at(quarter)
        period.genders[gender] += count
        period.seconds += seconds
        if place is not None:
            period.ages[gender][place] += count
    condition, values = chosen.where("minute")
    for quarter, busiest, frames, dropped in database.execute(
        f"SELECT minute / {QUARTER}, max(busiest), sum(frames), sum(dropped) "
        f"FROM minutes WHERE {condition} GROUP BY 1",
        values,
    ):
        period = at(quarter)
        period.busiest = max(period.busiest, busiest)
        period.frames += frames
        period.dropped += dropped
    return [periods[start] for start in sorted(periods)]


def overall(periods: list[Period]) -> Period:
    """All periods as one."""
    whole = Period(periods[0].start, periods[-1].end) if periods else Period(0, 0)
    for period in periods:
        for gender in GENDERS:
            whole.genders[gender] += period.genders[gender]
            pairs = zip(whole.ages[gender], period.ages[gender], strict=True)
            whole.ages[gender] = [one + other for one, other in pairs]
        whole.seconds += period.seconds
        whole.busiest = max(whole.busiest, period.busiest)
        whole.frames += period.frames
        whole.dropped += period.dropped
    return whole


def filled(periods: list[Period], by: str, chosen: Selection, now: float) -> list[Period]:
    """The periods with empty ones in between, and from `since` to `until` or now where these are
    given. Raises UserError above MAX_PERIODS."""
    if not periods and math.isinf(chosen.since):
        return []
    known = {period.start: period for period in periods}
    starts = [float(start) for start in known]
    first = min(starts + ([chosen.since] if math.isfinite(chosen.since) else []))
    end = max((start + 1 for start in starts), default=0.0)
    if math.isfinite(chosen.since) or math.isfinite(chosen.until):
        end = max(end, min(chosen.until, now))
    result: list[Period] = []
    start = period_start(first, by)
    while start < end:
        period = known.get(start) or Period(start, next_start(start, by))
        result.append(period)
        if len(result) > MAX_PERIODS:
            raise UserError(f"more than {MAX_PERIODS} periods of one {by}: choose later dates")
        start = period.end
    return result


def visits(
    database: sqlite3.Connection, chosen: Selection, newest: int | None = None
) -> Iterator[dict[str, Any]]:
    """Visits by their beginning; with `newest`, so many, the newest first."""
    condition, values = chosen.where("first_seen")
    order = "" if newest is None else f" DESC LIMIT {newest}"
    for row in database.execute(
        f"SELECT {', '.join(VISIT_COLUMNS)} FROM visits WHERE {condition} "
        f"ORDER BY first_seen{order}",
        values,
    ):
        visit = dict(zip(VISIT_COLUMNS, row, strict=True))
        yield visit | {name: iso(visit[name]) for name in ("first_seen", "last_seen")}


def csv_rows(database: sqlite3.Connection, by: str, chosen: Selection) -> Iterator[list[Any]]:
    """The header, then one row a period; with `by` "visit", one row a visit. Raises UserError."""
    if by == "visit":
        yield VISIT_COLUMNS
        yield from (list(visit.values()) for visit in visits(database, chosen))
    else:
        yield PERIOD_COLUMNS
        yield from (period.row() for period in totals(database, by, chosen))


def period_start(seconds: float, by: str) -> int:
    """The beginning of the hour, day or week of a moment, in seconds since 1970, UTC."""
    local = datetime.fromtimestamp(seconds)
    if by == "hour":
        return int(seconds // 1) - local.minute * 60 - local.second
    first = local.date()
    if by == "week":
        first -= timedelta(days=first.weekday())
    return _midnight(first)


def next_start(start: int, by: str) -> int:
    """The beginning of the period after the one that begins at `start`."""
    if by == "hour":
        return period_start(start + HOUR, by)
    days = 7 if by == "week" else 1
    return _midnight(datetime.fromtimestamp(start).date() + timedelta(days=days))


def moment(text: str, end: bool = False) -> float:
    """Seconds since 1970 of a date or a date with time, in local time unless it states an offset.
    With `end`, a date alone is the end of that day. Raises UserError.

    >>> moment("2026-03-01T12:00:00Z"), moment("2026-03-01", end=True) - moment("2026-03-01")
    (1772366400.0, 86400.0)
    """
    try:
        if len(text) == len("2026-03-01"):
            day = date.fromisoformat(text)
            return float(_midnight(day + timedelta(days=1) if end else day))
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{text!r} is not a date: expected 2026-03-01, or 2026-03-01T12:00 with a time"
        ) from None


def iso(seconds: float) -> str:
    """A moment in local time with its offset: "2026-03-01T12:00:00+01:00"."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _midnight(day: date) -> int:
    """Its first moment, in seconds since 1970, UTC."""
    return int(datetime(day.year, day.month, day.day).timestamp())

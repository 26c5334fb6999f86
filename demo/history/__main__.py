"""Show who was in view by hour, day or week, from the database that --store of stream.py writes.

Times are local. People count where their visit begins; a person who returns later is another
visit. "busiest" is the most people at once in view of one source. The database may be in use.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.errors import UserError
from demo.history.queries import (
    PERIODS,
    Period,
    Selection,
    check_source,
    csv_rows,
    moment,
    totals,
    visits,
)
from demo.history.schema import open_to_read
from demo.sinks.words import GENDERS, clock, person_text, some
from models.cells import harmless
from models.commands import guarded
from models.files import atomic_write
from models.printable import printable

BAR = 30  # characters, of the largest number of people
HEAD = ("people", "", *GENDERS, "mean time", "busiest", "dropped")
FORMATS = {"hour": "%a %Y-%m-%d %H:%M", "day": "%a %Y-%m-%d", "week": "%Y-%m-%d"}


def table(periods: list[Period], by: str, block: str) -> Iterator[str]:
    """A line a period; the bar is made of `block`."""
    most = max(period.people for period in periods)
    names = [datetime.fromtimestamp(period.start).strftime(FORMATS[by]) for period in periods]
    width = max(map(len, [*names, by]))
    yield _line(by.ljust(width), HEAD)
    for name, period in zip(names, periods, strict=True):
        bar = block * -(-BAR * period.people // max(most, 1))
        mean = clock(period.seconds / period.people) if period.people else ""
        counts = (period.genders[gender] for gender in GENDERS)
        cells = (period.people, bar, *counts, mean, period.busiest, period.dropped)
        yield _line(name.ljust(width), cells)


def visit_lines(seen: Iterator[dict[str, Any]]) -> Iterator[str]:
    """A line a visit."""
    for visit in seen:
        first = visit["first_seen"][:19].replace("T", " ")
        who = person_text(visit)
        yield f"{first}  {who:<12}  in view {clock(visit['seconds']):>7}  {visit['source']}"


def _line(name: str, cells: tuple[Any, ...]) -> str:
    count, bar, *others = cells
    widths = [*(max(len(gender), 7) for gender in GENDERS), 9, 7, 7]
    columns = "  ".join(f"{cell:>{width}}" for cell, width in zip(others, widths, strict=True))
    return f"{name}  {count:>6}  {bar:<{BAR}}  {columns}"


def show(path: Path, by: str, chosen: Selection) -> None:
    """Print the table. Raises UserError."""
    with open_to_read(path) as database:
        check_source(database, chosen.source)
        if by == "visit":
            for line in visit_lines(visits(database, chosen)):
                print(printable(line))
            return
        periods = totals(database, by, chosen)
        people = sum(period.people for period in periods)
        where = f" of {chosen.source}" if chosen.source else ""
        print(printable(f"{path}: {some(people, 'visit')}{where}"))
        if periods:
            for line in table(periods, by, _block()):
                print(line)


def write_csv(path: Path, file: Path, by: str, chosen: Selection) -> None:
    """Write the same as CSV. Raises UserError, and OSError if the file cannot be written."""
    if file.exists() and file.samefile(path):
        raise UserError(f"--csv {file} is the database: name another file")
    with open_to_read(path) as database:
        check_source(database, chosen.source)
        with (
            atomic_write(file) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as opened,
        ):
            rows = csv_rows(database, by, chosen)
            csv.writer(opened).writerows(map(harmless, row) for row in rows)
    print(f"wrote {printable(str(file))}")


def _block() -> str:
    """A character that the terminal can show."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#"
    return "█"


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.history",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("database", type=Path, metavar="FILE", help="as visits.db")
    parser.add_argument(
        "--by",
        choices=[*PERIODS, "visit"],
        default="day",
        help="one line for each; weeks begin on Monday (%(default)s)",
    )
    parser.add_argument("--source", metavar="NAME", help="only this source (default: all)")
    parser.add_argument(
        "--since", metavar="DATE", help="from this date on: 2026-03-01, or 2026-03-01T12:00"
    )
    parser.add_argument("--until", metavar="DATE", help="up to the end of this date, or to a time")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write it as CSV, with people by gender and age"
    )
    args = parser.parse_args(argv)

    def work() -> None:
        selection = Selection(args.source)
        if args.since is not None:
            selection = selection._replace(since=moment(args.since))
        if args.until is not None:
            selection = selection._replace(until=moment(args.until, end=True))
        if args.csv is None:
            show(args.database, args.by, selection)
        else:
            write_csv(args.database, args.csv, args.by, selection)

    return guarded("demo.history", work)


if __name__ == "__main__":
    sys.exit(main())

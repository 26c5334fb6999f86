"""`summary.html`: the whole archive on one page, with the files that failed."""

import heapq
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from demo.archive.ledger import Ledger, Record, is_dead
from demo.errors import UserError
from demo.sinks.merged import MergedSummary
from demo.sinks.page import page, table_section
from demo.sinks.words import clock, some
from models.files import atomic_write

LISTED_JOBS = 100  # with the most people
LISTED_FAILURES = 1000
NAME = "summary.html"


def write_report(ledger: Ledger) -> None:
    """Write the page over all records of the folder. Raises UserError."""
    merged = MergedSummary()
    busiest: list[tuple[int, str, dict[str, Any]]] = []
    failures: list[tuple[str, ...]] = []
    warnings: dict[str, list[str]] = {}  # by line: names of the jobs
    jobs = failed = 0
    for record in ledger.whole_records():
        jobs += 1
        if record["state"] == "done":
            merged.add(record["summary"])
            slim = {**record, "summary": None}
            heapq.heappush(busiest, (record["summary"]["people_seen"], record["key"], slim))
            if len(busiest) > LISTED_JOBS:
                heapq.heappop(busiest)
            for line in record["warnings"]:
                if line in warnings or len(warnings) < LISTED_FAILURES:
                    warnings.setdefault(line, []).append(record["name"])
        lines = _failures(record)
        failed += len(lines)
        failures += lines[: LISTED_FAILURES - len(failures)]
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    record = merged.record(ledger.out.name, now)
    sections = [_table_of(jobs, sorted(busiest, reverse=True))]
    if failures:
        heads = ("file", "attempts", "what is wrong")
        sections.insert(0, table_section(f"{some(failed, 'failure')}", heads, failures))
    if warnings:
        rows = [(line, str(len(names)), names[0]) for line, names in warnings.items()]
        heads = ("", "jobs", "such as")
        sections.insert(1 if failures else 0, table_section("Warnings", heads, rows))
    path = ledger.out / NAME
    try:
        with atomic_write(path) as unfinished:
            text = page(record, sections, "archive, as of")
            unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _failures(record: Record) -> list[tuple[str, ...]]:
    """A row for a dead letter, or for each file that a job could not read."""
    attempts = str(record["attempts"])
    if is_dead(record):
        return [(record["name"], attempts, record["error"])]
    return [(record["name"], attempts, line) for line in record.get("faults", ())]


def _table_of(jobs: int, busiest: Sequence[tuple[int, str, dict[str, Any]]]) -> str:
    rows = [
        (
            record["name"],
            str(people),
            f"{record['frames']} photos" if record["photos"] else clock(record["seconds"]),
            str(record["frames"]),
            f"{record['duration']:.1f} s",
        )
        for people, _, record in busiest
    ]
    left_out = f", the {len(rows)} with the most people" if jobs > len(rows) else ""
    heads = ("file", "people", "length", "frames", "worked")
    return table_section(f"{some(jobs, 'job')}{left_out}", heads, rows)

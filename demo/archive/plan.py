"""Estimate time, traffic and size of a large archive from a small one that is done.

Do some typical files on one of the machines, then plan with the folder of their results.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from demo.archive.ledger import PARTS, Ledger
from demo.errors import UserError
from demo.sinks.words import clock, some
from models.commands import count, guarded, number

PROG = "demo.archive.plan"
HOUR = 3600.0  # seconds
EPILOG = """\
example
  python -m demo.archive sample/ --out sample-results
  python -m demo.archive.plan sample-results --hours 10000 --machines 50 --cores 16
"""


class Measured(NamedTuple):
    """Videos that are done."""

    jobs: int
    seconds: float  # of video
    work: float  # seconds of one core
    frames: int
    source_bytes: int
    part_bytes: int  # Parquet files
    record_bytes: int  # jobs/*.json


class Target(NamedTuple):
    """What is planned."""

    hours: float  # of video
    minutes: float  # of one video
    machines: int
    cores: int  # of a machine


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    p = argparse.ArgumentParser(
        prog=f"python -m {PROG}",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    above = number(0.001)
    p.add_argument("out", type=Path, metavar="DIR", help="results of a sample of the videos")
    p.add_argument("--hours", type=above, required=True, metavar="H", help="hours of video")
    p.add_argument("--minutes", type=above, default=30.0, metavar="M", help="of a video (30)")
    p.add_argument("--machines", type=count, default=1, metavar="N", help="(1)")
    p.add_argument("--cores", type=count, default=1, metavar="N", help="of each machine (1)")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    args = parser().parse_args(argv)
    target = Target(args.hours, args.minutes, args.machines, args.cores)
    return guarded(PROG, lambda: _show(args.out, target))


def _show(out: Path, target: Target) -> None:
    for line in plan_lines(measure(Ledger(out)), target):
        print(line)


def measure(ledger: Ledger) -> Measured:
    """Sum up the videos that are done. Raises UserError if there are none."""
    found = Measured(0, 0.0, 0.0, 0, 0, 0, 0)
    for key, record in ledger.records().items():
        if record["state"] != "done" or record["photos"] or not record["seconds"]:
            continue
        parts = [ledger.out / part / f"{key}.parquet" for part in PARTS]
        found = Measured(
            found.jobs + 1,
            found.seconds + record["seconds"],
            found.work + record["duration"],
            found.frames + record["frames"],
            found.source_bytes + record["bytes"],
            found.part_bytes + sum(part.stat().st_size for part in parts),
            found.record_bytes + (ledger.out / "jobs" / f"{key}.json").stat().st_size,
        )
    if not found.jobs:
        raise UserError(f"{ledger.out} holds no video that is done: do a sample first")
    return found


def plan_lines(found: Measured, target: Target) -> Iterator[str]:
    """The arithmetic, a line a result."""
    load = found.work / found.seconds  # seconds of a core for a second of video
    cores = target.machines * target.cores
    jobs = max(1, round(target.hours * 60 / target.minutes))
    core_hours = target.hours * load
    last = target.minutes * 60 * load  # seconds of the last job, which may begin at the very end
    wall = core_hours * HOUR / cores + last
    read = found.source_bytes / found.seconds * target.hours * HOUR
    parts = found.part_bytes / found.seconds * target.hours * HOUR
    records = found.record_bytes / found.jobs * jobs
    yield (
        f"measured: {some(found.jobs, 'video')}, {clock(found.seconds)} long, "
        f"{found.work:.0f} s of work: {load:.2f} s of a core for a second of video, "
        f"{found.frames / found.work:.0f} frames a second on a core"
    )
    yield f"work: {target.hours:g} h x {load:.2f} = {core_hours:.0f} core hours"
    yield (
        f"time: {core_hours:.0f} h / ({target.machines} x {target.cores} cores) "
        f"+ {last / 60:.0f} min for the last video = {wall / HOUR:.1f} h"
    )
    yield (
        f"reading: {read / 1e9:.0f} GB, {read / wall / 1e6:.1f} MB/s, "
        f"{read / wall / 1e6 / target.machines:.2f} MB/s a machine"
    )
    yield f"results: {parts / 1e9:.1f} GB of Parquet in {2 * jobs} files"
    yield f"records: {records / 1e6:.0f} MB in {some(jobs, 'file')}"
    yield f"driver: {jobs / wall:.2f} jobs a second end"
    yield f"a machine that dies costs {target.cores * last / 2 / HOUR:.1f} core hours on average"


if __name__ == "__main__":
    sys.exit(main())

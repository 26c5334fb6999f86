"""Estimate ages and genders in thousands of videos and photos, on all cores of one machine or of a
cluster.

The results are a data set of Parquet files in DIR. The same command continues where it was
stopped, and does what is new or has changed.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.archive.engines import Engine
from demo.archive.jobs import make_jobs
from demo.archive.ledger import Ledger, has_failed
from demo.archive.mark import forgive
from demo.archive.options import ArchiveOptions, digest, identity
from demo.archive.run import Driver, Plan, make_plan
from demo.archive.schema import SCHEMA_VERSION
from demo.archive.sources import Finder
from demo.arguments import add_detection, add_encoding, add_estimation
from demo.errors import UserError
from demo.options import Options
from demo.sinks.words import some
from models.commands import INTERRUPTED, count, guarded
from models.printable import printable

if TYPE_CHECKING:
    from demo.archive.progress import Progress

SOME_FAILED = 3  # exit code
REQUIREMENTS = "requirements-cluster.txt"
EPILOG = """\
examples
  python -m demo.archive videos/ --out results
  python -m demo.archive 'films/**/*.mkv' photos/ --out results --record
  find /mnt/share -name '*.mp4' | python -m demo.archive --list - --out results
  python -m demo.archive s3://bucket/films --out results
  python -m demo.archive --status --out results
  python -m demo.archive /mnt/share/films --out /mnt/share/results --engine ray --address auto

exit codes: 0 all done; 2 a mistake, or a folder that cannot be written; 3 some files failed;
130 stopped by Ctrl-C or another signal
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    p = argparse.ArgumentParser(
        prog="python -m demo.archive",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "source",
        nargs="*",
        metavar="SOURCE",
        help="file, folder with its subfolders, pattern in quotes, or address that fsspec opens "
        "(s3:// gs:// http://; install its driver)",
    )
    p.add_argument(
        "--list",
        action="append",
        default=[],
        metavar="FILE",
        help="text file with a source a line; - is standard input",
    )
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    p.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="processes (default: one a core, within the memory that is free)",
    )
    p.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="local: processes of this machine; ray: Ray, here or with --address (default: local)",
    )
    p.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="use all machines of a Ray cluster; auto: the cluster that this machine belongs to",
    )
    p.add_argument("--retry-dead", action="store_true", help="try again what failed")
    p.add_argument("--json", action="store_true", help="one JSON line for each job, and a last one")
    p.add_argument(
        "--status", action="store_true", help="show how far the run is that works on DIR"
    )
    outputs = p.add_argument_group("outputs")
    outputs.add_argument(
        "--log", choices=["jsonl", "csv"], help="also write the log of each job, as stream.py does"
    )
    outputs.add_argument(
        "--record", action="store_true", help="also write annotated videos and photos"
    )
    add_encoding(outputs)
    outputs.add_argument(
        "--anonymize", choices=["blur", "pixelate", "mask"], help="cover every detected head"
    )
    detection = p.add_argument_group("detection")
    detection.add_argument(
        "--max-frames", type=count, metavar="N", help="stop after N frames of each video"
    )
    add_detection(detection)
    add_estimation(p.add_argument_group("age and gender"))
    return p


def say(line: str) -> None:
    """Print a line for the user to stderr."""
    print(f"demo.archive: {printable(line)}", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    args = parser().parse_args(argv)
    return guarded("demo.archive", lambda: _show(args) if args.status else _run(args))


def _show(args: argparse.Namespace) -> int:
    from demo.archive.progress import status_lines

    for line in status_lines(Ledger(args.out.resolve())):
        print(line)
    return 0


def _run(args: argparse.Namespace) -> int:
    for package in ("pyarrow", "pebble", "fsspec"):
        if find_spec(package) is None:
            raise UserError(f"an archive needs {package}: pip install -r {REQUIREMENTS}")
    if args.address and args.engine != "ray":
        raise UserError("--address is of a Ray cluster: add --engine ray")
    options = _options(args)
    if not (args.source or args.list):
        raise UserError("nothing to do: give files, folders, patterns, addresses or --list FILE")
    finder = Finder(options.out)
    for source in args.source:
        finder.add(source)
    for file in args.list:
        finder.add_list(file)
    if not finder.items:
        raise UserError(f"no photo or video among the sources{_skipped(finder)}")
    chosen = identity(options, SCHEMA_VERSION)
    jobs = make_jobs(finder.items, digest(chosen))
    ledger = Ledger(options.out)
    ledger.prepare()
    with ledger.locked():
        forgive(ledger, jobs)
        plan = make_plan(ledger, jobs, args.retry_dead)
        _tell_plan(plan, finder)
        return _work(args, options, ledger, plan)


def _options(args: argparse.Namespace) -> ArchiveOptions:
    names = (
        *("max_frames", "anonymize", "quality", "encoder", "detector", "detect_every"),
        *("min_face", "min_quality", "model", "weights", "margin", "device"),
    )
    run = Options(**{name: getattr(args, name) for name in names})
    if run.weights:
        run = Options(**{**vars(run), "weights": run.weights.resolve()})
    return ArchiveOptions(args.out.resolve(), run, args.log, args.record)


def _skipped(finder: Finder) -> str:
    kinds = (f"{number} {kind}" for kind, number in sorted(finder.skipped.items()) if number)
    text = ", ".join(kinds)
    return f"; left out: {text}" if text else ""


def _tell_plan(plan: Plan, finder: Finder) -> None:
    waiting, done = len(plan.waiting), len(plan.done) + len(plan.dead)
    files, jobs = some(len(finder.items), "file"), some(waiting + done, "job")
    say(f"{files} in {jobs}, {done} done before{_skipped(finder)}")
    if n := plan.new_options:
        say(f"{some(n, 'job')} {'is' if n == 1 else 'are'} done anew: options or model changed")
    if n := plan.new_files:
        many = ("is", "its") if n == 1 else ("are", "their")
        say(f"{some(n, 'job')} {many[0]} done anew: {many[1]} files changed")
    if failed := sum(map(has_failed, (*plan.done, *plan.dead))):
        say(f"{some(failed, 'job')} failed before, or lacked files: --retry-dead does them again")


def _work(args: argparse.Namespace, options: ArchiveOptions, ledger: Ledger, plan: Plan) -> int:
    """Do what waits, report, and return the exit code."""
    interrupted = False
    faults = sum(len(record["faults"]) for record in plan.done)
    last: dict[str, Any] = {"done": len(plan.done), "failed": len(plan.dead), "faults": faults}
    if plan.waiting:
        from demo.archive.progress import Progress

        driver = Driver(ledger, say, plan.waiting)
        with (
            _engine(args, options, len(plan.waiting)) as (engine, workers),
            Progress(ledger, plan, workers, bar=not args.json) as progress,
        ):
            for job, record, again in driver.run(engine, options, workers):
                progress.workers = driver.workers or workers
                progress.add(record, again)
                _tell(args.json, job.key, record, again)
        interrupted, last = driver.interrupted, progress.record("ended")
        _tell_end(progress, ledger)
    if plan.waiting or not (ledger.out / "summary.html").exists():
        from demo.archive.report import write_report

        write_report(ledger)
    failed = last["failed"] or last["faults"]
    code = INTERRUPTED if interrupted else SOME_FAILED if failed else 0
    if args.json:
        print(json.dumps({**last, "exit_code": code}), flush=True)
    return code


@contextmanager
def _engine(
    args: argparse.Namespace, options: ArchiveOptions, jobs: int
) -> Iterator[tuple[Engine, int]]:
    """The engine, and how many workers it may use at most."""
    from demo.archive.local import run_locally, worker_count

    cores = min(args.workers or worker_count(options.record), jobs)
    if args.engine == "local":
        yield run_locally, cores
        return
    from demo.archive.cluster import connected

    with connected(args.address, cores, _say_beside) as engine:
        yield engine, min(args.workers or jobs, jobs)


def _tell(as_json: bool, key: str, record: dict[str, Any], again: bool) -> None:
    """Print the outcome of an attempt: as JSON, or what is wrong."""
    if as_json:
        names = ("name", "state", "attempts", "frames", "people", "faces", "duration", "error")
        line = {"job": key, **{name: record.get(name) for name in names}, "again": again}
        line |= {name: record.get(name, []) for name in ("faults", "warnings")}
        print(json.dumps(line), flush=True)
        return
    lines = [] if again or not record["error"] else [record["error"]]
    for line in [*lines, *record.get("faults", ())]:
        _say_beside(f"{record['name']}: {line}")


def _say_beside(line: str) -> None:
    """Say a line above the bar."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        say(line)


def _tell_end(progress: "Progress", ledger: Ledger) -> None:
    rate = progress.frames / max(progress.seconds, 1e-3)
    partly = f", {some(progress.faults, 'file')} not read to the end" if progress.faults else ""
    say(
        f"{progress.done} of {some(progress.total, 'job')} done, {progress.failed} failed{partly}; "
        f"{some(progress.frames, 'frame')} in {progress.seconds:.0f} s, {rate:.0f} a second, "
        f"{some(progress.people, 'person')}; see {ledger.out / 'summary.html'}"
    )


if __name__ == "__main__":
    sys.exit(main())

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
    waiting, done = len(plan.waiting), len(plan.done) + len(plan.failed)
    say(f"{len(finder.items)} files in {waiting + done} jobs, {done} done before{_skipped(finder)}")
    if plan.new_options:
        say(f"{plan.new_options} jobs are done anew: their options or the model changed")
    if plan.new_files:
        say(f"{plan.new_files} jobs are done anew: their files changed")
    if plan.failed:
        say(f"{len(plan.failed)} jobs failed before: --retry-dead tries them again")


def _work(args: argparse.Namespace, options: ArchiveOptions, ledger: Ledger, plan: Plan) -> int:
    """Do what waits, report, and return the exit code."""
    interrupted, failed = False, len(plan.failed)
    last: dict[str, Any] = {"jobs": len(plan.done) + failed, "done": len(plan.done)}
    if plan.waiting:
        from demo.archive.progress import Progress

        driver = Driver(ledger, say, plan.waiting)
        with (
            _engine(args, len(plan.waiting)) as (engine, workers),
            Progress(ledger, plan, workers, bar=not args.json) as progress,
        ):
            for job, record, again in driver.run(engine, options, workers):
                progress.workers = driver.workers or workers
                progress.add(record, has_failed(record), again)
                _tell(args.json, job.key, record, again)
        interrupted, failed = driver.interrupted, progress.failed
        last = progress.record("ended")
        _tell_end(progress, ledger)
    if plan.waiting or not (ledger.out / "summary.html").exists():
        from demo.archive.report import write_report

        write_report(ledger)
    code = INTERRUPTED if interrupted else SOME_FAILED if failed else 0
    if args.json:
        print(json.dumps({**last, "failed": failed, "exit_code": code}), flush=True)
    return code


@contextmanager
def _engine(args: argparse.Namespace, jobs: int) -> Iterator[tuple[Engine, int]]:
    """The engine, and how many workers it may use at most."""
    from demo.archive.local import run_locally, worker_count

    cores = min(args.workers or worker_count(), jobs)
    if args.engine == "local":
        yield run_locally, cores
        return
    from demo.archive.cluster import connected

    with connected(args.address, cores) as engine:
        yield engine, min(args.workers or jobs, jobs)


def _tell(as_json: bool, key: str, record: dict[str, Any], again: bool) -> None:
    """Print the outcome of an attempt: as JSON, or what is wrong."""
    if as_json:
        names = ("name", "state", "attempts", "frames", "people", "faces", "duration", "error")
        line = {"job": key, **{name: record.get(name) for name in names}, "again": again}
        print(json.dumps({**line, "faults": record.get("faults", [])}), flush=True)
        return
    lines = [] if again or not record["error"] else [record["error"]]
    if lines := [*lines, *record.get("faults", ())]:
        from tqdm import tqdm

        with tqdm.external_write_mode():
            for line in lines:
                say(f"{record['name']}: {line}")


def _tell_end(progress: "Progress", ledger: Ledger) -> None:
    from demo.sinks.words import some

    rate = progress.frames / max(progress.seconds, 1e-3)
    say(
        f"{progress.done} of {some(progress.total, 'job')} done, {progress.failed} failed; "
        f"{some(progress.frames, 'frame')} in {progress.seconds:.0f} s, {rate:.0f} a second, "
        f"{some(progress.people, 'person')}; see {ledger.out / 'summary.html'}"
    )


if __name__ == "__main__":
    sys.exit(main())

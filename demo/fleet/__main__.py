"""Watch many cameras, each in a process of its own that is started again where it dies.

cameras.toml has one table a camera: its source, and options of stream.py. Results are hourly
Parquet files, DIR/CAMERA/faces and DIR/CAMERA/people. Ctrl-C ends all cameras within 5 seconds.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from demo.archive.ledger import Ledger
from demo.errors import UserError
from demo.fleet.camera import Camera
from demo.fleet.engines import Engine
from demo.fleet.screen import Screen
from demo.fleet.status import read_status, status_of, table, write_status
from demo.fleet.supervisor import WatchedCamera, stop_all, watch_all
from models.commands import INTERRUPTED, guarded
from models.files import writable_folder
from models.printable import printable

TICK_SECONDS = 0.1  # between two looks at the processes
STATUS_SECONDS = 1.0  # between two statuses
NAME = "demo.fleet"
REQUIREMENTS = "requirements-cluster.txt"


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    p = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("cameras", nargs="?", type=Path, metavar="FILE", help="as cameras.toml")
    p.add_argument(
        "--out", type=Path, default=Path("fleet"), metavar="DIR", help="results (%(default)s)"
    )
    p.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="where cameras run: processes of this machine, or actors on a cluster (%(default)s)",
    )
    p.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of the Ray cluster, as HOST:6379 (default: one on this machine)",
    )
    p.add_argument(
        "--status", action="store_true", help="show the fleet that runs on DIR in another terminal"
    )
    p.add_argument(
        "--json", action="store_true", help="print the status as JSON, one object a line"
    )
    return p


def show_status(out: Path, as_json: bool) -> None:
    """Print the status; in a terminal, renew it until the fleet ends. Raises UserError."""
    status, screen = read_status(out), Screen(sys.stdout)
    renewed = sys.stdout.isatty() and not as_json
    while renewed and Ledger(out).busy():
        screen.show(status)
        time.sleep(STATUS_SECONDS)
        status = read_status(out)
    if status["state"] == "running" and not Ledger(out).busy():
        status["state"] = "killed"
    if as_json:
        print(json.dumps(status), flush=True)
    elif renewed:
        screen.show(status)
    else:
        for line in table(status, shutil.get_terminal_size((120, 24)).columns):
            print(line)
    if not as_json and status["state"] != "running":
        print(f"the fleet was {status['state']}; last status at {status['time']}")


def run(cameras: Sequence[Camera], out: Path, engine: Engine, as_json: bool) -> None:
    """Watch the cameras until a signal raises KeyboardInterrupt. Raises UserError, OSError."""
    writable_folder(out)
    with Ledger(out).locked():
        watched = watch_all(cameras, out.resolve(), engine)
        screen = None if as_json else Screen(sys.stdout)
        try:
            _watch(watched, out, screen)
        finally:
            stop_all(watched)
            _tell(watched, out, screen, "stopped")


def _watch(watched: Sequence[WatchedCamera], out: Path, screen: Screen | None) -> None:
    due = 0.0
    while True:
        for each in watched:
            each.tick()
        if time.monotonic() >= due:
            due = time.monotonic() + STATUS_SECONDS
            _tell(watched, out, screen, "running")
        time.sleep(TICK_SECONDS)


def _tell(watched: Sequence[WatchedCamera], out: Path, screen: Screen | None, state: str) -> None:
    """Write the status, and show it. A full disk ends no camera."""
    status = status_of([each.row() for each in watched], state)
    with suppress(OSError):
        write_status(out, status)
    if screen:
        screen.show(status)
    else:
        print(json.dumps(status), flush=True)


def _say(line: str) -> None:
    print(f"{NAME}: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def _engine(args: argparse.Namespace) -> Iterator[Engine]:
    """The engine that the arguments name. Raises UserError."""
    if args.engine == "ray":
        from demo.fleet.cluster import cluster_engine

        with cluster_engine(args.address, os.cpu_count() or 1, _say) as engine:
            yield engine
    else:
        from demo.fleet.local import LocalEngine

        yield LocalEngine()


def _check(args: argparse.Namespace) -> None:
    """Raise UserError where arguments or packages are missing."""
    if args.cameras is None:
        raise UserError("give a file of cameras, as cameras.toml; -h explains it")
    if args.address is not None and args.engine != "ray":
        raise UserError("--address is of a Ray cluster: add --engine ray")
    if find_spec("pyarrow") is None:
        raise UserError(f"a fleet needs pyarrow: pip install -r {REQUIREMENTS}")


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and the end of the terminal do what Ctrl-C does, also in the background."""

    def interrupt(number: int, frame: object) -> None:
        for each in former:  # a second one does not cut files
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        former[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    for number in former:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code: 130 after Ctrl-C, 2 after a mistake."""
    args = parser().parse_args(argv)

    def work() -> int:
        if args.status:
            show_status(args.out, args.json)
            return 0
        _check(args)
        # OpenCV comes with it: a process that starts imports this module, and has no use for that
        from demo.fleet.cameras import FleetError, read_cameras

        try:
            cameras = read_cameras(args.cameras)
            with _signals(), _engine(args) as engine:
                run(cameras, args.out, engine, args.json)
        except FleetError as mistakes:
            for line in mistakes.lines:
                _say(line)
            return 2
        except KeyboardInterrupt:
            _say("all cameras are stopped")
            return INTERRUPTED
        return 0

    return guarded(NAME, work)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.fuzz`: damaged and unusual files through the readers, see `tests.fuzz_inputs`.

Every case must be read or refused in one line, within 10 seconds and 1 GB. The readers run in a
process of their own, which is started again after a crash or a hang. Exit code 1 where one failed.
"""

import argparse
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from models.errors import AgeStreamError
from tests.fuzz_inputs import KINDS, originals, reader

ROOT = Path(__file__).resolve().parents[1]
HANG_SECONDS, START_SECONDS = 10.0, 120.0
MOST_MB = 1024


def work(kind: str, seed: int, first: int, count: int) -> None:
    """Read the cases and print a line before and after each; the child's side of `fuzz`."""
    with tempfile.TemporaryDirectory() as name:
        good = originals(kind, Path(name))
        folder = Path(name) / "case"
        folder.mkdir()
        for case in range(first, first + count):
            rng = np.random.default_rng([seed, KINDS.index(kind), case])
            chosen, other = good[case % len(good)], good[int(rng.integers(0, len(good)))]
            read = reader(kind, (chosen, other), folder, rng, case)
            print("case", case, flush=True)
            Path("/proc/self/clear_refs").write_text("5")  # the peak is of this case
            try:
                read()
                outcome = "read"
            except AgeStreamError as error:
                outcome = "refused" if "\n" not in str(error) else f"two lines: {error!r}"
            except BaseException as error:  # whatever it is, it is a finding
                outcome = f"{type(error).__name__}: {error!r}"
            peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
            if int(peak) / 1024 > MOST_MB:
                outcome = f"{int(peak) // 1024} MB"
            print("end", ascii(outcome)[1:-1][:300], flush=True)
            shutil.rmtree(os.fsencode(folder))
            folder.mkdir()


def fuzz(kind: str, seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """Outcomes of so many cases, and a line for each that failed."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    first = 0
    while first < count:
        first = _batch(kind, seed, first, count - first, outcomes, failures)
    return outcomes, failures


def _batch(
    kind: str, seed: int, first: int, count: int, outcomes: Counter[str], failures: list[str]
) -> int:
    """Cases from `first` on until one ends the process; the case to go on with."""
    line = [sys.executable, "-m", "tests.fuzz", "--work", kind, str(seed), str(first), str(count)]
    quiet = os.environ | {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
    child = subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet, bufsize=0
    )
    assert child.stdout is not None
    case, reading = first, False
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(HANG_SECONDS if reading else START_SECONDS):
                child.kill()
                what = f"hangs for {HANG_SECONDS:.0f} s"
                break
            word, _, rest = child.stdout.readline().decode(errors="replace").partition(" ")
            rest = rest.strip()
            if word == "case":
                case, reading = int(rest), True
            elif word == "end":
                reading = False
                outcomes[rest if rest in ("read", "refused") else "failed"] += 1
                if rest not in ("read", "refused"):
                    failures.append(f"{kind} {case}: {rest}")
            elif not word:
                what = f"ends the process with {child.wait()}"
                break
    child.wait()
    if not reading and child.returncode == 0:
        return first + count
    outcomes["failed"] += 1
    failures.append(f"{kind} {case}: {what}")
    return case + 1


def main(argv: list[str] | None = None) -> int:
    """Fuzz every kind and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="cases in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.work:
        kind, *numbers = args.work
        work(kind, *map(int, numbers))
        return 0
    found: list[str] = []
    for kind in args.kinds:
        outcomes, failures = fuzz(kind, args.seed, args.count // len(args.kinds))
        told = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
        print(f"{kind}: {told}", *failures, sep="\n  ", flush=True)
        found += failures
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

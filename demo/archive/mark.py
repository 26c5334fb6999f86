"""A file by which workers on other machines see that they share the driver's folder.

It also says whether the driver still wants jobs to start, and it stays where a driver was killed.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from demo.archive.jobs import Job
from demo.archive.ledger import Ledger
from models.files import atomic_write

PATTERN = "driver-*.mark"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark:
    """The mark of a driver in the folder of unfinished files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stopped = False

    def stop(self) -> None:
        """Let no other job start. Raises OSError."""
        self.stopped = True
        self.write()

    def write(self) -> None:
        """Let other machines see the mark. Raises OSError."""
        with atomic_write(self.path) as unfinished:
            unfinished.write_text(json.dumps({"stopped": self.stopped, "boot": _boot()}))


@contextmanager
def marked(ledger: Ledger) -> Iterator[Mark]:
    """Set a mark until the context ends. Raises OSError."""
    mark = Mark(ledger.unfinished / PATTERN.replace("*", uuid.uuid4().hex[:8]))
    mark.write()
    try:
        yield mark
    finally:
        mark.path.unlink(missing_ok=True)


def is_wanted(path: Path) -> bool | None:
    """Whether jobs may start; None where this machine does not see the mark of the driver."""
    try:
        return not json.loads(path.read_text())["stopped"]
    except (OSError, ValueError, KeyError):
        return None


def forgive(ledger: Ledger, jobs: list[Job]) -> None:
    """Do not count the attempts that a killed driver left: its workers ended with it, whatever
    their jobs were. They count where the whole machine went down since, for a job may have done
    that. Call it while no other driver works. Raises OSError."""
    left = list(ledger.unfinished.glob(PATTERN))
    if any(_boot_of(path) == _boot() for path in left):
        for job in jobs:
            record = ledger.read(job.key)
            if record and record["state"] == "running":
                ledger.set_attempts(job, record["attempts"] - 1, "waiting")
    for path in left:
        path.unlink(missing_ok=True)


def _boot_of(path: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError):
        boot: str = json.loads(path.read_text())["boot"]
        return boot
    return None


def _boot() -> str:
    """What changes when this machine starts again; "" where the system does not say it."""
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    return ""

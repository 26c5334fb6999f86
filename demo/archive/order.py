"""What the driver sends to a worker on another machine, and what the worker does with it."""

import hashlib
import os
import pickle
import socket
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from demo.archive.jobs import Job
from demo.archive.ledger import RunError
from demo.archive.mark import is_wanted
from demo.archive.options import ArchiveOptions, digest, identity
from demo.archive.schema import SCHEMA_VERSION
from models.files import ROOT

PACKAGES = ("demo", "models", "trackers")


class Order(NamedTuple):
    """One job for a worker."""

    job: Job
    options: ArchiveOptions
    mark: Path  # of the driver, in the folder that all machines share
    seen: str  # a file of the job that the driver's machine sees; "" if there is none


def obey(code: str, order: bytes) -> dict[str, Any]:
    """Do the job of a pickled `Order`, where this machine is like that of the driver with the
    digest `code`. The result has one entry: "record" of the attempt, "end" that says why the
    run cannot go on, "unfit" that says how this machine differs, or "waiting"
    where the driver wants no more jobs. Only with "record" the attempt counts."""
    host = socket.gethostname()
    if code_digest(ROOT) != code:
        return {"unfit": f"{host} has another version of the program in {ROOT}: update it"}
    job, options, mark, seen = pickle.loads(order)
    wanted = is_wanted(mark)
    if wanted is None:
        return {"unfit": f"{host} does not share the folder {options.out}: mount it there"}
    if not wanted:
        return {"waiting": True}
    if seen and not os.path.exists(seen):
        return {"unfit": f"{host} does not see {seen}: mount its folder there"}
    if _identity(options) != job.options:
        return {"unfit": f"{host} has other networks than the driver: copy models/weights there"}
    _prepare()
    from demo.archive.work import work

    try:
        record = work(job, options)
    except RunError as error:
        return {"end": str(error)}
    return {"record": {key: record[key] for key in record if key not in ("summary", "traceback")}}


@cache
def code_digest(root: Path) -> str:
    """Stands for the code of a checkout: equal digests, equal programs."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            found.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


@cache
def _identity(options: ArchiveOptions) -> str:
    return digest(identity(options, SCHEMA_VERSION))


@cache
def _prepare() -> None:
    from demo.archive.work import prepare_worker

    prepare_worker()

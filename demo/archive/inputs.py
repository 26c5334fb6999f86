"""The files of a job on this machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from demo.archive.jobs import Item, Job
from demo.archive.ledger import OUTPUT_ERRORS
from demo.errors import UserError
from models.errors import AgeStreamError


def local_paths(job: Job, stack: ExitStack) -> list[Path]:
    """The files of a job on this machine; addresses are copied until the stack ends. Raises
    UserError."""
    if not any(item.remote for item in job.items):
        return [Path(item.path) for item in job.items]
    copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agestream-")))
    return [_copied(item, copies / str(k)) for k, item in enumerate(job.items)]


def _copied(item: Item, folder: Path) -> Path:
    from fsspec.core import url_to_fs

    from demo.sources.net.redact import redact

    folder.mkdir()
    copy = folder / item.path.partition("::")[0].rpartition("/")[2]
    try:
        system, path = url_to_fs(item.path)
        system.get_file(path, str(copy))
    except Exception as error:  # the drivers' errors share no base class
        if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS:
            raise
        reason = redact(str(error).partition("\n")[0]) or type(error).__name__
        raise UserError(f"cannot read {item.name}: {reason}") from None
    return copy


def check_unchanged(job: Job) -> None:
    """Raise UserError if a file is not the one that was found: somebody writes to it."""
    for item in job.items:
        if item.remote:
            continue
        with suppress(OSError):  # gone by now: its results are right
            status = os.stat(item.path)
            if (status.st_size, str(status.st_mtime_ns)) != (item.size, item.version):
                raise UserError(f"{item.name} changed while it was read: run the command again")


@contextmanager
def named(job: Job, paths: list[Path]) -> Iterator[None]:
    """Let errors name files as the user does."""
    try:
        yield
    except AgeStreamError as error:
        raise UserError(with_names(str(error), job, paths)) from error


def with_names(line: str, job: Job, paths: list[Path]) -> str:
    """A line with the names of files as the user gave them, in place of their paths."""
    for item, path in zip(job.items, paths, strict=True):
        line = line.replace(str(path), item.name)
    return line

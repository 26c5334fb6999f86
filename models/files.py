"""Write files atomically: the old file stays until the new one is complete."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import ModelError

ROOT = Path(__file__).resolve().parents[1]  # of the repository


def writable_folder(path: Path) -> None:
    """Create a folder to write to, with its parents. Raises OSError if it cannot be created or is
    not writable."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is there and is not writable", str(path))


def make_folder(path: Path) -> None:
    """`writable_folder`, to be called before long work starts. Raises ModelError."""
    try:
        writable_folder(path)
    except OSError as error:
        raise ModelError(f"cannot make folder {path}: {error.strerror}") from None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of `path` to write to. It replaces `path` at the end,
    or is deleted if an exception is raised."""
    unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

"""Files are written whole: what was there before stays until the new one is complete."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import ModelError


def writable_folder(path: Path) -> None:
    """Make sure that there is a folder to write to. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is there and is not writable", str(path))


def make_folder(path: Path) -> None:
    """Create a folder to write to, with its parents, before long work starts. Raises ModelError if
    it cannot be created or is not writable."""
    try:
        writable_folder(path)
    except OSError as error:
        raise ModelError(f"cannot make folder {path}: {error.strerror}") from None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path of the same ending to write to, which takes the place of `path` if nothing fails."""
    unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

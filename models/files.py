"""Files are written whole: what was there before stays until the new one is complete."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def writable_folder(path: Path) -> None:
    """Make sure that there is a folder to write to. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is there and is not writable", str(path))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path of the same ending to write to, which takes the place of `path` if nothing fails."""
    unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

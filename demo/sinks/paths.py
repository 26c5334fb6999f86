"""Checks of output paths before a run starts, so that no long run ends in vain."""

import os
from collections.abc import Collection
from pathlib import Path

from demo.errors import UserError


def check_file(path: Path, suffixes: Collection[str], action: str, replaced: bool = False) -> None:
    """Raise UserError unless a file can be written at the path, with one of the suffixes (lower
    case, with the dot).

    `action` begins the message: "record to", "log to". `replaced`: the file will be written beside
    the path and then moved there, which also takes a writable folder.
    """
    if path.suffix.lower() not in suffixes:
        expected = ", ".join(sorted(suffixes))
        raise UserError(f"cannot {action} {path}: the name must end in {expected}")
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    places = [path] if path.exists() else [folder]
    for place in [*places, folder] if replaced else places:
        if not os.access(place, os.W_OK):
            raise UserError(f"cannot write {path}: {place} is not writable")

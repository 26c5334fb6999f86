"""What the commands' arguments have in common: counts, and folders to write to."""

import argparse
from pathlib import Path

from models.spec import ModelError


def count(text: str) -> int:
    """A whole number from 1 on, for argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count from 1 on")
    return int(text)


def make_folder(path: Path) -> None:
    """Make sure that there is a folder to write to, before long work. Raises ModelError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make folder {path}: {error.strerror}") from None

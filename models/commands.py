"""Shared by all commands: argument types, the command line as text, and exit codes."""

import argparse
import io
import math
import shlex
import sys
from collections.abc import Callable
from typing import Any

from models.errors import AgeStreamError
from models.printable import printable

INTERRUPTED = 130  # exit code after Ctrl-C, as in shells: 128 + SIGINT


def number(low: float, high: float = math.inf, kind: type = float) -> Callable[[str], Any]:
    """A `type` for argparse: finite numbers of a `kind`, int or float, from `low` to `high`."""
    within = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"

    def converted(text: str) -> Any:
        try:
            value = kind(text)
            fits = low <= value <= high and math.isfinite(value)
        except (ValueError, OverflowError):  # an int may have too many digits
            fits = False
        if not fits:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {what} {within}")
        return value

    return converted


count = number(1, kind=int)
seed = number(0, 2**32 - 1, kind=int)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the argument NAME, for `models.manifest.load_manifest`."""
    parser.add_argument("name", help="a shipped model, or the path of a manifest (.json)")


def command_line(module: str, argv: list[str] | None) -> str:
    """The command as the user typed it, to be stored with its results."""
    typed = sys.argv[1:] if argv is None else argv
    return printable(shlex.join(["python", "-m", module, *typed]))


def guarded(module: str, work: Callable[[], Any], stopped: str = "") -> int:
    """Call `work` and return the command's exit code: an int that `work` returns, else 0; 2 after
    an error of AgeStream or of the file system, or for a name that TensorFlow does not take;
    INTERRUPTED after Ctrl-C. Each prints one line on standard error, prefixed by `module`; that of
    Ctrl-C ends in `stopped`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a report may hold a file name that is no text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = work()
    except AgeStreamError as mistake:
        print(f"{module}: {printable(str(mistake))}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        place = printable(str(error.filename or "disk"))
        print(f"{module}: {place}: {error.strerror}", file=sys.stderr)
        return 2
    except UnicodeEncodeError as error:
        if printable(error.object) == error.object:
            raise
        name = printable(error.object)
        print(f"{module}: {name}: TensorFlow takes UTF-8 names only: rename it", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{module}: stopped{stopped}", file=sys.stderr)
        return INTERRUPTED
    return code if isinstance(code, int) else 0

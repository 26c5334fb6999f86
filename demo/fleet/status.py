"""The status of a fleet: a file for other programs, and a table for people."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.errors import UserError
from models.files import atomic_write
from models.printable import printable

STATUS_FILE = "status.json"
STATUS_VERSION = 1
HEAD = ("camera", "state", "fps", "people", "restarts", "since", "last error")
NUMBERS = ("fps", "people", "restarts")  # columns that are aligned at their ends
NAME_WIDTH = 24  # characters
MIN_ERROR = 10  # characters of an error, however narrow the terminal is

Row = dict[str, Any]
Status = dict[str, Any]


def status_of(rows: Sequence[Row], state: str = "running") -> Status:
    """The status of a fleet that is "running" or "stopped", with plain values."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"version": STATUS_VERSION, "state": state, "time": now, "cameras": list(rows)}


def write_status(out: Path, status: Status) -> None:
    """Replace the file in the folder of results. Raises OSError."""
    with atomic_write(out / STATUS_FILE) as unfinished:
        unfinished.write_text(json.dumps(status) + "\n", encoding="utf-8")


def read_status(out: Path) -> Status:
    """The last status of a fleet. Raises UserError."""
    path = out / STATUS_FILE
    try:
        status: Status = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{out}: no fleet has run here: name its folder with --out") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if status.get("version") != STATUS_VERSION:
        raise UserError(f"{path} is of another version of AgeStream: use that one")
    return status


def table(status: Status, width: int) -> list[str]:
    """A line a camera below a head, and the links to their pages; at most `width` characters."""
    rows = status["cameras"]
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(HEAD) - 1)]
    room = max(width - sum(widths) - 2 * len(widths), MIN_ERROR)
    lines = [_line(row, widths, room) for row in cells]
    links = [f"{_short(row['camera'])}: {row['link']}" for row in rows if row["link"]]
    return [*lines, *([""] if links else []), *map(printable, links)]


def _cells(row: Row) -> tuple[str, ...]:
    since = datetime.fromisoformat(row["since"]).astimezone()
    return (
        *(_short(row["camera"]), row["state"], f"{row['fps']:.1f}", str(row["people"])),
        *(str(row["restarts"]), f"{since:%m-%d %H:%M:%S}", printable(row["error"])),
    )


def _line(cells: tuple[str, ...], widths: list[int], room: int) -> str:
    padded = [
        cell.rjust(width) if name in NUMBERS else cell.ljust(width)
        for name, cell, width in zip(HEAD, cells, widths, strict=False)
    ]
    error = cells[-1] if len(cells[-1]) <= room else f"{cells[-1][: room - 1]}…"
    return "  ".join([*padded, error]).rstrip()


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"

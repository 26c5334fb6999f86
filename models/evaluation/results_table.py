"""The project's tables of results: CSV files in which a new measurement replaces the old one, with
the command, commit and machine to repeat it."""

import csv
import hashlib
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.cells import harmless, original
from models.crops.spec import GEOMETRY_VERSION
from models.errors import ModelError
from models.files import ROOT, atomic_write
from models.machine import machine
from models.manifest import Manifest

RESULTS = ROOT / "models" / "results"
DIGITS = 12  # hexadecimal digits that are kept of a hash
Row = dict[str, str]  # column -> cell


def read(path: Path) -> list[Row]:
    """The rows of a table; [] if there is no such file. Raises ModelError if it cannot be read."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, ValueError, csv.Error) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
    if any(None in row for row in rows):
        raise ModelError(f"{path} is damaged: a row has more columns than its first line")
    return [{name: original(cell) for name, cell in row.items()} for row in rows]


def write(path: Path, key: Mapping[str, str], new: list[dict[str, Any]]) -> None:
    """Replace the rows whose columns equal `key` (column -> value) by the `new` rows, or append
    these if there are none. None becomes an empty cell. Raises ModelError if the table cannot be
    read or written."""
    old = read(path)
    same = [all(row.get(name) == value for name, value in key.items()) for row in old]
    first = same.index(True) if any(same) else len(old)
    added = [{**key, **{name: "" if v is None else v for name, v in row.items()}} for row in new]
    kept = [row for row, replaced in zip(old, same, strict=True) if not replaced]
    rows: list[dict[str, Any]] = [*kept[:first], *added, *kept[first:]]
    columns = list(dict.fromkeys(name for row in [*added, *kept] for name in row))
    try:
        with (
            atomic_write(path) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows({k: harmless(value) for k, value in row.items()} for row in rows)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from None


def circumstances(manifest: Manifest, command: str, seed: int) -> dict[str, Any]:
    """The columns that describe how a result was measured: command, seed, machine, commit, weights
    and date."""
    return {
        "command": command,
        "seed": seed,
        "machine": machine(),
        "commit": commit(),
        **weights_of(manifest),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def weights_of(manifest: Manifest) -> dict[str, str]:
    """The columns "weights" and "settings": hashes of the weights, and of the crops, flip
    averaging and calibration that they run with. Stored rows are matched by them."""
    values = [manifest.input.to_record(), manifest.flip_tta, manifest.calibration, GEOMETRY_VERSION]
    settings = json.dumps(values, sort_keys=True).encode()
    return {
        "weights": manifest.digest[:DIGITS],
        "settings": hashlib.sha256(settings).hexdigest()[:DIGITS],
    }


def commit() -> str:
    """Short hash of the checkout, with "+" if tracked files other than the results are modified; ""
    outside a git repository."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no").splitlines()
    except (OSError, subprocess.CalledProcessError):
        return ""
    results = RESULTS.relative_to(ROOT).as_posix()
    return head.strip() + "+" * any(results not in line for line in changed)


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

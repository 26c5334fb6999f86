"""Tables of results that the project keeps: CSV files in which a new measurement takes the place of
the old one, beside what it takes to print its figures again."""

import csv
import hashlib
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.crops.spec import GEOMETRY_VERSION
from models.errors import ModelError
from models.files import ROOT, atomic_write
from models.machine import machine
from models.manifest import Manifest

RESULTS = ROOT / "models" / "results"
DIGITS = 12  # of hashes
Row = dict[str, str]  # column -> cell


def read(path: Path) -> list[Row]:
    """The rows of a table; none where there is no such file."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, ValueError, csv.Error) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
    if any(None in row for row in rows):
        raise ModelError(f"{path} is damaged: a row has more columns than its first line")
    return rows


def write(path: Path, key: Mapping[str, str], new: list[dict[str, Any]]) -> None:
    """Put `new` rows under a key (column -> value) in the place of the rows that have this key, at
    the end if there are none; None is an empty cell. Raises ModelError where that fails."""
    old = read(path)
    same = [all(row.get(name) == value for name, value in key.items()) for row in old]
    place = same.index(True) if any(same) else len(old)
    added = [{**key, **{name: "" if v is None else v for name, v in row.items()}} for row in new]
    kept = [row for row, replaced in zip(old, same, strict=True) if not replaced]
    rows: list[dict[str, Any]] = [*kept[:place], *added, *kept[place:]]
    columns = list(dict.fromkeys(name for row in [*added, *kept] for name in row))
    try:
        with (
            atomic_write(path) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from None


def circumstances(manifest: Manifest, command: str, seed: int) -> dict[str, Any]:
    """The columns that say how a figure came about."""
    return {
        "command": command,
        "seed": seed,
        "machine": machine(),
        "commit": commit(),
        **weights_of(manifest),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def weights_of(manifest: Manifest) -> dict[str, str]:
    """What tells these weights, and how they are asked, from others of the same name."""
    asked = [manifest.input.to_record(), manifest.flip_tta, manifest.calibration, GEOMETRY_VERSION]
    settings = json.dumps(asked, sort_keys=True).encode()
    return {
        "weights": manifest.digest[:DIGITS],
        "settings": hashlib.sha256(settings).hexdigest()[:DIGITS],
    }


def commit() -> str:
    """Short hash of the checkout, "+" where tracked files besides the results differ from it; empty
    outside a repository."""
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

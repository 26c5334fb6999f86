"""The cameras of a fleet, from a TOML file with one table a camera."""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from demo.arguments import MAX_KEEP_DAYS, TOKEN_VARIABLE
from demo.errors import UserError
from demo.fleet.camera import Camera
from demo.options import Options
from demo.sources.net.redact import redact
from demo.sources.open import CAMERA_PATTERN
from demo.web.addresses import parse_address
from models.errors import ModelError
from models.manifest import load_manifest

DEFAULTS = "defaults"  # the table whose options hold for all cameras
NAME_PATTERN = re.compile(r"\w(?:[\w -]{0,62}[\w-])?")  # a name is a folder on all systems
RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)  # of Windows
COVERS = ("blur", "pixelate", "mask")
ONE_CAMERA = ("source", "name", "serve")  # keys that are no defaults

Values = dict[str, Any]


class FleetError(UserError):
    """Mistakes in the file of cameras, a line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def read_cameras(path: Path) -> list[Camera]:
    """The cameras in a file. Raises UserError, FleetError with all mistakes in its tables."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UserError(f"{path}: {error}") from None
    mistakes: list[str] = []
    defaults = _checked(DEFAULTS, tables.pop(DEFAULTS, {}), mistakes)
    found = {table: _checked(table, values, mistakes) for table, values in tables.items()}
    if not mistakes:
        cameras = {table: defaults | {"name": table} | own for table, own in found.items()}
        for table, values in cameras.items():
            mistakes += _unusable(table, values)
        mistakes += _shared(cameras)
    if not tables:
        mistakes.append('no camera: add a table, as [door], with source = "rtsp://…"')
    if mistakes:
        raise FleetError([f"{path}: {line}" for line in mistakes])
    return [_camera(values) for values in cameras.values()]


def _checked(table: str, values: Any, mistakes: list[str]) -> Values:
    """The values of a table by key; what is wrong with them is added to `mistakes`."""
    if not isinstance(values, dict):
        mistakes.append(f"{table}: expected a table a camera, as [{table}]")
        return {}
    checked = {}
    for key, value in values.items():
        try:
            if table == DEFAULTS and key in ONE_CAMERA:
                raise ValueError("belongs to one camera: write it in its table")
            checked[key] = _check_of(key)(value)
        except (ValueError, ModelError) as error:
            mistakes.append(f"[{table}] {key}: {error}")
    return checked


def _check_of(key: str) -> Callable[[Any], Any]:
    if key in CHECKS:
        return CHECKS[key]
    near = difflib.get_close_matches(key, CHECKS, n=1)
    ending = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(CHECKS)}"
    raise ValueError(f"unknown key: {ending}")


def _unusable(table: str, values: Values) -> list[str]:
    """What is wrong with the keys of a camera together."""
    lines = []
    if "source" not in values:
        lines.append(f'[{table}] source: it is missing: add source = "rtsp://…"')
    if not NAME_PATTERN.fullmatch(values["name"]) or RESERVED.fullmatch(values["name"]):
        lines.append(
            f"[{table}] name: {values['name']!r} names a folder: use letters, digits, - and _"
        )
    if "anonymize" in values:
        lines += [
            f"[{table}] {key}: it would show new faces before they are covered: remove it, or "
            "anonymize"
            for key in ("detect-every", "budget-ms")
            if key in values and (key, values[key]) != ("detect-every", 1)
        ]
    if "keep-days" in values and not values.get("store"):
        lines.append(f"[{table}] keep-days: it deletes from the database: add store = true")
    return lines


def _shared(cameras: Mapping[str, Values]) -> list[str]:
    """Names, ports and devices that two cameras have."""
    lines, taken = [], dict[tuple[str, str], str]()
    for table, values in cameras.items():
        unique = {"name": values["name"].casefold()}
        if CAMERA_PATTERN.fullmatch(values.get("source", "")):
            unique["source"] = values["source"].removeprefix("/dev/video")
        if "serve" in values and parse_address(values["serve"]).port:
            unique["serve"] = str(parse_address(values["serve"]).port)
        for key, value in unique.items():
            other = taken.setdefault((key, value), table)
            if other != table:
                lines.append(f"[{table}] {key}: [{other}] has it already: give another one")
    return lines


def _camera(values: Values) -> Camera:
    kept = ("model", "min-face", "detect-every", "budget-ms", "anonymize", "serve", "keep-days")
    options = {key.replace("-", "_"): values[key] for key in kept if key in values}
    return Camera(
        values["name"],
        Options(sources=(values["source"],), display=False, **options),
        values.get("record", False),
        values.get("store", False),
    )


def _whole(low: int, high: int | None = None) -> Callable[[Any], int]:
    span = f"of at least {low}" if high is None else f"from {low} to {high}"

    def check(value: Any) -> int:
        right = isinstance(value, int) and not isinstance(value, bool)
        if not right or value < low or (high is not None and value > high):
            raise ValueError(f"expected a whole number {span}, not {value!r}")
        return int(value)

    return check


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a text in quotation marks, not {value!r}")
    return value


def _source(value: Any) -> str:
    text = str(value) if type(value) is int else _text(value)
    if CAMERA_PATTERN.fullmatch(text) or text.startswith("/dev/"):
        return text
    if "://" not in text or text.lower().startswith("file:"):
        raise ValueError(
            f"{redact(text)!r} is no camera number or address: for files use python -m demo.archive"
        )
    return text


def _model(value: Any) -> str:
    load_manifest(_text(value))
    return str(value)


def _budget(value: Any) -> float:
    if type(value) not in (int, float) or not 0.1 <= value < float("inf"):
        raise ValueError(f"expected a number of at least 0.1, not {value!r}")
    return float(value)


def _cover(value: Any) -> str:
    if value not in COVERS:
        raise ValueError(f"expected one of {', '.join(COVERS)}, not {value!r}")
    return str(value)


def _serve(value: Any) -> str:
    text = str(value) if type(value) is int else _text(value)
    try:
        address = parse_address(text)
    except UserError as error:
        raise ValueError(str(error).removeprefix("--serve ")) from None
    if not address.loopback and TOKEN_VARIABLE not in os.environ:
        raise ValueError(f"other machines need a token: set {TOKEN_VARIABLE} in the environment")
    return text


CHECKS: dict[str, Callable[[Any], Any]] = {
    "source": _source,
    "name": _text,
    "model": _model,
    "min-face": _whole(1),
    "detect-every": _whole(1),
    "budget-ms": _budget,
    "anonymize": _cover,
    "record": _yes_or_no,
    "store": _yes_or_no,
    "keep-days": _whole(1, MAX_KEEP_DAYS),
    "serve": _serve,
}

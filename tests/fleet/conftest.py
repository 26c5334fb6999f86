"""Cameras with two people on loopback, and fleets that watch them."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fleet.running import Fleet
from tests.synthetic import Broadcast, jpeg


@pytest.fixture
def people_camera(broadcast: Callable, two_people: Callable) -> Callable[[], Broadcast]:
    """Makes cameras that show two people who move apart and back."""
    there = [jpeg(two_people(k)) for k in range(20)]
    pictures = [*there, *there[::-1]]

    def make() -> Broadcast:
        return broadcast(lambda k: pictures[k % len(pictures)])

    return make


@pytest.fixture
def write_cameras(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tables of cameras.toml; a table is its name and its lines."""

    def write(**tables: str) -> Path:
        path = tmp_path / "cameras.toml"
        lines = itertools.chain(*((f"[{name}]", text) for name, text in tables.items()))
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def fleet(tmp_path: Path, write_cameras: Callable) -> Iterator[Callable[..., Fleet]]:
    """Starts fleets that are gone after the test."""
    made: list[Fleet] = []

    def start(*options: str, **tables: str) -> Fleet:
        made.append(Fleet(write_cameras(**tables), tmp_path / "out", *options))
        return made[-1]

    yield start
    for each in made:
        each.kill()

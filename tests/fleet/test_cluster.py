"""Cameras on a cluster of two nodes, as Ray makes it for tests."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

from demo.fleet.__main__ import main
from models.commands import INTERRUPTED
from tests.fleet.running import (
    check_once,
    check_uninterrupted,
    faces,
    running,
    seconds_to_be_back,
    source,
)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the package ray is absent"),
]
CLUSTER = """
from ray.cluster_utils import Cluster

node = dict(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000)
cluster = Cluster(initialize_head=True, head_node_args=node)
second = cluster.add_node(**node)
print(cluster.address, flush=True)
input()
cluster.remove_node(second, allow_graceful=False)
print("killed", flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The next line of a process with two nodes: their address, then "killed"."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }.items():
        monkeypatch.setenv(name, value)
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    asked = False

    def line() -> str:
        nonlocal asked
        if asked:
            process.stdin.write("\n")
            process.stdin.flush()
        asked = True
        return next(each for each in lines if not each.startswith("[")).strip()

    yield line
    process.stdin.write("\n\n")
    process.stdin.close()
    process.wait(30)


@pytest.mark.slow
def test_a_camera_of_a_killed_node_is_back_on_another_one(
    cluster: Callable[[], str], fleet: Callable, people_camera: Callable
) -> None:
    options = ("--engine", "ray", "--address", cluster())
    started = fleet(*options, door=source(people_camera()), hall=source(people_camera()))
    started.until(lambda rows: running(rows) and all(r["frames"] > 20 for r in rows.values()))
    assert cluster() == "killed"
    began = time.monotonic()
    rows = started.until(
        lambda rows: running(rows) and sum(r["restarts"] for r in rows.values()) == 1
    )
    assert time.monotonic() - began < seconds_to_be_back()
    (moved,) = [row for row in rows.values() if row["restarts"]]
    (other,) = [name for name in rows if name != moved["camera"]]
    assert moved["error"] == "its machine died, or does not answer"
    started.until(lambda rows: rows[moved["camera"]]["frames"] > moved["frames"] + 10)
    assert started.interrupt() < 5 + seconds_to_be_back()  # Ray takes its time to leave
    assert started.process.returncode == INTERRUPTED
    check_uninterrupted(faces(started.out / other))
    check_once(faces(started.out / moved["camera"]))
    assert max(row["part"] for row in faces(started.out / moved["camera"])) == 2


def test_an_address_without_a_cluster_is_one_line(
    write_cameras: Callable, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    path = write_cameras(a="source = 0")
    command = [str(path), "--engine", "ray", "--address", "127.0.0.1:9"]
    assert main([*command, "--out", str(path.parent / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("demo.fleet: no cluster answers at 127.0.0.1:9: ")
    assert os.listdir(path.parent) == ["cameras.toml"]

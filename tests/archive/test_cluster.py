import json
import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from demo.archive.cluster import connected
from demo.archive.jobs import Item, make_jobs
from demo.archive.ledger import Ledger
from demo.archive.mark import forgive, is_wanted, marked
from demo.archive.options import ArchiveOptions, digest, identity
from demo.archive.order import Order, code_digest, obey
from demo.archive.schema import SCHEMA_VERSION
from demo.errors import UserError
from demo.options import Options
from models.files import ROOT
from tests.synthetic import write_clip

CLIPS = 6
FRAMES = 60
SECONDS = 60.0  # at most, for what a test waits for


class Cluster:
    """A Ray cluster of one node, and the archive on it."""

    def __init__(self) -> None:
        self.env = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
        }
        self._host = subprocess.Popen(
            [sys.executable, "-m", "tests.archive.nodes"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._host.stdout.readline().strip()
        assert self.address

    def tell(self, line: str) -> None:
        print(line, file=self._host.stdin, flush=True)
        assert self._host.stdout.readline() == "done\n"

    def start(self, source: Path, out: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "demo.archive", str(source), "--out", str(out), "--json"]
        command += ["--engine", "ray", "--address", self.address]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdout=pipe, stderr=pipe, text=True
        )

    def close(self) -> None:
        self._host.stdin.close()
        try:
            self._host.wait(SECONDS)
        finally:
            self._host.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes with a core each."""
    if find_spec("ray") is None:
        pytest.skip("ray is absent")
    cluster = Cluster()
    cluster.tell("join")
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, two_people: Callable) -> Path:
    """A folder of equal videos."""
    folder = tmp_path_factory.mktemp("films")
    write_clip(folder / "0.mkv", [two_people(k % 20) for k in range(FRAMES)])
    for k in range(1, CLIPS):
        shutil.copy(folder / "0.mkv", folder / f"{k}.mkv")
    return folder


def results(driver: "subprocess.Popen[str]") -> dict:
    """The last line of a run, which must succeed and print nothing of Ray's."""
    out, err = driver.communicate(timeout=SECONDS)
    assert driver.returncode == 0, err
    assert all(line.startswith("demo.archive: ") for line in err.splitlines()), err
    return json.loads(out.splitlines()[-1])


def records(out: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((out / "jobs").glob("*.json"))]


def running(out: Path) -> list[dict]:
    """Notes of the jobs at work, as soon as there are any."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        notes = [json.loads(p.read_text()) for p in (out / ".unfinished").glob("*/running.json")]
        if notes:
            return notes
        time.sleep(0.02)
    raise AssertionError("no job began")


def check_once(out: Path) -> None:
    """Every video has one whole part of each kind, and nothing unfinished is left."""
    from pyarrow import parquet

    assert [record["state"] for record in records(out)] == ["done"] * CLIPS
    for folder in ("faces", "people"):
        parts = sorted((out / folder).iterdir())
        assert [p.stem for p in parts] == [r["key"] for r in records(out)]
    faces = [parquet.read_table(path).drop_columns("source") for path in (out / "faces").iterdir()]
    assert faces[0].num_rows == 2 * FRAMES
    assert all(table.equals(faces[0]) for table in faces)
    assert list((out / ".unfinished").iterdir()) == []


@pytest.mark.ray
def test_a_cluster_does_every_job_once_and_a_second_run_does_nothing(cluster, clips, tmp_path):
    last = results(cluster.start(clips, tmp_path))
    assert (last["done"], last["failed"], last["workers"]) == (CLIPS, 0, 2)
    check_once(tmp_path)
    assert {record["attempts"] for record in records(tmp_path)} == {1}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}
    assert results(cluster.start(clips, tmp_path))["done"] == CLIPS
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}


@pytest.mark.ray
def test_the_job_of_a_killed_worker_is_done_at_the_second_attempt(cluster, clips, tmp_path):
    driver = cluster.start(clips, tmp_path)
    note = running(tmp_path)[0]
    os.kill(note["pid"], signal.SIGKILL)
    assert results(driver)["done"] == CLIPS
    (tmp_path / ".unfinished").mkdir(exist_ok=True)
    assert {r["name"]: r["attempts"] for r in records(tmp_path)}[note["name"]] == 2
    assert sum(record["attempts"] for record in records(tmp_path)) == CLIPS + 1


@pytest.mark.ray
def test_a_killed_driver_is_resumed_and_its_attempts_do_not_count(cluster, clips, tmp_path):
    driver = cluster.start(clips, tmp_path)
    running(tmp_path)
    driver.kill()
    driver.communicate()
    assert results(cluster.start(clips, tmp_path))["done"] == CLIPS
    check_once(tmp_path)
    assert {record["attempts"] for record in records(tmp_path)} == {1}


@pytest.mark.ray
def test_a_killed_node_costs_attempts_and_one_that_joins_is_used(cluster, clips, tmp_path):
    driver = cluster.start(clips, tmp_path)
    running(tmp_path)
    cluster.tell("kill")
    cluster.tell("join")
    assert results(driver)["done"] == CLIPS

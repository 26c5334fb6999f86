import json
import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from demo.archive.__main__ import main
from demo.archive.annotate import annotate
from demo.archive.cluster import connected
from demo.archive.jobs import Item, make_jobs
from demo.archive.ledger import Ledger
from demo.archive.mark import Mark, forgive, is_wanted, marked
from demo.archive.options import ArchiveOptions, digest, identity
from demo.archive.order import Order, code_digest, obey
from demo.archive.schema import SCHEMA_VERSION
from demo.archive.work import work
from demo.errors import UserError
from demo.options import Options
from models.files import ROOT
from tests.synthetic import write_clip

CLIPS = 4
FRAMES = 40
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


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_driver_is_resumed_and_every_job_is_done_once(cluster, clips, tmp_path):
    driver = cluster.start(clips, tmp_path)
    running(tmp_path)
    driver.kill()
    driver.communicate()
    last = results(cluster.start(clips, tmp_path))
    assert (last["done"], last["failed"], last["workers"]) == (CLIPS, 0, 2)
    check_once(tmp_path)
    assert {record["attempts"] for record in records(tmp_path)} == {1}  # the killed one is forgiven
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}
    assert results(cluster.start(clips, tmp_path))["done"] == CLIPS
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}


@pytest.mark.slow
@pytest.mark.ray
def test_jobs_of_a_killed_worker_and_of_a_killed_node_are_done(cluster, clips, tmp_path):
    driver = cluster.start(clips, tmp_path)
    note = running(tmp_path)[0]
    os.kill(note["pid"], signal.SIGKILL)
    cluster.tell("kill")
    cluster.tell("join")
    assert results(driver)["done"] == CLIPS
    check_once(tmp_path)
    attempts = {record["name"]: record["attempts"] for record in records(tmp_path)}
    assert attempts[note["name"]] >= 2
    assert CLIPS + 1 <= sum(attempts.values()) <= CLIPS + 3  # the node had one job or two


@pytest.mark.slow
@pytest.mark.ray
def test_ray_runs_without_an_address_and_gives_what_the_local_engine_does(clips, tmp_path):
    from pyarrow import parquet

    pytest.importorskip("ray", reason="ray is absent")
    command = [sys.executable, "-m", "demo.archive", str(clips / "0.mkv"), "--json", "--out"]
    for out, engine in (("ray", ["--engine", "ray", "--workers", "1"]), ("local", [])):
        run = [*command, str(tmp_path / out), *engine]
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == 2, done.stderr
    for part in ("faces", "people"):
        one, other = (parquet.read_table(tmp_path / out / part) for out in ("ray", "local"))
        assert one.equals(other)


@pytest.fixture
def order(clips, tmp_path) -> Order:
    """A job of a driver that has set its mark."""
    options = ArchiveOptions(tmp_path, Options())
    ledger = Ledger(tmp_path)
    ledger.prepare()
    path = clips / "0.mkv"
    item = Item("0.mkv", str(path), path.stat().st_size, str(path.stat().st_mtime_ns), False)
    (job,) = make_jobs([item], digest(identity(options, SCHEMA_VERSION)))
    return Order(job, options, ledger.unfinished / "driver-1.mark", str(path))


def test_a_machine_that_differs_from_the_driver_takes_no_job(order, tmp_path):
    code = code_digest(ROOT)
    host = socket.gethostname()
    mark = Mark(order.mark)
    assert obey("another", pickle.dumps(order)) == {
        "unfit": f"{host} has another version of the program in {ROOT}: update it"
    }
    assert obey(code, pickle.dumps(order)) == {
        "unfit": f"{host} does not share the folder {tmp_path}: mount it there"
    }
    mark.write()
    assert obey(code, pickle.dumps(order._replace(seen="/films/1.mkv"))) == {
        "unfit": f"{host} does not see /films/1.mkv: mount its folder there"
    }
    other = order._replace(job=replace(order.job, options="0"))
    assert obey(code, pickle.dumps(other)) == {
        "unfit": f"{host} has other networks than the driver: copy models/weights there"
    }
    mark.stop()
    assert obey(code, pickle.dumps(order)) == {"waiting": True}
    assert not Ledger(tmp_path).records()


def test_a_worker_that_was_taken_for_dead_records_nothing(order, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)

    def delayed(job, options, folder):
        found = annotate(job, options, folder)
        ledger.drop_unfinished(job.key)  # as a driver that gave the job to another worker
        ledger.set_attempts(job, 2, "running")
        return found

    monkeypatch.setattr("demo.archive.annotate.annotate", delayed)
    assert work(order.job, order.options)["state"] == "failed"
    record = ledger.records()[order.job.key]
    assert (record["state"], record["attempts"]) == ("running", 2)
    assert list((tmp_path / "faces").iterdir()) == []


def test_equal_code_has_equal_digests(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "demo").mkdir(parents=True)
        (tmp_path / name / "demo" / "run.py").write_text("pass")
    assert code_digest(tmp_path / "one") == code_digest(tmp_path / "two")
    (tmp_path / "three" / "demo").mkdir(parents=True)
    (tmp_path / "three" / "demo" / "run.py").write_text("...")
    assert code_digest(tmp_path / "one") != code_digest(tmp_path / "three")


def test_attempts_of_a_killed_driver_do_not_count_unless_the_machine_restarted(order, tmp_path):
    ledger = Ledger(tmp_path)
    ledger.set_attempts(order.job, 3, "running")
    order.mark.write_text('{"stopped": false, "boot": "an earlier start"}')
    forgive(ledger, [order.job])
    assert ledger.records()[order.job.key]["attempts"] == 3
    Mark(order.mark).write()
    forgive(ledger, [order.job])
    record = ledger.records()[order.job.key]
    assert (record["attempts"], record["state"]) == (2, "waiting")
    assert not order.mark.exists()
    with marked(ledger) as mark:
        assert is_wanted(mark.path)
    assert is_wanted(mark.path) is None


@pytest.mark.parametrize(
    ("address", "mode", "line"),
    [
        ("10.0.0.1:6379", "disabled", "the cluster must ask for a token"),
        ("ray://10.0.0.1:10001", "token", "is for Ray Client"),
        ("10.0.0.1", "token", "give HOST:PORT of the cluster"),
        ("127.0.0.1:1", "token", "no cluster answers at 127.0.0.1:1: Connection refused"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(monkeypatch, address, mode, line):
    monkeypatch.setattr("demo.archive.cluster.find_spec", lambda name: name)
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(UserError, match=line), connected(address, 1, print):
        pass


def test_a_missing_ray_is_named_with_its_requirements(monkeypatch):
    monkeypatch.setattr("demo.archive.cluster.find_spec", lambda name: None)
    mend = r"needs ray: pip install -r requirements-cluster\.txt"
    with pytest.raises(UserError, match=mend), connected(None, 1, print):
        pass


def test_an_address_needs_the_engine(tmp_path, capsys):
    assert main(["films", "--out", str(tmp_path), "--address", "auto"]) == 2
    assert "add --engine ray" in capsys.readouterr().err

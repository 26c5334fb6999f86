"""Faults of the machine under a real run of the command: what happens, and what is lost."""

import contextlib
import ctypes
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import av
import pytest

import stream
from demo.sinks.videofile import KEYFRAME_SECONDS
from models.commands import INTERRUPTED
from tests.synthetic import write_clip

ROOT = Path(__file__).resolve().parents[1]
LOST_SECONDS = 2.0  # of a recording, at most
MOMENTS, AT_ONCE = 20, 5
LIMIT = 250_000  # bytes of a file, where a disk is full: somewhere within the clip
CAP_VERSION, CAP_DAC_OVERRIDE = 0x20080522, 1
Sets = ctypes.c_uint32 * 6  # of capabilities
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and limits of POSIX")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory, two_people) -> Path:
    """Six seconds at 25 fps, 480x270."""
    path = tmp_path_factory.mktemp("faults") / "clip.mkv"
    there = [two_people(k) for k in range(25)]
    write_clip(path, 3 * (there + there[::-1]))
    return path


class Run(NamedTuple):
    """A process that runs the command."""

    process: Any
    error: Path  # what it tells


@pytest.fixture
def command(tmp_path) -> Callable[..., Run]:
    """Starts stream.py, by default without a window, from a process that has loaded its modules,
    which takes most of a start; `before` runs in its process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["test_faults", "demo.session", "models.inference.estimator", "openvino"]
    )
    count = iter(range(99))

    def start(
        *arguments: object, before: Callable[[], object] | None = None, window: bool = False
    ) -> Run:
        error = tmp_path / f"error-{next(count)}.txt"
        line = [*["--no-display"][window:], *map(str, arguments)]
        process = context.Process(target=run_command, args=(line, error, before))
        process.start()
        return Run(process, error)

    return start


def run_command(arguments: list[str], error: Path, before: Callable[[], object] | None) -> None:
    """The command in this process, its standard error in a file."""
    with error.open("w") as told:
        os.dup2(told.fileno(), 2)
    if before:
        before()
    sys.exit(stream.main(arguments))


def ending(run: Run) -> tuple[int, list[str]]:
    """Exit code and the command's own lines, without the one about the device."""
    run.process.join(timeout=60)
    error = run.error.read_text()
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("stream: ")]
    return run.process.exitcode, [line for line in lines if " on cpu with " not in line]


def logged(log: Path) -> list[dict]:
    """The complete lines of a log."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


def wait_for(log: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= lines):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def times(video: Path) -> list[float]:
    """Seconds of the pictures that can be played, up to where the file breaks off."""
    seconds: list[float] = []
    with contextlib.suppress(av.error.FFmpegError), av.open(str(video)) as container:
        seconds.extend(float(picture.time) for picture in container.decode(video=0))
    return seconds


def show_at(display: str) -> None:
    """Let windows open on another display."""
    os.environ["DISPLAY"] = display


def fill_disk() -> None:
    """Let no file grow beyond LIMIT."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def close_standard_error() -> None:
    """As `2>&-` in a shell."""
    os.close(2)
    sys.stderr = None


def break_standard_error() -> None:
    """As `2>&1 | head -1`, whose reader has gone."""
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(read)


def be_nobody() -> None:
    """Root writes where it likes, until this process has lost that right."""
    if sys.platform.startswith("linux"):
        libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(CAP_VERSION, 0), Sets()
        libc.capget(header, sets)
        sets[0] &= ~(1 << CAP_DAC_OVERRIDE)  # of the effective ones
        libc.capset(header, sets)


@pytest.mark.slow
@posix
def test_a_process_killed_at_20_random_moments_loses_two_seconds_at_most(
    tmp_path, long_clip, command
):
    moments = random.Random(6).sample(range(1, 140), MOMENTS)  # frames
    for batch in range(0, MOMENTS, AT_ONCE):
        running = []
        for frames in moments[batch : batch + AT_ONCE]:
            log = tmp_path / f"{frames}.jsonl"
            video = log.with_suffix((".mp4", ".mkv")[frames % 2])
            run = command("-s", long_clip, "--min-face", 60, "--log", log, "-o", video)
            running.append((frames, log, video, run.process))
        for frames, log, video, process in sorted(running, key=lambda each: each[0]):
            wait_for(log, frames)
            process.kill()
            process.join(timeout=60)
            entries = logged(log)
            assert [entry["frame"] for entry in entries] == list(range(len(entries)))
            last = max(times(video), default=0.0)
            assert entries[-1]["time"] - last <= LOST_SECONDS
            assert last > 0 or entries[-1]["time"] <= 2 * KEYFRAME_SECONDS


@posix
@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_with_everything_complete(tmp_path, long_clip, command, stop):
    video, log, summary = tmp_path / "a.mp4", tmp_path / "a.jsonl", tmp_path / "a.json"
    heard = partial(signal.signal, getattr(signal, stop), signal.SIG_DFL)  # though under nohup
    run = command("-s", long_clip, "--log", log, "-o", video, "--summary", summary, before=heard)
    wait_for(log, 20)
    for _ in range(2 if stop == "SIGHUP" else 1):  # the shell's, and the system's
        os.kill(run.process.pid, getattr(signal, stop))
        time.sleep(0.003)
    assert ending(run)[0] == INTERRUPTED
    frames = len(logged(log))
    assert 20 <= frames < 150
    assert len(times(video)) == frames == json.loads(summary.read_text())["frames"]


@posix
def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_keeps_what_was_written(
    tmp_path, long_clip, command
):
    runs = {}
    for suffix in (".mp4", ".mkv"):
        log, video = tmp_path / f"{suffix}.jsonl", tmp_path / f"a{suffix}"
        runs[video] = log, command("-s", long_clip, "-o", video, "--log", log, before=fill_disk)
    for video, (log, run) in runs.items():
        code, lines = ending(run)
        assert code == 2
        assert lines == [f"stream: cannot record to {video}: File too large"]
        entries = logged(log)
        assert [entry["frame"] for entry in entries] == list(range(len(entries)))
        assert entries[-1]["time"] - max(times(video), default=0.0) <= LOST_SECONDS
        assert times(video)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_without_room_is_named_and_the_other_files_are_complete(tmp_path, clip, command):
    runs = {}
    for option, name in (("--log", "a.jsonl"), ("--summary", "a.html")):
        full, video = tmp_path / name, tmp_path / f"{name}.mp4"
        beside = full.with_stem("a.unfinished")  # a summary moves to its place when it is complete
        (full if option == "--log" else beside).symlink_to("/dev/full")
        runs[full] = video, command("-s", clip, option, full, "-o", video)
    for full, (video, run) in runs.items():
        code, (line,) = ending(run)
        assert code == 2
        assert str(full) in line
        assert line.endswith("No space left on device")
        assert len(times(video)) == (20 if full.suffix == ".html" else 0)


@posix
def test_a_folder_that_is_read_only_is_refused_before_the_run(tmp_path, clip, astronaut, command):
    import cv2

    folder = tmp_path / "locked"
    folder.mkdir(0o555)
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    runs = [
        command("-s", source, option, folder / name, before=be_nobody)
        for source, option, name in (
            (clip, "-o", "a.mp4"),
            (clip, "--log", "a.csv"),
            (clip, "--summary", "a.html"),
            (tmp_path / "a.png", "-o", "photos"),
        )
    ]
    for run in runs:
        code, (line,) = ending(run)
        assert code == 2
        assert str(folder) in line
        assert line.endswith(("is not writable", "Permission denied"))
    assert not list(folder.iterdir())


@posix
@pytest.mark.parametrize("lose", [close_standard_error, break_standard_error])
def test_without_standard_error_everything_is_complete(tmp_path, clip, command, lose):
    log, video = tmp_path / "a.jsonl", tmp_path / "a.mp4"
    assert ending(command("-s", clip, "--log", log, "-o", video, before=lose)) == (0, [])
    assert [entry["frame"] for entry in logged(log)] == list(range(20))
    assert len(times(video)) == 20


@pytest.fixture
def xvfb() -> Iterator[tuple[subprocess.Popen, str]]:
    """An X server and its $DISPLAY."""
    if not which("Xvfb"):
        pytest.skip("needs Xvfb")
    told, tell = os.pipe()
    line = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    server = subprocess.Popen(line, pass_fds=[tell], stderr=subprocess.DEVNULL)
    os.close(tell)
    with os.fdopen(told) as number:
        yield server, f":{number.readline().strip()}"
    server.kill()
    server.wait()


def test_a_display_that_ends_leaves_the_recording_and_the_log(tmp_path, long_clip, command, xvfb):
    """The toolkit may be at work in that moment; then it ends the process by itself."""
    server, display = xvfb
    video, log = tmp_path / "a.mp4", tmp_path / "a.jsonl"
    given = ("-s", long_clip, "--log", log, "-o", video)
    run = command(*given, before=partial(show_at, display), window=True)
    wait_for(log, 40)
    server.kill()
    code, lines = ending(run)
    entries = logged(log)
    assert [entry["frame"] for entry in entries] == list(range(len(entries)))
    if code == 0:
        assert "stream: the display is gone: going on without a window" in lines
        assert len(entries) == len(times(video)) == 150
    else:
        assert code == 1
        assert len(entries) >= 40
        assert entries[-1]["time"] - max(times(video)) <= LOST_SECONDS


def test_a_clock_that_jumps_changes_nothing(tmp_path, clip, monkeypatch):
    def lines(name: str) -> str:
        log, video = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.mkv"
        arguments = f"--no-display -s {clip} --log {log} -o {video}".split()
        assert stream.main(arguments) == 0
        return log.read_text() + str(times(video))

    steady = lines("steady")
    jumps = random.Random(6)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(-1e9, 4e9))
    assert lines("jumping") == steady

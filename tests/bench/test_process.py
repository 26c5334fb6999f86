"""Start-up time and memory of a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.arguments import options, parser
from demo.bench import process
from demo.errors import UserError
from demo.options import Options
from models.files import ROOT

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


def test_the_command_gives_stream_the_same_options():
    chosen = Options(detector="dlib", detect_every=4, min_face=50, model="faceres", device="cpu")
    python, script, *arguments = process.stream_command("a clip.mp4", chosen)
    assert (python, script) == (sys.executable, str(ROOT / "stream.py"))
    parsed = options(parser().parse_args(arguments))
    assert parsed.sources == ("a clip.mp4",)
    assert not parsed.display
    for name in ("detector", "detect_every", "min_face", "model", "device"):
        assert getattr(parsed, name) == getattr(chosen, name)
    assert options(parser().parse_args(process.stream_command("a", Options())[2:])) == Options(
        ("a",)
    )


def test_the_time_to_the_first_frame_is_that_of_the_whole_process():
    code = "import sys, time; time.sleep(0.2); assert sys.argv[1:] == ['--max-frames', '1']"
    assert 0.2 < process.first_frame_seconds([sys.executable, "-c", code]) < 10


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4")
def test_the_peak_of_memory_is_measured_though_it_was_freed():
    code = (  # in a small process: a child's peak starts at the memory of its parent
        "import sys; from demo.bench.process import peak_memory_mb as peak;"
        "print(*(peak([sys.executable, '-c', f'bytearray({mb * 2**20})']) for mb in (1, 400)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    small, large = map(float, done.stdout.split())
    assert large - small == pytest.approx(399, abs=20)


def test_memory_is_unknown_where_the_system_does_not_report_it(monkeypatch):
    monkeypatch.delattr(os, "wait4")
    assert process.peak_memory_mb([sys.executable, "-c", ""]) is None


@pytest.mark.parametrize("measure", [process.first_frame_seconds, process.peak_memory_mb])
def test_a_process_that_fails_is_one_line(measure):
    code = "import sys; print('first\\nstream: no camera', file=sys.stderr); sys.exit(2)"
    with pytest.raises(UserError, match=r"^stream: no camera$"):
        measure([sys.executable, "-c", code])
    with pytest.raises(UserError, match=r"^stream\.py ended with 3$"):
        measure([sys.executable, "-c", "import sys; sys.exit(3)"])


@needs_proc
def test_memory_threads_and_files_of_this_process(tmp_path):
    assert 10 < process.resident_mb() < 100_000
    threads, files = process.threads_and_files()
    assert threads >= 1
    with (tmp_path / "a").open("w"):
        assert process.threads_and_files()[1] == files + 1

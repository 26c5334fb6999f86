"""The report of the doctor and its advice."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from demo.doctor import __main__ as doctor
from demo.doctor import checks
from demo.doctor.__main__ import Speed, advice
from demo.doctor.checks import BAD, OK, Finding, FoundCamera, run_check
from demo.faces import pipeline
from demo.frames import Analysis
from models.files import ROOT
from tests.synthetic import NO_FACES


@pytest.fixture(scope="module")
def report() -> tuple[int, dict]:
    command = [sys.executable, "-m", "demo.doctor", "--json", "--seconds", "0.2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


def test_a_machine_that_passes_the_tests_passes_the_doctor(report):
    code, record = report
    assert code == 0
    assert record["runs"]
    assert not [f for f in record["findings"] if f["state"] == BAD]
    assert record["command"].startswith("python stream.py -s ")


def test_every_finding_is_one_line(report):
    _, record = report
    named = {finding["what"] for finding in record["findings"]}
    assert {"Python", "AgeStream", "numpy", "ONNX Runtime, CPU", "weights mtcnn"} <= named
    assert {"window", "recording", "speed"} <= named
    for finding in record["findings"]:
        assert "\n" not in finding["text"]
        assert finding["text"]


def test_stream_takes_the_recommended_command(report):
    from demo.arguments import parser

    words = report[1]["command"].split()
    assert words[:2] == ["python", "stream.py"]
    parser().parse_args(words[2:])


def test_tensorflow_and_benchmarks_are_not_imported():
    code = (
        "import sys; from demo.doctor.__main__ import main; main(['--json', '--seconds', '0.1']);"
        "print([name for name in ('tensorflow', 'demo.bench') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_check_that_raises_is_a_finding_and_the_exit_code_1(monkeypatch, capsys):
    def broken():
        yield Finding("first", OK, "fine")
        raise OSError("no such codec\nand more")

    assert [f.text for f in run_check("recording", broken())] == ["fine", "OSError: no such codec"]
    monkeypatch.setattr(checks, "codecs", broken)
    monkeypatch.setattr(checks, "software", lambda: iter(()))
    monkeypatch.setattr(checks, "engines", lambda _: iter(()))
    assert doctor.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "BAD  recording               OSError: no such codec" in lines
    assert lines[-1] == "the demo cannot run: see BAD above"


def test_without_the_demo_clip_the_benchmark_is_a_finding(monkeypatch, capsys, tmp_path):
    for check in ("software", "engines", "weights", "cameras"):
        monkeypatch.setattr(checks, check, lambda *_: iter(()))
    monkeypatch.setattr(doctor, "CLIP", tmp_path / "demo.mp4")
    assert doctor.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"BAD  speed                   no such file or folder: {tmp_path}/demo.mp4" in lines
    assert lines[-1] == "the demo cannot run: see BAD above"


def test_frames_are_timed_by_how_they_were_searched(monkeypatch):
    pauses = {"all": 0.15, "coarse": 0.05, "known": 0.01}  # seconds
    order = ["known", "known", "coarse", "known", "all", "known", "coarse"]

    class Pipeline:
        def __init__(self, *given: object) -> None: ...
        def process(self, frame):
            search = order[frame.index % len(order)]
            time.sleep(pauses[search])
            return Analysis(frame, NO_FACES, np.zeros((0, 4), np.float32), search)

    monkeypatch.setattr(pipeline, "Pipeline", Pipeline)
    speed = doctor.benchmark(0.0)
    assert speed.full >= 150 > speed.coarse >= 50 > speed.known >= 10
    assert list(speed.record().values()) == [speed.full, speed.coarse, speed.known]


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        (Speed(16, 12, 4), "--detect-every 1"),
        (Speed(20, 16, 4), "--detect-every 2"),  # 4 + 14 / 2
        (Speed(60, 40, 6), "--detect-every 8"),  # 6 + 44 / 8, and 17 ms with 4
        (Speed(300, 200, 15), "--detect-every 16 --min-face 60"),  # 15 + 235 / 16 is too much
    ],
)
def test_the_frame_is_searched_as_often_as_half_of_its_time_allows(speed, words):
    assert advice(speed, [FoundCamera(2, [])], window=True) == f"python stream.py -s 2 {words}"


def test_without_camera_and_screen_the_demo_clip_is_recorded():
    command = advice(Speed(16, 12, 4), [], window=False)
    assert command == (
        "python stream.py -s assets/demo.mp4 --detect-every 1 --no-display -o annotated.mp4"
    )

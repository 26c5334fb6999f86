import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from demo.doctor import __main__ as doctor
from demo.doctor import checks
from demo.doctor.__main__ import Speed, advice
from demo.doctor.checks import BAD, NOTE, OK, Finding, FoundCamera, cameras, examined, weights
from models import manifest as spec

ROOT = Path(__file__).resolve().parents[2]


class Webcam:
    """Plays cv2.VideoCapture: it has two sizes and takes the nearer one."""

    def __init__(self, index: int, gives: bool = True) -> None:
        self.gives, self.size, self.released = gives, (640, 480), False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self):
        return self.gives, np.zeros((480, 640, 3), np.uint8)

    def set(self, name: int, value: float) -> bool:
        self.size = (1280, 720) if value > 700 else (640, 480)
        return True

    def get(self, name: int) -> float:
        return self.size[name - 3]  # CAP_PROP_FRAME_WIDTH is 3

    def release(self) -> None:
        self.released = True


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
    told = {finding["what"] for finding in record["findings"]}
    assert {"Python", "AgeStream", "numpy", "ONNX Runtime, CPU", "weights mtcnn"} <= told
    assert {"window", "recording", "speed"} <= told
    for finding in record["findings"]:
        assert "\n" not in finding["text"]
        assert finding["text"]


def test_the_recommended_command_is_one_that_stream_takes(report):
    from demo.arguments import parser

    words = report[1]["command"].split()
    assert words[:2] == ["python", "stream.py"]
    parser().parse_args(words[2:])


def test_tensorflow_is_not_imported_unless_asked():
    code = (
        "import sys; from demo.doctor.__main__ import main; main(['--json', '--seconds', '0.1']);"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 paths")
def test_cameras_are_told_with_their_sizes_and_those_without_picture_named(tmp_path):
    for name in ("video0", "video1", "video10", "videofoo"):
        (tmp_path / name).touch()
    made = []

    def capture(index: int) -> Webcam:
        made.append(Webcam(index, gives=index != 1))
        return made[-1]

    found: list[FoundCamera] = []
    findings = list(cameras(found, tmp_path, capture))
    assert found == [FoundCamera(k, [(640, 480), (1280, 720)]) for k in (0, 10)]
    assert [f.state for f in findings] == [OK, OK, NOTE]
    assert findings[0].text.endswith("640x480, 1280x720")
    assert f"{tmp_path}/video1: no picture" in findings[2].text
    assert all(camera.released for camera in made)


def test_no_camera_is_a_note_not_a_fault(tmp_path):
    (finding,) = cameras([], tmp_path)
    assert finding.state == NOTE
    assert finding.text.startswith("none found")


def test_damaged_weights_are_found_and_bad_where_the_demo_needs_them(tmp_path, monkeypatch):
    for path in spec.WEIGHTS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name in ("mtcnn-onet", "ssrnet-joint", "faceres"):
        (tmp_path / f"{name}.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(spec, "WEIGHTS", tmp_path)
    found = {f.what.removeprefix("weights "): f for f in weights() if f.state != OK}
    assert {name: f.state for name, f in found.items()} == {
        "mtcnn": BAD,
        "ssrnet-joint": BAD,
        "faceres": NOTE,
    }
    assert all("differs from its manifest" in f.text for f in found.values())


def test_a_check_that_breaks_is_a_finding_and_the_exit_code_1(monkeypatch, capsys):
    def broken():
        yield Finding("first", OK, "fine")
        raise OSError("no such codec\nand more")

    assert [f.text for f in examined("recording", broken())] == ["fine", "OSError: no such codec"]
    monkeypatch.setattr(checks, "codecs", broken)
    monkeypatch.setattr(checks, "programs", lambda: iter(()))
    monkeypatch.setattr(checks, "engines", lambda _: iter(()))
    assert doctor.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "BAD  recording               OSError: no such codec" in lines
    assert lines[-1] == "the demo would not run: see BAD"


def test_without_the_demo_clip_the_benchmark_is_a_finding(monkeypatch, capsys, tmp_path):
    for check in ("programs", "engines", "weights", "cameras"):
        monkeypatch.setattr(checks, check, lambda *_: iter(()))
    monkeypatch.setattr(doctor, "CLIP", tmp_path / "demo.mp4")
    assert doctor.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"BAD  speed                   no such file or folder: {tmp_path}/demo.mp4" in lines
    assert lines[-1] == "the demo would not run: see BAD"


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

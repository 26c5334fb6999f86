"""The checks of the doctor, each by itself."""

import sys

import numpy as np
import pytest

from demo.doctor.checks import BAD, NOTE, OK, FoundCamera, cameras, weights
from models import manifest


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 paths")
def test_cameras_have_their_sizes_and_those_without_a_picture_are_named(tmp_path):
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


def test_a_missing_camera_is_a_note(tmp_path):
    (finding,) = cameras([], tmp_path)
    assert finding.state == NOTE
    assert finding.text.startswith("none found")


def test_damaged_weights_are_found_and_bad_where_the_demo_needs_them(tmp_path, monkeypatch):
    for path in manifest.WEIGHTS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name in ("mtcnn-onet", "ssrnet-joint", "faceres"):
        (tmp_path / f"{name}.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(manifest, "WEIGHTS", tmp_path)
    found = {f.what.removeprefix("weights "): f for f in weights() if f.state != OK}
    assert {name: f.state for name, f in found.items()} == {
        "mtcnn": BAD,
        "ssrnet-joint": BAD,
        "faceres": NOTE,
    }
    assert all("differs from its manifest" in f.text for f in found.values())

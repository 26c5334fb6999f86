"""OpenCV's loops over a clip."""

import cv2
import pytest

from demo.bench import opencv
from demo.errors import UserError


def test_opencv_decodes_and_encodes_every_frame(clip, monkeypatch):
    opened: list[tuple] = []
    written = []
    writer = cv2.VideoWriter

    class Writer:
        fourcc = writer.fourcc

        def __init__(self):
            self._writer = writer()

        def open(self, path, *rest):
            opened.append((path, *rest))
            return self._writer.open(path, *rest)

        def write(self, image):
            self._writer.write(image)

        def release(self):
            self._writer.release()
            capture = cv2.VideoCapture(opened[0][0])
            written.append(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
            capture.release()

    monkeypatch.setattr(cv2, "VideoWriter", Writer)
    assert opencv.decode_only(str(clip)).frames == 20
    assert opencv.decode_and_encode(str(clip)).frames == 20
    ((path, codec, fps, size),) = opened
    assert path.endswith(".mp4")
    assert (codec, fps, size) == (writer.fourcc(*"mp4v"), 25, (480, 270))
    assert written == [20]


def test_opencv_without_the_encoder_is_one_line(clip, monkeypatch):
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", lambda *letters: 0x20202020)
    with pytest.raises(UserError, match=r"^this OpenCV cannot write mp4v .*: remove --record$"):
        opencv.decode_and_encode(str(clip))


def test_a_clip_that_opencv_cannot_read(clip, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert opencv.readable(str(clip))
    assert not opencv.readable(str(tmp_path / "a.mp4"))

"""A clip as a video and as a camera."""

import time

import cv2
import numpy as np
import pytest

from demo.bench import clips
from demo.bench.clips import CAMERA_FPS, ClipCamera, networks, video_source
from demo.errors import UserError
from demo.options import Options


def test_a_camera_plays_the_clip_in_a_loop_at_its_rate(clip):
    with video_source(str(clip)) as source:
        images = [frame.image for frame in source]
    camera = ClipCamera(str(clip), 10.0)
    start = time.monotonic()
    seen = [camera.read() for _ in range(len(images) + 2)]
    assert time.monotonic() - start >= (len(seen) - 1) / CAMERA_FPS - 0.01
    for image, expected in zip(seen, [*images, *images[:2]], strict=True):
        np.testing.assert_array_equal(image, expected)
    camera.release()


def test_a_camera_ends_after_its_seconds(clip):
    camera = ClipCamera(str(clip), 0.2)
    images = []
    while (image := camera.read()) is not None:
        images.append(image)
    assert 1 <= len(images) <= 6  # 0.2 s at 30 fps; fewer where the machine is busy


def test_only_a_video_has_the_same_frames_every_run(tmp_path, astronaut):
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    with pytest.raises(UserError, match=r"a\.png is not a video file"):
        video_source(str(tmp_path / "a.png"))
    with pytest.raises(UserError, match="no such file"):
        video_source(str(tmp_path / "none.mp4"))


def test_networks_are_closed_at_the_end():
    with networks(Options(device="cpu", min_face=60)) as loaded:
        crops = np.zeros((1, loaded.estimator.input.size, loaded.estimator.input.size, 3), np.uint8)
        ages, _ = loaded.estimator.submit(crops, np.zeros(1, int)).result()
        assert len(ages) == 1
    with pytest.raises(RuntimeError):
        loaded.estimator.submit(crops, np.zeros(1, int))


def test_benchmarks_run_on_the_cpu_by_default():
    assert Options(device="cpu") == clips.ON_CPU

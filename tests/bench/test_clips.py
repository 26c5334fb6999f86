"""A clip as a video and as a camera."""

import threading
import time

import cv2
import numpy as np
import pytest

from demo.bench import clips
from demo.bench.clips import ClipCamera, clip_rate, networks, video_source
from demo.errors import UserError
from demo.options import Options


def test_a_camera_plays_the_clip_in_a_loop_at_its_rate(clip):
    with video_source(str(clip)) as source:
        images = [frame.image for frame in source]
    camera = ClipCamera(str(clip), 10.0, 50)
    seen, times = [], []
    for _ in range(2 * len(images) + 2):
        seen.append(camera.read())
        times.append(time.monotonic() - times[0] if times else time.monotonic())
    for index, seconds in enumerate(times[1:], 1):
        assert seconds >= index / 50 - 0.005
    for image, expected in zip(seen, [*images, *images, *images[:2]], strict=True):
        np.testing.assert_array_equal(image, expected)
    camera.release()


def test_a_camera_has_the_frames_that_are_due_before_its_end():
    assert ClipCamera("a.mp4", 120, 25).due == 3000
    assert ClipCamera("a.mp4", 0.1, 30).due == 3  # at 0, 1/30 and 2/30 seconds
    assert ClipCamera("a.mp4", 1, 12.5).due == 13


def test_a_camera_closes_its_clip_when_the_time_is_over(clip):
    def readers() -> int:
        return sum(thread.name == "reader" for thread in threading.enumerate())

    before, camera = readers(), ClipCamera(str(clip), 0.1)
    while camera.read() is not None:
        pass
    for thread in threading.enumerate():
        if thread.name == "closer":
            thread.join()
    assert readers() <= before
    assert camera.read() is None  # a connection that is opened again gets nothing


def test_the_rate_of_a_clip_is_what_it_states(clip):
    assert clip_rate(str(clip)) == 25


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

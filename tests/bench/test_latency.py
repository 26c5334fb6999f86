"""A session on a clip as the camera."""

import time

import numpy as np
import pytest

from demo.bench.clips import ClipCamera, networks
from demo.bench.latency import measure_latency
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from models.machine import machine


@pytest.mark.parametrize("record", [False, True])
def test_a_clip_played_as_a_camera_has_latency_memory_and_lost_frames(clip, record):
    with networks() as loaded:
        report = measure_latency(ClipCamera(str(clip), 1, 25), loaded, Settings(), record)
    assert (report["seconds"], report["fps"], report["due"]) == (1, 25, 25)
    assert 0 < report["frames"] <= 25
    assert report["lost"] == 25 - report["frames"] >= report["dropped"]
    assert report["lost_share"] == report["lost"] / 25
    assert report["recorded_frames"] == (report["frames"] if record else None)
    assert 0 < report["latency_p50_ms"] <= report["latency_p95_ms"]
    for percent in ("p50", "p95"):  # both names, so that older reports can be compared
        assert report[f"delay_{percent}_ms"] == report[f"latency_{percent}_ms"]
    assert report["cores"] == pytest.approx(report["cpu_ms"] * report["frames"] / 1e3)
    assert report["cores_needed"] == pytest.approx(report["cpu_ms"] * 25 / 1e3)
    low, high = np.transpose([report["rss_first_half_mb"], report["rss_last_half_mb"]])
    assert (low <= high).all()
    assert high.max() == report["rss_mb"]
    assert report["machine"] == machine()


def test_a_session_that_cannot_keep_up_loses_frames(clip, monkeypatch):
    process = Pipeline.process

    def slow(self, frame):
        time.sleep(0.2)
        return process(self, frame)

    monkeypatch.setattr(Pipeline, "process", slow)
    with networks() as loaded:
        report = measure_latency(ClipCamera(str(clip), 1, 25), loaded, Settings(), False)
    assert 2 <= report["frames"] <= 6
    assert report["lost_share"] >= 19 / 25
    assert report["latency_p50_ms"] >= 200


def test_a_time_too_short_for_frames_is_one_line(clip):
    with (
        networks() as loaded,
        pytest.raises(UserError, match=r"^too few frames in 0\.01 s: give --live more seconds$"),
    ):
        measure_latency(ClipCamera(str(clip), 0.01, 25), loaded, Settings(), True)

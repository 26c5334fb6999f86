"""Timed passes over a short clip."""

from pathlib import Path

import numpy as np
import pytest

from demo.bench import speed
from demo.bench.clips import networks
from demo.faces.settings import Settings
from demo.session import Session
from demo.sinks.video import VideoRecorder

LAPS = (speed.logging_lap, speed.drawing_lap, speed.recording_lap)


def test_passes_are_timed_frame_by_frame(clip):
    with networks() as loaded:
        timed = speed.timed_pass(str(clip), loaded, Settings())
    assert timed.lap.frames == len(timed.boxes) == len(timed.busy) == 20
    assert list(timed.stages) == ["detect", "track", "estimate", "draw"]
    for stage in timed.stages.values():
        assert len(stage) == 20
        assert min(stage) > 0
    for index, busy in enumerate(timed.busy):
        assert sum(stage[index] for stage in timed.stages.values()) < busy
    assert sum(timed.busy) < timed.lap.seconds * 1e3
    faces = np.mean([*map(len, timed.boxes)])
    assert timed.faces_per_second == pytest.approx(timed.lap.fps * faces)


def test_a_session_does_what_its_kind_says_and_no_more(clip, monkeypatch):
    sessions = []

    def session(*given, **options):
        sessions.append(Session(*given, **options))
        return sessions[-1]

    monkeypatch.setattr(speed, "Session", session)
    with networks() as loaded:
        laps = [lap(str(clip), loaded, Settings()) for lap in LAPS]
    assert [lap.frames for lap in laps] == [20, 20, 20]
    done = [{"draw", "record"} & session.stopwatch.times().keys() for session in sessions]
    assert done == [set(), {"draw", "record"}, {"draw", "record"}]


def test_recording_is_that_of_the_product_as_an_mp4_at_the_rate_of_the_clip(clip, monkeypatch):
    made = []

    def recorder(path: Path, *rest):
        made.append((path, VideoRecorder(path, *rest), rest))
        return made[-1][1]

    monkeypatch.setattr(speed, "VideoRecorder", recorder)
    with networks() as loaded:
        speed.recording_lap(str(clip), loaded, Settings())
    ((path, written, rest),) = made
    assert (path.suffix, rest) == (".mp4", (25.0,))
    assert written.written
    assert not path.exists()  # it was temporary

"""The command `python -m demo.bench`, with passes over a short clip."""

import json

import numpy as np
import pytest

from demo.bench import __main__ as bench
from demo.bench import speed
from demo.bench.clips import networks, video_source
from demo.faces.settings import Settings
from demo.session import Session
from models.machine import machine

REPORT = {  # of a machine that does everything in no time
    "clip": "a.mp4",
    "fps": 90.04,
    "fps_of_runs": [91.0, 90.04],
    "faces_per_second": 480.2,
    "stages": {"detect": {"p50": 4.81, "p95": 30.85}},
    "frame_p95_ms": 33.58,
    "first_frame_s": 1.279,
    "rss_mb": None,
    "recall": None,
    "extra": None,
    "ratio_to_reference": None,
    "against_every_frame": None,
    "log_only": None,
    "machine": "a computer",
}


@pytest.mark.parametrize("seconds", ["-1", "0", "0.0001"])
def test_a_camera_of_no_time_is_refused(clip, capsys, seconds):
    with pytest.raises(SystemExit, match="2"):
        bench.main([str(clip), "--live", seconds])
    assert f"--live: '{seconds}' is not a number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("ignored", [["--against", "every-frame"], ["--runs", "2"], ["--log-only"]])
def test_options_that_a_live_run_would_ignore_are_refused_in_one_line(clip, capsys, ignored):
    assert bench.main([str(clip), "--live", "1", *ignored]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("demo.bench: --live plays the clip once, by itself")


def test_a_clip_played_as_a_camera_has_latency_and_memory(clip, capsys):
    assert bench.main([str(clip), "--live", "1", "--min-face", "60"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["seconds"] == 1
    assert 0 < report["frames"] <= 30
    assert 0 < report["latency_p50_ms"] <= report["latency_p95_ms"]
    for percent in ("p50", "p95"):  # both names, so that older reports can be compared
        assert report[f"delay_{percent}_ms"] == report[f"latency_{percent}_ms"]
    assert report["machine"] == machine()


def test_passes_are_timed_frame_by_frame(clip):
    with networks() as loaded:
        (timed,) = speed.timed_passes(str(clip), loaded, Settings(), runs=1, quiet=True)
    assert len(timed.boxes) == 20
    assert list(timed.stages) == ["detect", "track", "estimate", "draw"]
    assert all(0 < stage["p50"] <= stage["p95"] for stage in timed.stages.values())
    assert sum(stage["p50"] for stage in timed.stages.values()) < timed.frame_p95_ms
    assert timed.faces_per_second == pytest.approx(timed.fps * np.mean([*map(len, timed.boxes)]))


def test_a_log_only_session_draws_nothing(clip, monkeypatch):
    sessions = []

    def session(*given, **options):
        sessions.append(Session(*given, **options))
        return sessions[-1]

    monkeypatch.setattr(speed, "Session", session)
    with networks() as loaded:
        timed = speed.log_only(str(clip), loaded, Settings(), runs=1, quiet=True)
    assert timed.ratio == timed.fps / timed.fps_with_overlay
    drawn = ["draw" in session.stopwatch.times() for session in sessions]
    assert drawn == [False, False, True]  # the first one warms up
    assert [session.result.frames for session in sessions] == [20, 20, 20]


def test_the_report_holds_what_was_asked_for(clip, monkeypatch, capsys):
    monkeypatch.setattr(bench, "first_frame_seconds", lambda command: 1.0)
    monkeypatch.setattr(bench, "peak_memory_mb", lambda command: 300.0)
    asked = ["--runs", "1", "--log-only", "--against", "every-frame"]
    assert bench.main([str(clip), *asked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    with video_source(str(clip)) as source:
        assert source.count == 20
    assert report["fps_of_runs"] == [report["fps"]]
    assert report["against_every_frame"]["ids"] == [2, 2]
    assert list(report["log_only"]) == ["fps", "fps_with_overlay", "ratio"]
    assert (report["recall"], report["ratio_to_reference"]) == (None, None)
    assert report["settings"] == {"detect_every": 8, "min_face": None}
    assert report["machine"] == machine()


def test_the_report_as_text():
    assert bench.text(REPORT).splitlines() == [
        "a.mp4: 90.0 fps (runs: 91.0, 90.0), 480 faces per second",
        "stage       p50 ms  p95 ms",
        "detect         4.8    30.9",
        "frame                 33.6",
        "first frame after 1.28 s, memory unknown",
        "on a computer",
    ]
    more = {
        "rss_mb": 399.4,
        "log_only": {"fps": 95.0, "fps_with_overlay": 90.0, "ratio": 95 / 90},
        "recall": 0.975,
        "extra": 0.025,
        "reference_fps": 1.228,
        "ratio_to_reference": 73.14,
    }
    lines = bench.text(REPORT | more).splitlines()
    assert lines[4:7] == [
        "first frame after 1.28 s, memory 399 MB",
        "log only: 95.0 fps, with overlay 90.0 fps: 1.06 times as fast",
        "reference loop 1.23 fps: 73.1 times as fast; 97.5% of its faces found, 2.5% of our boxes "
        "match none of its boxes at any score",
    ]


def test_a_missing_clip_is_one_line(tmp_path, capsys):
    for options in ([], ["--live", "1"]):
        assert bench.main([str(tmp_path / "none.mp4"), *options]) == 2
        error = capsys.readouterr().err
        assert error == f"demo.bench: no such file or folder: {tmp_path}/none.mp4\n"


def test_a_clip_that_ends_early_is_one_line(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "first_frame_seconds", lambda command: 1.0)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    assert bench.main([str(cut)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"demo.bench: stream: {cut} ends early after frame ")

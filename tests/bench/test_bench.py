"""The command `python -m demo.bench`, with passes over a short clip."""

import json
import os

import pytest

from demo.bench import __main__ as bench
from demo.bench import opencv, results
from demo.bench.clips import video_source
from models.machine import machine


@pytest.fixture
def no_processes(monkeypatch):
    """A measurement that starts no stream.py."""
    commands = []

    def peak(command):
        commands.append(command)
        return 300.0

    monkeypatch.setattr(results, "first_frame_seconds", lambda command: 1.0)
    monkeypatch.setattr(results, "peak_memory_mb", peak)
    return commands


def test_the_report_holds_what_was_asked_for(clip, no_processes, monkeypatch, capsys):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)  # pinned
    asked = ["--runs", "1", "--log-only", "--record", "--against", "every-frame"]
    assert bench.main([str(clip), *asked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    with video_source(str(clip)) as source:
        assert source.count == 20
    assert report["fps_of_runs"] == [report["fps"]]
    assert report["against_every_frame"]["ids"] == [2, 2]
    assert list(report["log_only"]) == ["fps", "fps_with_overlay", "ratio"]
    assert list(report["record"]) == ["fps", "part_of_drawing", "ratio_to_mp4v"]
    assert (report["recall"], report["ratio_to_reference"]) == (None, None)
    assert report["settings"] == {"detect_every": 8, "min_face": None}
    assert (report["machine"], report["usable_cores"]) == (machine(), 1)
    plain, recording = no_processes
    assert "-o" not in plain
    assert recording[: len(plain) + 1] == [*plain, "-o"]
    assert (report["rss_mb"], report["rss_record_mb"]) == (300, 300)


def test_every_kind_of_pass_is_a_part_of_decoding_only(clip, no_processes, capsys):
    assert bench.main([str(clip), "--runs", "1", "--log-only", "--record", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    passes = report["passes"]
    assert list(passes) == ["decode_only", "bench", "log_only", "draw", "record", "mp4v"]
    whole = passes["decode_only"]["fps"]
    for each in passes.values():
        assert each["part_of_decode_only"] == each["fps"] / whole
        assert each["cpu_ms"] > 0
    assert passes["bench"]["fps"] == report["fps"]
    assert passes["bench"]["cpu_ms"] == report["cpu_ms"]
    assert report["decode_only_fps"] == whole
    assert report["part_of_decode_only"] == report["fps"] / whole
    assert report["log_only"]["ratio"] == passes["log_only"]["fps"] / passes["draw"]["fps"]
    assert report["record"]["part_of_drawing"] == passes["record"]["fps"] / passes["draw"]["fps"]
    assert report["record"]["ratio_to_mp4v"] == passes["record"]["fps"] / passes["mp4v"]["fps"]


def test_a_clip_that_opencv_cannot_read_is_measured_without_its_loops(
    clip, no_processes, monkeypatch, capsys
):
    monkeypatch.setattr(opencv, "readable", lambda clip: False)
    assert bench.main([str(clip), "--runs", "1", "--record", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["passes"]) == ["bench", "draw", "record"]
    assert (report["decode_only_fps"], report["part_of_decode_only"]) == (None, None)
    assert report["record"]["ratio_to_mp4v"] is None
    assert bench.main([str(clip), "--runs", "1", "--record"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] for line in lines if line.startswith("session")] == ["unknown"] * 2


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


def test_a_rate_without_a_camera_is_refused_in_one_line(clip, capsys):
    assert bench.main([str(clip), "--fps", "15"]) == 2
    error = capsys.readouterr().err
    assert error == "demo.bench: --fps is the rate of --live's camera: add --live SECONDS\n"


@pytest.mark.parametrize(("options", "fps"), [([], 25), (["--fps", "12.5"], 12.5)])
def test_a_clip_is_played_as_a_camera_at_its_own_rate_or_at_another_one(clip, capsys, options, fps):
    assert bench.main([str(clip), "--live", "1", "--min-face", "60", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["seconds"], report["fps"]) == (1, fps)
    assert report["due"] == (25 if fps == 25 else 13)
    assert report["recorded_frames"] is None


def test_a_missing_clip_is_one_line(tmp_path, capsys):
    for options in ([], ["--live", "1"], ["--live", "1", "--fps", "30"]):
        assert bench.main([str(tmp_path / "none.mp4"), *options]) == 2
        error = capsys.readouterr().err
        assert error == f"demo.bench: no such file or folder: {tmp_path}/none.mp4\n"


def test_a_clip_that_ends_early_is_one_line(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "first_frame_seconds", lambda command: 1.0)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    assert bench.main([str(cut)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"demo.bench: stream: {cut} ends early after frame ")

import json

import pytest

from demo.bench import __main__ as bench
from models.machine import machine


@pytest.mark.parametrize("seconds", ["-1", "0", "0.0001"])
def test_a_camera_of_no_time_is_refused(clip, capsys, seconds):
    with pytest.raises(SystemExit, match="2"):
        bench.main([str(clip), "--live", seconds])
    assert f"--live: '{seconds}' is not a number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("ignored", [["--against", "every-frame"], ["--runs", "2"]])
def test_what_a_clip_played_as_a_camera_would_ignore_is_refused_in_one_line(clip, capsys, ignored):
    assert bench.main([str(clip), "--live", "1", *ignored]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("demo.bench: --live plays the clip once, by itself")


def test_a_clip_played_as_a_camera_tells_delay_and_memory(clip, capsys):
    assert bench.main([str(clip), "--live", "1", "--min-face", "60"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seconds"] == 1
    assert 0 < told["frames"] <= 30
    assert told["delay_p50_ms"] <= told["delay_p95_ms"]
    assert told["machine"] == machine()


def test_a_clip_that_is_missing_is_one_line(tmp_path, capsys):
    for options in ([], ["--live", "1"]):
        assert bench.main([str(tmp_path / "none.mp4"), *options]) == 2
        told = capsys.readouterr().err
        assert told == f"demo.bench: no such file or folder: {tmp_path}/none.mp4\n"


def test_a_clip_that_breaks_off_is_one_line(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "first_frame_seconds", lambda args: 1.0)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    assert bench.main([str(cut)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"demo.bench: stream: {cut} breaks off after frame ")

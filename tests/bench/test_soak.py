"""Whether a long session stays as it was."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.bench import soak
from demo.bench.soak import Half, Sample, faults, halves
from demo.errors import UserError
from demo.frames import Frame
from demo.sources.schedule import Schedule
from models.commands import INTERRUPTED
from models.machine import machine

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


def test_halves_are_compared_by_their_medians_after_the_warm_up():
    samples = [Sample(k, 100 + k, 5, 9, 20.0, 2) for k in range(20)]
    first, last = halves(samples)  # the first two are left out
    assert first == Half(106.0, 5, 9, 20.0)
    assert last == Half(115.0, 5, 9, 20.0)


def test_only_values_that_grow_are_faults():
    first = Half(100.0, 5, 9, 20.0)
    assert faults(first, first) == []
    assert faults(first, Half(103.0, 4, 8, 30.0)) == []
    assert faults(first, Half(104.0, 6, 10, 30.1)) == [
        "100.0 MB of memory became 104.0, more than 103.0",
        "5.0 threads became 6.0, more than 5.0",
        "9.0 open files became 10.0, more than 9.0",
        "20.0 ms of latency became 30.1, more than 30.0",
    ]


def test_a_run_too_short_to_compare_is_refused():
    with pytest.raises(UserError, match="1 samples are too few"):
        halves([Sample(1.0, 100.0, 5, 9, 20.0, 2)])


@needs_proc
def test_the_latency_of_a_second_is_the_median_from_capture_to_picture():
    meter = soak.Meter(soak.FaceCount(), lambda line: None)
    image, now = np.zeros((2, 2, 3), np.uint8), time.monotonic()
    for index, seconds in enumerate((0.05, 0.1, 0.4)):
        meter.write(Frame(image, index, 0.5, "camera", now - seconds))
    meter.write(Frame(image, 2, 1.5, "camera", now - 9.0))  # again, while the camera is lost
    assert meter.samples == []
    meter.write(Frame(image, 3, 1.0, "camera", now - 0.2))
    (sample,) = meter.samples
    assert sample.latency_ms == pytest.approx(150, abs=40)  # between 100 and 200
    assert sample.second == pytest.approx(1.2, abs=0.04)


@pytest.mark.slow
@needs_proc
def test_ten_seconds_of_a_looped_clip_leak_nothing_and_are_recorded_in_full(clip, tmp_path):
    report = soak.soak(str(clip), 10.0, lambda line: None)
    assert report["machine"] == machine()
    assert report["seconds"] == pytest.approx(10.0, rel=0.02)
    assert report["recorded_seconds"] == pytest.approx(report["seconds"], rel=0.02)
    assert len(report["samples"]["second"]) in (9, 10)
    assert max(report["samples"]["faces"]) == 2
    for name in ("threads", "handles"):
        assert report["last_half"][name] <= report["first_half"][name]
    for part in ("first_half", "last_half", "samples"):  # the name in older reports is kept
        assert report[part]["delay_ms"] == report[part]["latency_ms"]
    soak.plot(report["samples"], tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == 990
    assert soak.text(report).startswith(f"{clip}: 10 s, ")


def test_a_run_of_no_time_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        soak.main(["--minutes", "0"])
    assert "--minutes: '0' is not a number of at least 0.1" in capsys.readouterr().err


@needs_proc
def test_a_run_that_was_stopped_before_the_first_frame_is_one_line(clip, capsys, monkeypatch):
    def interrupted(schedule: Schedule) -> tuple:
        raise KeyboardInterrupt

    monkeypatch.setattr(Schedule, "turn", interrupted)
    assert soak.main(["--clip", str(clip)]) == 2
    assert capsys.readouterr().err == (
        "demo.bench.soak: 0 samples are too few to compare: give --minutes more\n"
    )


@needs_proc
def test_a_run_that_was_stopped_has_no_verdict(clip, capsys, monkeypatch):
    write = soak.Meter.write

    def interrupted(meter: soak.Meter, picture: Frame) -> None:
        write(meter, picture)
        if len(meter.samples) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(soak.Meter, "write", interrupted)
    assert soak.main(["--clip", str(clip)]) == INTERRUPTED
    lines = capsys.readouterr().out.splitlines()
    assert "stopped early: no verdict" in lines
    assert "passed: nothing grew" not in lines


@needs_proc
def test_an_unknown_plot_format_is_refused_before_the_run(tmp_path, capsys):
    assert soak.main(["--clip", str(tmp_path / "none.mp4"), "-o", str(tmp_path / "a.txt")]) == 2
    assert capsys.readouterr().err == (
        f"demo.bench.soak: cannot plot to {tmp_path}/a.txt: "
        "the name must end in .jpg, .pdf, .png, .svg\n"
    )


@needs_proc
def test_the_report_is_printed_though_the_plot_fails(tmp_path, capsys, monkeypatch):
    half = dict.fromkeys(soak.LABELS, 0.0)
    names = ("seconds", "frames", "dropped", "people", "recorded_seconds", "viewers")
    counts = dict.fromkeys(names, 0)
    report = {"clip": "a.mp4", "faults": [], "interrupted": False, "samples": {}, **counts}

    def full(samples: dict, path: Path) -> None:
        raise UserError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(
        soak, "soak", lambda *given: report | {"first_half": half, "last_half": half}
    )
    monkeypatch.setattr(soak, "plot", full)
    assert soak.main(["-o", str(tmp_path / "a.png")]) == 2
    assert capsys.readouterr().out.endswith("passed: nothing grew\n")


def test_a_missing_clip_is_one_line(tmp_path, capsys):
    assert soak.main(["--clip", str(tmp_path / "none.mp4")]) == 2
    assert capsys.readouterr().err.startswith("demo.bench.soak: no such file or folder: ")

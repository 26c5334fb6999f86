"""Measurements of a run that is shown in browsers."""

import json
import shutil

import cv2
import numpy as np
import pytest

from demo.bench import __main__ as bench
from demo.bench.clips import networks, video_source
from demo.bench.web import serve
from demo.bench.web.browser import NAMES, Drawn, Window
from demo.bench.web.report import judged, text
from demo.bench.web.serve import Size, ages, capture_to_page, laps_of
from demo.bench.web.sized import fitted, write_mjpeg, write_sized
from demo.errors import UserError
from demo.faces.settings import Settings

REPORT = {
    "clip": "clip.mp4",
    "machine": "a machine",
    "sizes": {
        size: {
            "fps": 30,
            "page": {
                "p50_ms": 20.0,
                "p95_ms": 100.0,
                "pictures_per_second": 29.5,
                "picture_width": 640,
                "frames": 350,
                "due": 360,
            },
            "run": {
                kind: {"fps": 200 * part, "cpu_ms": 5.0, "part_of_plain": part}
                for kind, part in (
                    ("plain", 1.0),
                    ("viewers_0", 0.995),
                    ("viewers_1", 0.8),
                    ("viewers_5", 0.75),
                )
            },
            "five_to_one_cpu": 1.2,
        }
        for size in ("640x480", "1920x1080")
    },
    "slow_link": {
        "bytes_per_second": 250_000,
        "p50_ms": 150.0,
        "p95_ms": 310.0,
        "pictures_per_second": 7.0,
        "picture_width": 640,
        "frames": 360,
        "due": 360,
    },
    "camera": {"answers_per_second": 17.0},
}


def test_ages_are_counted_after_the_warm_up() -> None:
    moments = [100 + k / 25 for k in range(200)]
    read = [Drawn(k, moments[k] + (9 if k < 100 else k / 1e4), 640) for k in range(200)]
    unread = [Drawn(None, 150.0, 320)]
    found = ages([*read, *unread], moments)
    assert found["p50_ms"] == pytest.approx(14.95)  # the pictures from 4 seconds on: 100 to 199
    assert found["p95_ms"] == pytest.approx(19.405)
    assert found["pictures_per_second"] == pytest.approx(25, rel=0.01)
    assert found["picture_width"] == 640


def test_a_page_that_draws_nothing_is_one_line() -> None:
    for pictures in ([], [Drawn(None, 1.0, 640)] * 50, [Drawn(0, 1.0, 640)]):
        with pytest.raises(UserError, match=r"^the page drew 0 pictures: too few to measure$"):
            ages(pictures, [0.5])


def test_a_run_is_timed_without_a_server_and_with_viewers(clip, monkeypatch) -> None:
    monkeypatch.setattr(serve, "VIEWERS", (0, 2))
    with networks() as loaded:
        laps = laps_of(str(clip), loaded, Settings(), 1, quiet=True)
    assert list(laps) == ["plain", "viewers_0", "viewers_2"]
    assert [lap.frames for (lap,) in laps.values()] == [20, 20, 20]


def test_a_picture_fills_a_size_from_its_middle() -> None:
    image = np.zeros((270, 480, 3), np.uint8)
    image[:, 60:420] = 200  # the middle 4:3 of 16:9
    filled = fitted(image, (640, 480))
    assert filled.shape == (480, 640, 3)
    assert filled.min() == 200
    assert fitted(image, (240, 135)).shape == (135, 240, 3)


def test_a_clip_becomes_that_of_a_camera(clip, tmp_path) -> None:
    sized = str(tmp_path / "sized.mp4")
    write_sized(str(clip), sized, (320, 240), 30)
    with video_source(sized) as source:
        shapes = [frame.image.shape for frame in source]
        assert source.fps == 30
    assert shapes == [(240, 320, 3)] * 20
    content = write_mjpeg(sized, tmp_path / "camera.mjpeg").read_bytes()
    assert content.count(b"\xff\xd8\xff") == 20
    first = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert first.shape == (240, 320, 3)


def test_the_figures_are_judged_by_the_values_they_should_keep() -> None:
    kept = {figure.name: figure.kept for figure in judged(REPORT)}
    assert kept == {
        "640x480: capture to page, p95": False,
        "640x480: frames a second lost, no viewer": True,
        "640x480: frames a second lost, one viewer": False,
        "640x480: processor time, five viewers to one": True,
        "1920x1080: capture to page, p95": True,
        "1920x1080: frames a second lost, no viewer": True,
        "1920x1080: frames a second lost, one viewer": True,
        "1920x1080: processor time, five viewers to one": True,
        "link of 0.25 MB/s: to page, p95": False,
        "own camera: answers": False,
    }
    assert [str(size) for size in serve.SIZES] == list(REPORT["sizes"])


def test_the_report_shows_every_figure() -> None:
    lines = text(REPORT).splitlines()
    assert lines[0] == "clip.mp4 on a machine"
    assert sum(line.endswith("MISSED") for line in lines) == 4
    assert (
        "own camera: answers                                  17 a second   at least 18  MISSED"
        in lines
    )


@pytest.mark.parametrize(
    "ignored",
    [["--live", "1"], ["--record"], ["--log-only"], ["--fps", "5"], ["--against", "reference"]],
)
def test_options_that_serving_would_ignore_are_refused(clip, capsys, ignored) -> None:
    assert bench.main([str(clip), "--serve", *ignored]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("demo.bench: --serve measures by itself: remove ")


def test_a_machine_without_a_browser_is_one_line(clip, capsys, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert bench.main([str(clip), "--serve"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("demo.bench: --serve measures in Chromium: install it")


@pytest.mark.browser
@pytest.mark.parametrize("rate", [None, 250_000])
def test_a_page_shows_how_old_its_pictures_are(clip, tmp_path, monkeypatch, rate) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not any(map(shutil.which, NAMES)):
        pytest.skip("Chromium is not installed")
    monkeypatch.setattr(serve, "SECONDS", 6.0)
    monkeypatch.setattr(serve, "WARM_UP", 2.0)
    monkeypatch.setattr(serve, "MIN_PICTURES", 4)
    sized, size = str(tmp_path / "sized.mp4"), Size(320, 240, 10, Window(800, 600))
    write_sized(str(clip), sized, (320, 240), 10)
    with networks() as loaded:
        found = capture_to_page(sized, size, loaded, Settings(), rate)
    json.dumps(found)
    assert found["due"] == 60
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    assert 0 < found["pictures_per_second"] < 11
    assert found["picture_width"] == 320

"""The results of a benchmark as text."""

from typing import Any

from demo.bench.report import text

RESULTS: dict[str, Any] = {  # of a machine that does everything in no time
    "clip": "a.mp4",
    "fps": 90.04,
    "fps_of_runs": [91.0, 90.04],
    "faces_per_second": 480.2,
    "stages": {"detect": {"p50": 4.81, "p95": 30.85}},
    "frame_p50_ms": 6.716,
    "frame_p95_ms": 33.58,
    "frame_p95_to_p50": 5.0,
    "passes": {
        "decode_only": {"fps": 180.04, "cpu_ms": 7.5, "part_of_decode_only": 1.0},
        "bench": {"fps": 90.04, "cpu_ms": 25.04, "part_of_decode_only": 0.5001},
    },
    "first_frame_s": 1.279,
    "rss_mb": None,
    "rss_record_mb": None,
    "recall": None,
    "extra": None,
    "ratio_to_reference": None,
    "against_every_frame": None,
    "log_only": None,
    "record": None,
    "machine": "a computer, 4 cores",
    "usable_cores": 2,
}


def test_the_results_as_text():
    assert text(RESULTS).splitlines() == [
        "a.mp4: 90.0 fps (runs: 91.0, 90.0), 480 faces per second",
        "stage       p50 ms  p95 ms",
        "detect         4.8    30.9",
        "frame          6.7    33.6: p95 is 5.0 times p50",
        "pass                         fps  of decode-only  CPU ms a frame",
        "OpenCV, decode only        180.0            1.00             7.5",
        "analysis, drawing           90.0            0.50            25.0",
        "first frame after 1.28 s, memory unknown",
        "on a computer, 4 cores, 2 usable",
    ]


def test_what_else_was_asked_for_as_text():
    unknown = {"fps": 20.0, "cpu_ms": 60.0, "part_of_decode_only": None}
    more: dict[str, Any] = {
        "passes": {"record": unknown},
        "rss_mb": 399.4,
        "rss_record_mb": 494.6,
        "log_only": {"fps": 95.0, "fps_with_overlay": 90.0, "ratio": 95 / 90},
        "record": {"fps": 20.0, "part_of_drawing": 0.216, "ratio_to_mp4v": 0.904},
        "recall": 0.975,
        "extra": 0.025,
        "reference_fps": 1.228,
        "ratio_to_reference": 73.14,
    }
    lines = text(RESULTS | more).splitlines()
    assert lines[5:10] == [
        "session, recording          20.0         unknown            60.0",
        "first frame after 1.28 s, memory 399 MB, recording 495 MB",
        "log only is 1.06 times as fast as with drawing",
        "recording is 0.22 times as fast as drawing only, 0.90 times as fast as OpenCV's loop with "
        "mp4v",
        "reference loop 1.23 fps: 73.1 times as fast; 97.5% of its faces found, 2.5% of our boxes "
        "match none of its boxes at any score",
    ]
    record = more["record"] | {"ratio_to_mp4v": None}  # of a clip that OpenCV cannot read
    line = text(RESULTS | more | {"record": record}).splitlines()[8]
    assert line == "recording is 0.22 times as fast as drawing only"

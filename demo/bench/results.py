"""The results of a benchmark as one object: existing keys keep their names and meaning."""

import os
import platform
from collections.abc import Callable, Collection
from dataclasses import asdict
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from demo.bench import opencv
from demo.bench.clips import networks, video_source
from demo.bench.compare import compare_with_every_frame
from demo.bench.laps import Lap, Laps, figures, part, run_rounds
from demo.bench.process import first_frame_seconds, peak_memory_mb, stream_command
from demo.bench.reference import run_reference, share_matched
from demo.bench.speed import Pass, drawing_lap, logging_lap, recording_lap, timed_pass
from demo.faces.settings import Settings
from demo.networks import Networks
from demo.options import Options
from models.machine import machine

START_RUNS = 3  # of stream.py to its first frame; the median counts
PACKAGES = {"numpy", "opencv-python", "opencv-python-headless", "openvino", "onnxruntime", "av"}


def results(
    clip: str, options: Options, runs: int, extras: Collection[str], quiet: bool
) -> dict[str, Any]:
    """Measure. `extras`: any of "reference", "every-frame", "log-only", "record". `quiet`: no
    progress bars. Raises UserError or ModelError."""
    with video_source(clip):
        pass  # an unusable clip raises before anything is measured
    result: dict[str, Any] = {"clip": clip, **_processes(clip, options, "record" in extras)}
    settings = Settings(options.detect_every or Settings.detect_every)
    comparison = None
    with networks(options) as loaded:
        passes, laps = _passes(clip, loaded, settings, runs, extras, quiet)
        if "every-frame" in extras:
            comparison = asdict(compare_with_every_frame(clip, loaded, settings, quiet))
    middle = sorted(passes, key=lambda each: each.lap.fps)[len(passes) // 2]
    result |= _speed(middle) | _side_by_side(laps, extras)
    result |= {
        "recall": None,
        "extra": None,
        "ratio_to_reference": None,
        "against_every_frame": comparison,
        "settings": {"detect_every": settings.detect_every, "min_face": options.min_face},
        "model": options.model,
        "machine": machine(),
        "usable_cores": _usable_cores(),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    if "reference" in extras:
        result |= _against_reference(clip, options.model, middle, quiet)
    return result


def _processes(clip: str, options: Options, record: bool) -> dict[str, float | None]:
    """What is measured on stream.py as a process of its own."""
    command = stream_command(clip, options)
    starts = [first_frame_seconds(command) for _ in range(START_RUNS)]
    measured: dict[str, float | None] = {
        "first_frame_s": float(np.median(starts)),
        "rss_mb": peak_memory_mb(command),
        "rss_record_mb": None,
    }
    if record:
        with TemporaryDirectory() as folder:
            recording = [*command, "-o", str(Path(folder) / "annotated.mp4")]
            measured["rss_record_mb"] = peak_memory_mb(recording)
    return measured


def _passes(
    clip: str,
    loaded: Networks,
    settings: Settings,
    runs: int,
    extras: Collection[str],
    quiet: bool,
) -> tuple[list[Pass], Laps]:
    """The timed passes of all kinds that the extras need; those of the kind "bench" in detail."""
    passes: list[Pass] = []

    def bench() -> Lap:
        passes.append(timed_pass(clip, loaded, settings))
        return passes[-1].lap

    kinds: dict[str, Callable[[], Lap]] = {"bench": bench}
    if opencv.readable(clip):
        kinds = {"decode_only": partial(opencv.decode_only, clip)} | kinds
    if "log-only" in extras:
        kinds["log_only"] = partial(logging_lap, clip, loaded, settings)
    if "log-only" in extras or "record" in extras:
        kinds["draw"] = partial(drawing_lap, clip, loaded, settings)
    if "record" in extras:
        kinds["record"] = partial(recording_lap, clip, loaded, settings)
        if "decode_only" in kinds:
            kinds["mp4v"] = partial(opencv.decode_and_encode, clip)
    laps = run_rounds(kinds, runs, quiet)
    return passes[1:], laps  # the first one warms up


def _speed(middle: Pass) -> dict[str, Any]:
    """The pass with the median speed, in detail."""
    p50, p95 = (float(np.percentile(middle.busy, percent)) for percent in (50, 95))
    return {
        "fps": middle.lap.fps,
        "cpu_ms": middle.lap.cpu_ms,
        "faces_per_second": middle.faces_per_second,
        "stages": {
            name: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95))}
            for name, ms in middle.stages.items()
        },
        "frame_p50_ms": p50,
        "frame_p95_ms": p95,
        "frame_p95_to_p50": p95 / p50,
    }


def _side_by_side(laps: Laps, extras: Collection[str]) -> dict[str, Any]:
    """The kinds of passes beside each other."""
    kinds = figures(laps, "decode_only")
    decode_only = kinds.get("decode_only", {})
    result: dict[str, Any] = {
        "fps_of_runs": kinds["bench"]["fps_of_runs"],
        "decode_only_fps": decode_only.get("fps"),
        "part_of_decode_only": kinds["bench"]["part_of_decode_only"],
        "passes": kinds,
        "log_only": None,
        "record": None,
    }
    if "log-only" in extras:
        result["log_only"] = {
            "fps": kinds["log_only"]["fps"],
            "fps_with_overlay": kinds["draw"]["fps"],
            "ratio": part(laps, "log_only", "draw"),
        }
    if "record" in extras:
        result["record"] = {
            "fps": kinds["record"]["fps"],
            "part_of_drawing": part(laps, "record", "draw"),
            "ratio_to_mp4v": part(laps, "record", "mp4v"),
        }
    return result


def _against_reference(clip: str, model: str, ours: Pass, quiet: bool) -> dict[str, float]:
    reference = run_reference(clip, model, quiet)
    return {
        "recall": share_matched(reference.faces, ours.boxes),
        "extra": 1 - share_matched(ours.boxes, reference.detections),
        "reference_fps": reference.fps,
        "ratio_to_reference": ours.lap.fps / reference.fps,
    }


def _usable_cores() -> int:
    """Cores that this process may use: fewer than the machine has, where it is pinned."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    """Versions of the installed PACKAGES."""
    return {d.name: d.version for d in distributions() if d.name in PACKAGES}

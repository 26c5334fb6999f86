"""Timed passes over a clip."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np
from tqdm import tqdm

from demo.bench.clips import video_source
from demo.build import Networks
from demo.display.overlay import annotate
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Frame
from demo.session import Session
from demo.sinks.base import PictureSink
from demo.sinks.log import Log
from demo.timing import Stopwatch


@dataclass(frozen=True)
class Pass:
    """One pass over a clip. All fields but `boxes` are keys of the report."""

    fps: float
    faces_per_second: float
    stages: dict[str, dict[str, float]]  # stage -> "p50" and "p95", milliseconds per frame
    frame_p95_ms: float  # from the decoded frame to its overlay
    boxes: list[np.ndarray]  # per frame (N, 4) float32, xyxy, pixels


class LogOnly(NamedTuple):
    """Frames per second of whole sessions that write a log. The fields are keys of the report."""

    fps: float  # nothing is drawn: stream.py --no-display --log FILE
    fps_with_overlay: float  # every frame is drawn too, as for a recording
    ratio: float


class _Discard:
    """A picture sink that takes every picture and drops it, so that all frames are drawn."""

    wanted, realtime = True, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...
    def write(self, picture: Frame) -> None: ...


def timed_passes(
    clip: str, networks: Networks, settings: Settings, runs: int, quiet: bool
) -> list[Pass]:
    """Time `runs` passes over the clip, after one to warm up. Frames are decoded, analysed and
    drawn, without a window or a recording. `quiet`: no progress bar."""
    passes = [
        _timed_pass(clip, networks, settings) for _ in tqdm(range(runs + 1), "runs", disable=quiet)
    ]
    return passes[1:]


def _timed_pass(clip: str, networks: Networks, settings: Settings) -> Pass:
    stopwatch = Stopwatch(window=None)
    boxes, busy = [], []  # busy: milliseconds per frame
    with video_source(clip) as source:
        pipeline = Pipeline(*networks, source.fps, settings, stopwatch=stopwatch)
        start = time.perf_counter()
        for frame in source:
            decoded = time.perf_counter()
            faces = pipeline.process(frame).faces
            with stopwatch.stage("draw"):
                annotate(frame.image, faces, stopwatch.line)
            stopwatch.frame_done()
            busy.append((time.perf_counter() - decoded) * 1e3)
            boxes.append(faces.boxes)
        seconds = time.perf_counter() - start
    stages = {
        name: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95))}
        for name, ms in stopwatch.times().items()
    }
    faces_per_second = sum(map(len, boxes)) / seconds
    return Pass(
        len(boxes) / seconds, faces_per_second, stages, float(np.percentile(busy, 95)), boxes
    )


def log_only(clip: str, networks: Networks, settings: Settings, runs: int, quiet: bool) -> LogOnly:
    """Time `runs` sessions that only write a log and as many that draw every frame too, in turn,
    after one to warm up; medians."""
    _session_fps(clip, networks, settings, [])
    pairs = [
        [_session_fps(clip, networks, settings, pictures) for pictures in ([], [_Discard()])]
        for _ in tqdm(range(runs), "log only", disable=quiet)
    ]
    fps, with_overlay = (float(median) for median in np.median(pairs, axis=0))
    return LogOnly(fps, with_overlay, fps / with_overlay)


def _session_fps(
    clip: str, networks: Networks, settings: Settings, pictures: Sequence[PictureSink]
) -> float:
    stopwatch = Stopwatch()
    with TemporaryDirectory() as folder:
        source = video_source(clip)
        pipeline = Pipeline(*networks, source.fps, settings, stopwatch=stopwatch)
        sinks = [Log(Path(folder) / "faces.jsonl")]
        session = Session([(source, pipeline)], sinks, pictures, stopwatch=stopwatch)
        start = time.perf_counter()
        frames = sum(1 for _ in session)
        return frames / (time.perf_counter() - start)

"""Timed passes over a clip with our own parts."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np

from demo.bench.clips import clip_rate, video_source
from demo.bench.laps import Clock, Lap
from demo.display.overlay import annotate
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Frame
from demo.networks import Networks
from demo.session import Session
from demo.sinks.base import PictureSink
from demo.sinks.log import Log
from demo.sinks.video import VideoRecorder
from demo.timing import Stopwatch


@dataclass(frozen=True)
class Pass:
    """One pass over a clip, frame by frame."""

    lap: Lap
    stages: dict[str, list[float]]  # milliseconds of each frame
    busy: list[float]  # milliseconds of each frame, from its decoding to its overlay
    boxes: list[np.ndarray]  # per frame (N, 4) float32, xyxy, pixels

    @property
    def faces_per_second(self) -> float:
        """Faces that were found per second."""
        return sum(map(len, self.boxes)) / self.lap.seconds


class _Discard:
    """A picture sink that takes every picture and drops it, so that all frames are drawn."""

    wanted, realtime = True, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...
    def write(self, picture: Frame) -> None: ...


def timed_pass(clip: str, networks: Networks, settings: Settings) -> Pass:
    """Decode, analyse and draw every frame of the clip, without a window or a recording."""
    stopwatch = Stopwatch(window=None)
    boxes, busy = [], []
    with closing(video_source(clip)) as source:
        pipeline = Pipeline(*networks, source.fps, settings, stopwatch=stopwatch)
        clock = Clock()
        for frame in source:
            decoded = time.perf_counter()
            faces = pipeline.process(frame).faces
            with stopwatch.stage("draw"):
                annotate(frame.image, faces, stopwatch.line)
            stopwatch.frame_done()
            busy.append((time.perf_counter() - decoded) * 1e3)
            boxes.append(faces.boxes)
        return Pass(clock.lap(len(boxes)), stopwatch.times(), busy, boxes)


def logging_lap(clip: str, networks: Networks, settings: Settings) -> Lap:
    """A session that only writes a log, as stream.py --no-display --log FILE: nothing is drawn."""
    return _session_lap(clip, networks, settings, [])


def drawing_lap(clip: str, networks: Networks, settings: Settings) -> Lap:
    """The same session, in which every frame is drawn and dropped."""
    return _session_lap(clip, networks, settings, [_Discard()])


def recording_lap(clip: str, networks: Networks, settings: Settings) -> Lap:
    """The same session, in which every frame is drawn and recorded, as with -o FILE.mp4. The
    recording is complete at the end of the pass."""
    with TemporaryDirectory() as folder:
        recorder = VideoRecorder(Path(folder) / "annotated.mp4", clip_rate(clip))
        return _session_lap(clip, networks, settings, [recorder])


def _session_lap(
    clip: str, networks: Networks, settings: Settings, pictures: Sequence[PictureSink]
) -> Lap:
    stopwatch = Stopwatch()
    with TemporaryDirectory() as folder:
        source = video_source(clip)
        pipeline = Pipeline(*networks, source.fps, settings, stopwatch=stopwatch)
        sinks = [Log(Path(folder) / "faces.jsonl")]
        session = Session([(source, pipeline)], sinks, pictures, stopwatch=stopwatch)
        clock = Clock()
        return clock.lap(sum(1 for _ in session))

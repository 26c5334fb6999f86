"""Latency, lost frames, processor use and memory of the live path, with a clip as the camera."""

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import av
import numpy as np

from demo.bench.clips import ClipCamera
from demo.bench.laps import Clock
from demo.bench.process import resident_mb
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Frame
from demo.networks import Networks
from demo.session import Session
from demo.sinks.encoder import Encoding
from demo.sinks.video import VideoRecorder
from demo.sources.live import LiveSource
from models.machine import machine


class _Meter:
    """A picture sink that notes how old every picture is when it is drawn, and the memory."""

    wanted, realtime = True, False

    def __init__(self) -> None:
        self.latencies: list[float] = []  # milliseconds
        self.memory: list[float] = []  # MB
        self.threads = 0
        self._last = -1  # index of the last picture

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...
    def write(self, picture: Frame) -> None:
        """Note the picture, unless it is repeated while the source is lost."""
        if picture.index == self._last:
            return
        self._last, self.threads = picture.index, threading.active_count()
        self.latencies.append((time.monotonic() - picture.captured) * 1e3)
        self.memory.append(resident_mb())


def measure_latency(
    camera: ClipCamera, networks: Networks, settings: Settings, record: bool
) -> dict[str, Any]:
    """Run a session on the camera, with a recording or without; the report: latency from capture to
    overlay, lost frames, processor time, resident memory. Raises UserError if too few frames
    arrive."""
    meter = _Meter()
    source = LiveSource(camera.clip, lambda: camera, give_up=0)
    if record:
        source.keep_unwatched()
    pipeline = Pipeline(*networks, source.fps, settings)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "annotated.mp4"
        recorders = (
            [VideoRecorder(path, source.fps, encoding=Encoding(live=True))] if record else []
        )
        clock = Clock()
        result = Session([(source, pipeline)], pictures=[meter, *recorders]).run()
        lap = clock.lap(result.frames)
        recorded = _frames_in(path) if record and lap.frames else None
    if len(meter.memory) < 2:
        raise UserError(f"too few frames in {camera.seconds:g} s: give --live more seconds")
    lost = camera.due - lap.frames
    return {
        "clip": camera.clip,
        "seconds": camera.seconds,
        "fps": camera.fps,
        "due": camera.due,  # frames that the camera had
        "frames": lap.frames,
        "dropped": source.dropped,
        "lost": lost,  # dropped, or not taken from the camera in time
        "lost_share": lost / camera.due,
        "recorded_frames": recorded,
        **_latency(meter.latencies),
        "cores": lap.cpu_seconds / camera.seconds,
        "cpu_ms": lap.cpu_ms,
        "cores_needed": lap.cpu_ms * camera.fps / 1e3,  # if no frame were lost
        **_memory(meter.memory),
        "threads": meter.threads,
        "machine": machine(),
    }


def _latency(latencies: list[float]) -> dict[str, float]:
    p50, p95 = (float(np.percentile(latencies, percent)) for percent in (50, 95))
    old_names = {"delay_p50_ms": p50, "delay_p95_ms": p95}  # in older reports
    return old_names | {"latency_p50_ms": p50, "latency_p95_ms": p95}


def _memory(megabytes: list[float]) -> dict[str, Any]:
    half = len(megabytes) // 2
    first, last = megabytes[:half], megabytes[half:]
    return {
        "rss_mb": max(megabytes),
        "rss_first_half_mb": [min(first), max(first)],
        "rss_last_half_mb": [min(last), max(last)],
    }


def _frames_in(path: Path) -> int:
    """Number of frames of a video."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)

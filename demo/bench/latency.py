"""Latency, processor use and memory of the live path, with a clip as the camera."""

import threading
import time
from typing import Any

import numpy as np

from demo.bench.clips import CAMERA_FPS, ClipCamera
from demo.bench.process import resident_mb
from demo.build import Networks
from demo.display.overlay import annotate
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.sources.live import LiveSource
from models.machine import machine


def measure_latency(
    clip: str, networks: Networks, settings: Settings, seconds: float
) -> dict[str, Any]:
    """Play the clip as a camera and report the latency from capture to overlay, the cores in use
    and the resident memory. Raises UserError if too few frames arrive."""
    camera = ClipCamera(clip, seconds)
    source = LiveSource(clip, lambda: camera, give_up=0)
    pipeline = Pipeline(*networks, CAMERA_FPS, settings)
    latencies, memory = [], []  # milliseconds, MB
    start = time.process_time()
    with source:
        for frame in source:
            annotate(frame.image, pipeline.process(frame).faces)
            latencies.append((time.monotonic() - frame.captured) * 1e3)
            memory.append(resident_mb())
    busy = time.process_time() - start
    half = len(memory) // 2
    if not half:
        raise UserError(f"too few frames in {seconds:g} s: give --live more seconds")
    p50, p95 = (float(np.percentile(latencies, percent)) for percent in (50, 95))
    return {
        "seconds": seconds,
        "frames": len(latencies),
        "dropped": source.dropped,
        "delay_p50_ms": p50,  # the latency, under the name in older reports
        "delay_p95_ms": p95,
        "latency_p50_ms": p50,
        "latency_p95_ms": p95,
        "cores": busy / seconds,
        "rss_mb": float(np.max(memory)),
        "rss_first_half_mb": [float(np.min(memory[:half])), float(np.max(memory[:half]))],
        "rss_last_half_mb": [float(np.min(memory[half:])), float(np.max(memory[half:]))],
        "threads": threading.active_count(),
        "machine": machine(),
    }

"""A clip as the source of a benchmark: as a video, and as a camera."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from demo.errors import UserError
from demo.faces.detectors import DETECTORS, Detector
from demo.session import prepare_process
from demo.sources.video import Source, open_source
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest

ROOT = Path(__file__).resolve().parents[2]
CAMERA_FPS = 30.0


class ClipCamera:
    """A clip as a camera of 30 frames a second, for some seconds."""

    fps = CAMERA_FPS

    def __init__(self, clip: str, seconds: float) -> None:
        self._clip, self._frames = clip, _images(clip)
        self._end = seconds
        self._start, self._count = time.monotonic(), 0

    def release(self) -> None:
        pass

    def read(self) -> np.ndarray | None:
        due = self._count / CAMERA_FPS
        time.sleep(max(self._start + due - time.monotonic(), 0.0))
        self._count += 1
        image = next(self._frames, None)
        if image is None:
            self._frames = _images(self._clip)
            image = next(self._frames)
        return image if time.monotonic() < self._start + self._end else None


def _images(clip: str) -> Iterator[np.ndarray]:
    with video_source(clip) as source:
        for frame in source:
            yield frame.image


def engines(
    model: str = "ssrnet-joint",
    device: str = "cpu",
    detector: str = "mtcnn",
    min_face: float | None = None,
) -> tuple[Detector, Estimator]:
    """What a run on a video needs beside its source, in a process that is prepared as for one.
    Raises ModelError where the network cannot be used."""
    prepare_process()
    estimator = Estimator(load_manifest(model), choose_device(device))
    return DETECTORS[detector](min_face, True), estimator


def video_source(clip: str) -> Source:
    """A video file. Raises UserError for any other source."""
    source = open_source(clip)
    if source.live or source.photos:
        raise UserError(f"{clip} is not a video file: the benchmark needs the same frames each run")
    return source


def resident_mb() -> float:
    """Resident memory in MB; nan where /proc does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

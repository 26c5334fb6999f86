"""`python -m demo.doctor`: what of this machine the demo can use, what not and why, how fast it is,
and the settings for it. Exit code 0 where the demo would run."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from demo.doctor import checks
from demo.doctor.checks import BAD, NOTE, OK, ROOT, Finding, FoundCamera
from models.commands import guarded, number

CLIP = ROOT / "assets" / "demo.mp4"
MARKS = {OK: "ok ", NOTE: " - ", BAD: "BAD"}
CAMERA_FPS, RESERVE = 30.0, 0.5  # share of a frame's time that may be spent on its faces
DETECT_EVERY = (1, 2, 4, 8, 16)  # frames
WARM_UP = 4  # frames of the clip that the benchmark does not count
MIN_FACE = 60  # pixels, for machines on which all of these are too slow


@dataclass(frozen=True)
class Speed:
    """Milliseconds from a frame of the demo clip to its overlay."""

    searched: float  # where the whole frame is searched
    coarsely: float  # the same without the smallest faces
    followed: float  # where only known faces are measured

    def mean(self, detect_every: int) -> float:
        """Milliseconds a frame where one in `detect_every` is searched."""
        if detect_every == 1:
            return self.searched
        search = (self.searched + self.coarsely) / 2 - self.followed
        return self.followed + search / detect_every


def benchmark(seconds: float) -> Speed:
    """The default networks on the demo clip, for so long."""
    import numpy as np

    from demo.bench.clips import engines
    from demo.display.overlay import draw
    from demo.faces.pipeline import Pipeline, Settings
    from demo.sources.open import open_source
    from demo.timing import Stopwatch

    detector, estimator = engines(device="auto")
    settings = Settings(detect_every=2)  # searched, followed, coarsely, followed
    times: list[list[float]] = [[], [], [], []]
    end = time.perf_counter() + seconds
    while not min(map(len, times)) or time.perf_counter() < end:
        with open_source(str(CLIP)) as source:
            pipeline = Pipeline(
                detector, estimator, estimator.input, source.fps, settings, Stopwatch()
            )
            for frame in source:
                start = time.perf_counter()
                draw(frame.image, pipeline.process(frame))
                if frame.index >= WARM_UP:
                    times[frame.index % 4].append(time.perf_counter() - start)
                if min(map(len, times)) and time.perf_counter() > end:
                    break
    searched, followed, coarsely, _ = (float(np.median(t)) * 1e3 for t in times)
    return Speed(searched, coarsely, followed)


def advice(speed: Speed, found: list[FoundCamera], window: bool) -> str:
    """The command for this machine: the best camera it can keep up with, searched as often as half
    of its time allows, a window where there is a screen."""
    words = ["python stream.py"]
    words.append(f"-s {found[0].index}" if found else f"-s {CLIP.relative_to(ROOT)}")
    allowed = RESERVE * 1e3 / CAMERA_FPS
    fitting = [n for n in DETECT_EVERY if speed.mean(n) <= allowed]
    words.append(f"--detect-every {fitting[0] if fitting else DETECT_EVERY[-1]}")
    if not fitting:
        words.append(f"--min-face {MIN_FACE}")
    if not window:
        words.append("--no-display -o annotated.mp4")
    return " ".join(words)


def speed(seconds: float, measured: list[Speed]) -> Iterator[Finding]:
    """How fast the demo clip goes, which is added to `measured`."""
    from demo.faces.pipeline import Settings

    measured.append(benchmark(seconds))
    often, always = (1e3 / measured[0].mean(n) for n in (Settings.detect_every, 1))
    text = f"{often:.0f} frames a second of the demo clip, {always:.0f} with --detect-every 1"
    yield Finding("speed", OK, text)


def examine(tensorflow: bool, seconds: float, as_json: bool) -> bool:
    """Examine and print; whether the demo would run."""
    found: list[FoundCamera] = []
    measured: list[Speed] = []
    examinations = {
        "programs": checks.programs(),
        "machine": checks.machine(),
        "engines": checks.engines(tensorflow),
        "weights": checks.weights(),
        "cameras": checks.cameras(found),
        "window": checks.display(),
        "recording": checks.codecs(),
        "speed": speed(seconds, measured),  # where all else is well
    }
    findings: list[Finding] = []
    for name, check in examinations.items():
        if name == "speed" and any(f.state == BAD for f in findings):
            break
        for finding in checks.examined(name, check):
            findings.append(finding)
            _tell(finding, as_json)
    window = any(f.what == "window" and f.state == OK for f in findings)
    command = advice(measured[0], found, window) if measured else None
    if as_json:
        record = {
            "runs": command is not None,
            "findings": [asdict(finding) for finding in findings],
            "milliseconds": asdict(measured[0]) if measured else None,
            "command": command,
        }
        print(json.dumps(record, indent=1))
    else:
        print(f"\nfor this machine: {command}" if command else "\nthe demo would not run: see BAD")
    return command is not None


def main(argv: list[str] | None = None) -> int:
    """The command; 0 where the demo would run, 1 where not."""
    parser = argparse.ArgumentParser(prog="python -m demo.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument(
        "--tensorflow", action="store_true", help="import TensorFlow too and ask it for GPUs"
    )
    parser.add_argument(
        "--seconds", type=number(0), default=5.0, metavar="S", help="length of the benchmark (5)"
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    runs = False

    def work() -> None:
        nonlocal runs
        runs = examine(args.tensorflow, args.seconds, args.json)

    return guarded("demo.doctor", work) or int(not runs)


def _tell(finding: Finding, silent: bool) -> None:
    if not silent:
        print(f"{MARKS[finding.state]}  {finding.what:<24}{finding.text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

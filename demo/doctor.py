"""`python -m demo.doctor`: what of this machine the demo can use, what not and why, how fast it is,
and the settings for it. Exit code 0 where the demo would run."""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass

from demo import checks
from demo.checks import BAD, NOTE, OK, ROOT, Camera, Finding

CLIP = ROOT / "assets" / "demo.mp4"
MARKS = {OK: "ok ", NOTE: " - ", BAD: "BAD"}
CAMERA_FPS, RESERVE = 30.0, 0.5  # share of a frame's time that may be spent on its faces
DETECT_EVERY = (1, 2, 4, 8, 16)  # frames; the default is 8
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

    from demo.detectors import DETECTORS
    from demo.draw import draw
    from demo.pipeline import Pipeline, Settings
    from demo.session import prepare_process
    from demo.sources import open_source
    from demo.timing import Stopwatch
    from models.runtime import Estimator, choose_device
    from models.spec import load_manifest

    prepare_process()
    detector, manifest = DETECTORS["mtcnn"](None, True), load_manifest("ssrnet-joint")
    estimator = Estimator(manifest, choose_device("auto"))

    settings = Settings(detect_every=2)  # searched, followed, coarsely, followed
    times: list[list[float]] = [[], [], [], []]
    end = time.perf_counter() + seconds
    while not min(map(len, times)) or time.perf_counter() < end:
        with open_source(str(CLIP)) as source:
            pipeline = Pipeline(
                detector, estimator, manifest.input, source.fps, settings, Stopwatch()
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


def advice(speed: Speed, found: list[Camera], window: bool) -> str:
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


def main(argv: list[str] | None = None) -> int:
    """Examine and print; 0 where the demo would run, 1 where not."""
    parser = argparse.ArgumentParser(prog="python -m demo.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument(
        "--tensorflow", action="store_true", help="import TensorFlow too and ask it for GPUs"
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="S", help="length of the benchmark (5)"
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

    found: list[Camera] = []
    examinations = {
        "programs": checks.programs(),
        "machine": checks.machine(),
        "engines": checks.engines(args.tensorflow),
        "weights": checks.weights(),
        "cameras": checks.cameras(found),
        "window": checks.display(),
        "recording": checks.codecs(),
    }
    findings = []
    for name, check in examinations.items():
        for finding in checks.examined(name, check):
            findings.append(finding)
            _tell(finding, args.json)
    command, speed = None, None
    if all(f.state != BAD for f in findings):
        speed = benchmark(args.seconds)
        window = any(f.what == "window" and f.state == OK for f in findings)
        command = advice(speed, found, window)
        text = (
            f"{1e3 / speed.mean(8):.0f} frames a second of the demo clip, "
            f"{1e3 / speed.mean(1):.0f} with --detect-every 1"
        )
        findings.append(Finding("speed", OK, text))
        _tell(findings[-1], args.json)
    if args.json:
        record = {
            "runs": command is not None,
            "findings": [asdict(finding) for finding in findings],
            "milliseconds": asdict(speed) if speed else None,
            "command": command,
        }
        print(json.dumps(record, indent=1))
    else:
        print(f"\nfor this machine: {command}" if command else "\nthe demo would not run: see BAD")
    return 0 if command else 1


def _tell(finding: Finding, silent: bool) -> None:
    if not silent:
        print(f"{MARKS[finding.state]}  {finding.what:<24}{finding.text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

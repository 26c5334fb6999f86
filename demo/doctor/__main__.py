"""Check whether this machine can run the demo, how fast, and with which settings.

Each line is one finding: "ok", "-" for an optional part that is missing, or "BAD". The last line
recommends a command for this machine. The exit code is 0 if the demo can run, else 1.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from demo.doctor import checks
from demo.doctor.checks import BAD, NOTE, OK, Finding, FoundCamera, run_check
from models.commands import guarded, number
from models.files import ROOT

if TYPE_CHECKING:  # packages may be missing: they are imported after the checks of them
    from demo.frames import Search

CLIP = ROOT / "assets" / "demo.mp4"
MARKS = {OK: "ok ", NOTE: " - ", BAD: "BAD"}
CAMERA_FPS = 30.0
BUSY = 0.5  # share of the time between two camera frames that may be spent on one
DETECT_EVERY = (1, 2, 4, 8, 16)  # frames
WARM_UP = 4  # frames at the start of the clip that the benchmark does not count
MIN_FACE = 60  # pixels, for machines that are too slow with every DETECT_EVERY


@dataclass(frozen=True)
class Speed:
    """Milliseconds from a frame of the demo clip to its overlay, by `demo.frames.Search`."""

    full: float  # "all": the whole frame is searched
    coarse: float  # "coarse": the same without the smallest faces
    known: float  # "known": only known faces are measured

    def mean(self, detect_every: int) -> float:
        """Milliseconds per frame if every `detect_every`-th frame is searched."""
        if detect_every == 1:
            return self.full
        search = (self.full + self.coarse) / 2 - self.known  # every second search is coarse
        return self.known + search / detect_every

    def record(self) -> dict[str, float]:
        """The speed as the JSON report has it."""
        return {"searched": self.full, "coarsely": self.coarse, "followed": self.known}


def benchmark(seconds: float) -> Speed:
    """Time the default networks on the demo clip for at least `seconds`; medians. Raises UserError
    or ModelError."""
    import numpy as np

    from demo.build import prepare_process
    from demo.display.overlay import annotate
    from demo.faces.pipeline import Pipeline
    from demo.faces.settings import Settings
    from demo.networks import load_networks
    from demo.options import Options
    from demo.sources.open import open_source

    prepare_process()
    networks = load_networks(Options(), photos=False)
    settings = Settings(detect_every=2)  # so that all kinds of search are frequent
    times: dict[Search, list[float]] = {"all": [], "coarse": [], "known": []}
    end = time.perf_counter() + seconds
    with networks.estimator:
        while not all(times.values()) or time.perf_counter() < end:
            with open_source(str(CLIP)) as source:
                pipeline = Pipeline(*networks, source.fps, settings)
                for frame in source:
                    start = time.perf_counter()
                    analysis = pipeline.process(frame)
                    annotate(frame.image, analysis.faces)
                    if frame.index >= WARM_UP:
                        times[analysis.search].append(time.perf_counter() - start)
                    if all(times.values()) and time.perf_counter() > end:
                        break
    full, coarse, known = (float(np.median(times[k])) * 1e3 for k in ("all", "coarse", "known"))
    return Speed(full, coarse, known)


def advice(speed: Speed, found: list[FoundCamera], window: bool) -> str:
    """The command for this machine: its first camera, else the demo clip; searched as often as BUSY
    allows; recorded where there is no window."""
    words = ["python stream.py"]
    words.append(f"-s {found[0].index}" if found else f"-s {CLIP.relative_to(ROOT)}")
    allowed = BUSY * 1e3 / CAMERA_FPS
    fitting = [n for n in DETECT_EVERY if speed.mean(n) <= allowed]
    words.append(f"--detect-every {fitting[0] if fitting else DETECT_EVERY[-1]}")
    if not fitting:
        words.append(f"--min-face {MIN_FACE}")
    if not window:
        words.append("--no-display -o annotated.mp4")
    return " ".join(words)


def speed(seconds: float, measured: list[Speed]) -> Iterator[Finding]:
    """Measure the speed on the demo clip and append it to `measured`."""
    from demo.faces.settings import Settings

    measured.append(benchmark(seconds))
    default, every = (1e3 / measured[0].mean(n) for n in (Settings.detect_every, 1))
    text = f"{default:.0f} frames per second of the demo clip, {every:.0f} with --detect-every 1"
    yield Finding("speed", OK, text)


def examine(tensorflow: bool, seconds: float, as_json: bool) -> bool:
    """Run all checks and print them; whether the demo can run."""
    found: list[FoundCamera] = []
    measured: list[Speed] = []
    examinations = {
        "software": checks.software(),
        "machine": checks.machine(),
        "engines": checks.engines(tensorflow),
        "weights": checks.weights(),
        "cameras": checks.cameras(found),
        "window": checks.display(),
        "recording": checks.codecs(),
        "speed": speed(seconds, measured),  # only if nothing else is BAD
    }
    findings: list[Finding] = []
    for name, check in examinations.items():
        if name == "speed" and any(f.state == BAD for f in findings):
            break
        for finding in run_check(name, check):
            findings.append(finding)
            if not as_json:
                print(f"{MARKS[finding.state]}  {finding.what:<24}{finding.text}", flush=True)
    window = any(f.what == "window" and f.state == OK for f in findings)
    command = advice(measured[0], found, window) if measured else None
    if as_json:
        record = {
            "runs": command is not None,
            "findings": [asdict(finding) for finding in findings],
            "milliseconds": measured[0].record() if measured else None,
            "command": command,
        }
        print(json.dumps(record, indent=1))
    elif command:
        print(f"\nrecommended for this machine: {command}")
    else:
        print("\nthe demo cannot run: see BAD above")
    return command is not None


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 if the demo can run, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--tensorflow", action="store_true", help="also import TensorFlow and look for its GPUs"
    )
    parser.add_argument(
        "--seconds", type=number(0), default=5.0, metavar="S", help="length of the benchmark (5)"
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    return guarded(
        "demo.doctor", lambda: int(not examine(args.tensorflow, args.seconds, args.json))
    )


if __name__ == "__main__":
    sys.exit(main())

"""`python -m demo.bench.soak --minutes 30`: whether the application can run for days.

A clip is played as a camera of 30 frames a second, over and over, through everything that a session
has: reconnecting source, pipeline, overlay, recording, log and summary. Once a second memory,
threads, open files and delay are noted; the last half must be as the first was.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import av
import numpy as np

from demo.bench.clips import ROOT, ClipCamera, engines, resident_mb, video_source
from demo.display.mosaic import SourceView
from demo.errors import UserError
from demo.faces.pipeline import Pipeline, Settings
from demo.frames import Faces, Frame
from demo.session import run
from demo.sinks.log import Log
from demo.sinks.summary import Summary
from demo.sinks.video import VideoRecorder, check_plot
from demo.sources.live import LiveSource
from demo.timing import Stopwatch
from models.commands import INTERRUPTED, guarded, number
from models.machine import machine

WARM_UP = 0.1  # of the run, left out
MORE_MEMORY = 0.03  # of the first half's
MORE_DELAY = (0.25, 5.0)  # of the first half's, and milliseconds
TRUE_TIME = 0.02  # of the session: what the recording may be longer or shorter
REPORT_SECONDS = 60
LABELS = {
    "rss_mb": "memory, MB",
    "threads": "threads",
    "handles": "open files",
    "delay_ms": "delay, ms",
}


class Sample(NamedTuple):
    """One second of the run."""

    second: float
    rss_mb: float
    threads: int
    handles: int  # open files and sockets
    delay_ms: float  # from the capture of a frame to its overlay, median of the second
    faces: int  # in the last frame


def own_process() -> tuple[float, int, int]:
    """Resident memory in MB, threads and open files of this process, as Linux counts them."""
    status = Path("/proc/self/status").read_text()
    told = dict(line.split(":", 1) for line in status.splitlines())
    handles = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # the listing itself is one
    return resident_mb(), int(told["Threads"]), handles


class Meter:
    """A sink that takes a sample a second."""

    def __init__(self, source: LiveSource, notify: Callable[[str], None]) -> None:
        self._source, self._notify = source, notify
        self._delays: list[float] = []
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, frame: Frame, faces: Faces) -> None:
        """Note the frame's delay and, when a second is over, the sample."""
        now = time.monotonic() - self._source.started
        self._delays.append((now - frame.time) * 1e3)
        if now < len(self.samples) + 1:
            return
        delay = float(np.median(self._delays))
        self._delays.clear()
        self.samples.append(Sample(round(now, 3), *own_process(), round(delay, 3), len(faces)))
        if len(self.samples) % REPORT_SECONDS == 0:
            self._notify(line(self.samples[-1]))


def line(s: Sample) -> str:
    """A sample for people."""
    return (
        f"{s.second / 60:.0f} min: {s.rss_mb:.1f} MB, {s.threads} threads, {s.handles} open files, "
        f"delay {s.delay_ms:.0f} ms, {s.faces} faces"
    )


@dataclass(frozen=True)
class Half:
    """Medians over one half of the samples."""

    rss_mb: float
    threads: float
    handles: float
    delay_ms: float


def halves(samples: list[Sample]) -> tuple[Half, Half]:
    """First and last half after the warm-up. Raises UserError where there is nothing to compare."""
    kept = np.array(samples[int(len(samples) * WARM_UP) :], float).reshape(-1, len(Sample._fields))
    middle = len(kept) // 2
    if not middle:
        raise UserError(f"{len(samples)} samples are too few to compare: let it run for longer")
    first, last = (Half(*np.median(part, axis=0)[1:5]) for part in (kept[:middle], kept[middle:]))
    return first, last


def faults(first: Half, last: Half) -> list[str]:
    """What got worse, a line each."""
    share, milliseconds = MORE_DELAY
    bounds = {
        "rss_mb": ("MB of memory", first.rss_mb * (1 + MORE_MEMORY)),
        "threads": ("threads", first.threads),
        "handles": ("open files", first.handles),
        "delay_ms": ("ms of delay", first.delay_ms * (1 + share) + milliseconds),
    }
    return [
        f"{vars(first)[name]:.1f} {unit} became {vars(last)[name]:.1f}, more than {bound:.1f}"
        for name, (unit, bound) in bounds.items()
        if vars(last)[name] > bound
    ]


def soak(clip: str, seconds: float, notify: Callable[[str], None]) -> dict[str, Any]:
    """Run for so long; samples, halves and faults."""
    with video_source(clip):
        pass  # what is wrong with it is told before anything starts
    (detector, estimator), stopwatch = engines(), Stopwatch()
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "soak.mp4"
        camera = ClipCamera(clip, seconds)
        source = LiveSource(clip, lambda: camera, give_up=0)
        pipeline = Pipeline(detector, estimator, estimator.input, source.fps, Settings(), stopwatch)
        summary = Summary(Path(folder) / "soak.html", clip, False, lambda: source.dropped)
        meter = Meter(source, notify)
        result = run(
            [SourceView(source, summary.timed(pipeline.process))],
            [Log(Path(folder) / "soak.jsonl"), summary, meter],
            VideoRecorder(recording, source.fps),
            None,
            stopwatch,
            None,
            notify,
        )
        first, last = halves(meter.samples)
        recorded = length(recording)
    wrong = faults(first, last)
    if abs(recorded / summary.duration - 1) > TRUE_TIME:
        wrong.append(f"a session of {summary.duration:.1f} s was recorded as {recorded:.1f} s")
    return {
        "clip": clip,
        "machine": machine(),
        "seconds": round(summary.duration, 3),
        "recorded_seconds": round(recorded, 3),
        "frames": result.frames,
        "dropped": source.dropped,
        "people": summary.count,
        "interrupted": result.interrupted,
        "first_half": vars(first),
        "last_half": vars(last),
        "faults": wrong,
        "samples": {
            name: list(column)
            for name, column in zip(Sample._fields, zip(*meter.samples, strict=True), strict=True)
        },
    }


def length(recording: Path) -> float:
    """Seconds that a video lasts."""
    with av.open(str(recording)) as container:
        return (container.duration or 0) / av.time_base


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    first, last = report["first_half"], report["last_half"]
    rows = [
        f"{report['clip']}: {report['seconds']:.0f} s, {report['frames']} frames, "
        f"{report['dropped']} dropped, {report['people']} people, "
        f"recorded {report['recorded_seconds']:.0f} s",
        f"{'median of':<12}{'first half':>12}{'last half':>12}",
    ]
    for name, label in LABELS.items():
        rows.append(f"{label:<12}{first[name]:>12.1f}{last[name]:>12.1f}")
    if report["interrupted"]:
        rows.append("stopped before its end: whether it holds is not known")
    elif not report["faults"]:
        rows.append("it holds")
    return "\n".join([*rows, *report["faults"]])


def plot(samples: dict[str, list[float]], path: Path) -> None:
    """Memory, threads, open files and delay over time."""
    from models.plots import BLUE, label, new_figure, save_figure

    minutes = np.array(samples["second"]) / 60
    figure, axes = new_figure(9, 8, rows=len(LABELS), sharex=True)
    for axis, (name, meaning) in zip(axes, LABELS.items(), strict=True):
        axis.plot(minutes, samples[name], color=BLUE, linewidth=1)
        axis.set(ylim=(0, 1.15 * max(samples[name])))
        label(axis, "minutes" if axis is axes[-1] else "", meaning)
    save_figure(figure, path)


def main(argv: list[str] | None = None) -> int:
    """Soak and print; 0 where it holds, 1 where something grew, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=number(0.1), default=30.0, help="how long (%(default)s)")
    parser.add_argument(
        "--clip", default=str(ROOT / "assets" / "demo.mp4"), help="video file (the demo clip)"
    )
    parser.add_argument("--json", action="store_true", help="print one object, with all samples")
    parser.add_argument("-o", "--output", type=Path, metavar="PNG", help="plot of the samples")
    args = parser.parse_args(argv)
    code = 0

    def work() -> None:
        nonlocal code
        if not Path("/proc/self/fd").is_dir():
            raise UserError("this system does not tell threads and open files: run it on Linux")
        if args.output is not None:
            check_plot(args.output)
        report = soak(args.clip, args.minutes * 60, lambda told: print(told, file=sys.stderr))
        print(json.dumps(report) if args.json else text(report))
        code = INTERRUPTED if report["interrupted"] else int(bool(report["faults"]))
        if args.output is not None:
            plot(report["samples"], args.output)

    return guarded("demo.bench.soak", work) or code


if __name__ == "__main__":
    sys.exit(main())

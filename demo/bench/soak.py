"""Test whether a session can run for days: `python -m demo.bench.soak --minutes 30`.

A clip is played in a loop as a 30 fps camera, through everything that a session has: reconnecting
source, pipeline, overlay, recording, log and summary. Memory, threads, open files and latency are
sampled once per second; the second half of the run must look like the first.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import av
import numpy as np

from demo.bench.clips import ClipCamera, networks, video_source
from demo.bench.plots import check_plot
from demo.bench.process import resident_mb, threads_and_files
from demo.build import DEMO_CLIP
from demo.errors import UserError
from demo.events import Event
from demo.faces.pipeline import Pipeline
from demo.frames import Faces, Frame, Timing
from demo.networks import Networks
from demo.session import Session
from demo.sinks.log import Log
from demo.sinks.summary import Summary
from demo.sinks.video import VideoRecorder
from demo.sources.live import LiveSource
from demo.timing import Stopwatch
from models.commands import INTERRUPTED, guarded, number
from models.files import ROOT
from models.machine import machine

if TYPE_CHECKING:
    from demo.bench.web.coming import Served

Say = Callable[[str], None]  # takes one line for the user

WARM_UP = 0.1  # share of the run that is left out
MEMORY_GROWTH = 0.03  # allowed, as a share of the first half's
LATENCY_GROWTH = (0.25, 5.0)  # allowed: a share of the first half's, plus milliseconds
DURATION_ERROR = 0.02  # allowed between recording and session, as a share of the session
REPORT_SECONDS = 60
LABELS = {
    "rss_mb": "memory, MB",
    "threads": "threads",
    "handles": "open files",
    "latency_ms": "latency, ms",
}


class Sample(NamedTuple):
    """One second of the run."""

    second: float
    rss_mb: float
    threads: int
    handles: int  # open files and sockets
    latency_ms: float  # from the capture of a frame to its overlay, median of the second
    faces: int  # in the last frame


class FaceCount:
    """A sink that keeps the number of faces in the last frame."""

    last = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...
    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Count the faces."""
        self.last = len(faces)


class Meter:
    """A picture sink that takes one sample per second."""

    wanted, realtime = True, False

    def __init__(self, faces: FaceCount, say: Say) -> None:
        """`say` takes a line every REPORT_SECONDS."""
        self._faces, self._say = faces, say
        self._latencies: list[float] = []  # milliseconds
        self._last = -1  # index of the last picture
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...
    def write(self, picture: Frame) -> None:
        """Note the picture's latency; when a second is over, take a sample."""
        if picture.index == self._last:
            return  # repeated while the source is lost
        self._last = picture.index
        latency = time.monotonic() - picture.captured
        self._latencies.append(latency * 1e3)
        now = picture.time + latency
        if now < len(self.samples) + 1:
            return
        median = round(float(np.median(self._latencies)), 3)
        self._latencies.clear()
        process = (resident_mb(), *threads_and_files())
        self.samples.append(Sample(round(now, 3), *process, median, self._faces.last))
        if len(self.samples) % REPORT_SECONDS == 0:
            self._say(sample_line(self.samples[-1]))


def sample_line(s: Sample) -> str:
    """A sample for people."""
    return (
        f"{s.second / 60:.0f} min: {s.rss_mb:.1f} MB, {s.threads} threads, {s.handles} open files, "
        f"latency {s.latency_ms:.0f} ms, {s.faces} faces"
    )


@dataclass(frozen=True)
class Half:
    """Medians over one half of the samples."""

    rss_mb: float
    threads: float
    handles: float
    latency_ms: float


def halves(samples: list[Sample]) -> tuple[Half, Half]:
    """First and second half of the samples after the warm-up. Raises UserError if there are too few
    to compare."""
    kept = np.array(samples[int(len(samples) * WARM_UP) :], float).reshape(-1, len(Sample._fields))
    middle = len(kept) // 2
    if not middle:
        raise UserError(f"{len(samples)} samples are too few to compare: give --minutes more")
    first, last = (Half(*np.median(part, axis=0)[1:5]) for part in (kept[:middle], kept[middle:]))
    return first, last


def faults(first: Half, last: Half) -> list[str]:
    """One line for each value that grew by more than is allowed."""
    share, milliseconds = LATENCY_GROWTH
    bounds = {
        "rss_mb": ("MB of memory", first.rss_mb * (1 + MEMORY_GROWTH)),
        "threads": ("threads", first.threads),
        "handles": ("open files", first.handles),
        "latency_ms": ("ms of latency", first.latency_ms * (1 + share) + milliseconds),
    }
    return [
        f"{vars(first)[name]:.1f} {unit} became {vars(last)[name]:.1f}, more than {bound:.1f}"
        for name, (unit, bound) in bounds.items()
        if vars(last)[name] > bound
    ]


def soak(clip: str, seconds: float, say: Say, serve: bool = False) -> dict[str, Any]:
    """Run a session for `seconds`, with viewers that come and go if `serve`; the report. Raises
    UserError for an unusable clip, and if there are too few samples."""
    threads_and_files()  # raises where they cannot be counted
    with video_source(clip):
        pass  # an unusable clip raises before anything starts

    def notify(event: Event) -> None:
        if event.kind != "failed":  # the clip camera ends by failing
            say(event.text)

    with TemporaryDirectory() as folder, networks() as loaded, ExitStack() as stack:
        recording = Path(folder) / "soak.mp4"
        camera, stopwatch = ClipCamera(clip, seconds), Stopwatch()
        source = LiveSource(clip, lambda: camera, give_up=0)
        pipeline = Pipeline(*loaded, source.fps, stopwatch=stopwatch)
        summary = Summary(Path(folder) / "soak.html", clip, False, lambda: source.dropped)
        faces = FaceCount()
        meter = Meter(faces, say)
        served = _served(source, loaded, stack) if serve else None
        result = Session(
            [(source, pipeline)],
            sinks=[
                Log(Path(folder) / "soak.jsonl"),
                summary,
                faces,
                *([served.hub] if served else []),
            ],
            pictures=[meter, VideoRecorder(recording, source.fps)],
            stopwatch=stopwatch,
            notify=notify,
        ).run()
        first, last = halves(meter.samples)  # raises before the recording is read
        recorded = video_seconds(recording)
        left = served.viewers_left() if served else 0
    wrong = faults(first, last)
    if abs(recorded / summary.duration - 1) > DURATION_ERROR:
        wrong.append(f"a session of {summary.duration:.1f} s was recorded as {recorded:.1f} s")
    if left:
        wrong.append(f"{left} viewers are gone and still counted")
    return {
        "clip": clip,
        "machine": machine(),
        "viewers": served.coming.visits if served else 0,
        "seconds": round(summary.duration, 3),
        "recorded_seconds": round(recorded, 3),
        "frames": result.frames,
        "dropped": source.dropped,
        "people": summary.count,
        "interrupted": result.interrupted,
        "first_half": _with_old_name(vars(first)),
        "last_half": _with_old_name(vars(last)),
        "faults": wrong,
        "samples": _with_old_name(_columns(meter.samples)),
    }


def _served(source: LiveSource, loaded: Networks, stack: ExitStack) -> "Served":
    from demo.bench.web.coming import served

    return stack.enter_context(served(source, loaded))


def _columns(samples: list[Sample]) -> dict[str, list[float]]:
    columns = zip(*samples, strict=True)
    return {name: list(column) for name, column in zip(Sample._fields, columns, strict=True)}


def _with_old_name(values: dict[str, Any]) -> dict[str, Any]:
    """Add the latency under its name in older reports."""
    return values | {"delay_ms": values["latency_ms"]}


def video_seconds(path: Path) -> float:
    """Duration of a video in seconds."""
    with av.open(str(path)) as container:
        return (container.duration or 0) / av.time_base


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    first, last = report["first_half"], report["last_half"]
    rows = [
        f"{report['clip']}: {report['seconds']:.0f} s, {report['frames']} frames, "
        f"{report['dropped']} dropped, {report['people']} people, "
        f"recorded {report['recorded_seconds']:.0f} s"
        + (f", {report['viewers']} viewers" if report["viewers"] else ""),
        f"{'median of':<12}{'first half':>12}{'last half':>12}",
    ]
    for name, label in LABELS.items():
        rows.append(f"{label:<12}{first[name]:>12.1f}{last[name]:>12.1f}")
    if report["interrupted"]:
        rows.append("stopped early: no verdict")
    elif not report["faults"]:
        rows.append("passed: nothing grew")
    return "\n".join([*rows, *report["faults"]])


def plot(samples: dict[str, list[float]], path: Path) -> None:
    """Plot memory, threads, open files and latency over time."""
    from models.plots import BLUE, label, new_figure, save_figure

    minutes = np.array(samples["second"]) / 60
    figure, axes = new_figure(9, 8, rows=len(LABELS), sharex=True)
    for axis, (name, meaning) in zip(axes, LABELS.items(), strict=True):
        axis.plot(minutes, samples[name], color=BLUE, linewidth=1)
        axis.set(ylim=(0, 1.15 * max(samples[name])))
        label(axis, "minutes" if axis is axes[-1] else "", meaning)
    save_figure(figure, path)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 if nothing grew, 1 if something did, 2 after a mistake, 130 after
    Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=number(0.1), default=30.0, help="how long (%(default)s)")
    parser.add_argument(
        "--clip", default=str(ROOT / DEMO_CLIP), help="video file (default: the demo clip)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="with a page, and up to three viewers that come and go"
    )
    parser.add_argument("--json", action="store_true", help="print one object, with all samples")
    parser.add_argument("-o", "--output", type=Path, metavar="PNG", help="plot of the samples")
    args = parser.parse_args(argv)

    def work() -> int:
        if args.output is not None:
            check_plot(args.output)
        report = soak(args.clip, args.minutes * 60, _say, args.serve)
        print(json.dumps(report) if args.json else text(report))
        if args.output is not None:
            plot(report["samples"], args.output)
        return INTERRUPTED if report["interrupted"] else int(bool(report["faults"]))

    return guarded("demo.bench.soak", work)


if __name__ == "__main__":
    sys.exit(main())

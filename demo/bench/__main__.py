"""`python -m demo.bench CLIP`: how fast this machine is, stage by stage, and what that costs.

Every run decodes, detects, tracks, estimates and draws each frame, without window or recording.
`--against reference` also runs the loop that people use today on the same frames: the `mtcnn`
package and Keras' `Model.predict` on every one of them. `--against every-frame` tells instead what
sparing work costs: the boxes, ids, ages and genders against a pass that searches every frame and
estimates every face in it. `--live SECONDS` plays the clip as a camera instead, over and over, and
tells delay, processor use and memory.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from typing import Any

import numpy as np
from tqdm import tqdm

from demo.bench.clips import CAMERA_FPS, ROOT, ClipCamera, engines, resident_mb, video_source
from demo.bench.compare import Comparison, compare
from demo.display.overlay import draw
from demo.errors import UserError
from demo.faces.detectors import DETECTORS, Detector
from demo.faces.pipeline import Pipeline, Settings
from demo.frames import Faces
from demo.sources.live import LiveSource
from demo.sources.video import Source
from demo.timing import Stopwatch
from models.commands import count, guarded, number
from models.inference.estimator import Estimator
from models.machine import machine
from models.manifest import load_manifest
from trackers.boxes import iou

RUNS = 3
SURE, SAME = 0.95, 0.5  # a reference face counts from this score, as found from this overlap
PACKAGES = {"numpy", "opencv-python", "opencv-python-headless", "openvino", "onnxruntime", "av"}


@dataclass(frozen=True)
class Run:
    """One pass over the clip."""

    fps: float
    faces_per_second: float
    stages: dict[str, dict[str, float]]  # name -> p50, p95 in milliseconds
    frame_p95_ms: float  # from the decoded frame to the overlay
    boxes: list[np.ndarray]  # of every frame, (N, 4)


def run_clip(args: argparse.Namespace) -> list[Run]:
    """The clip, `args.runs` times after one pass to warm up, with one detector and network."""
    detector, estimator = _engines(args)
    runs = []
    for _ in tqdm(range((args.runs or RUNS) + 1), "runs", disable=args.json):
        stopwatch = Stopwatch(window=None)
        with video_source(args.clip) as source:
            settings = Settings(detect_every=args.detect_every)
            pipeline = Pipeline(
                detector, estimator, estimator.input, source.fps, settings, stopwatch
            )
            runs.append(_run(source, pipeline, stopwatch))
    return runs[1:]


def _engines(args: argparse.Namespace) -> tuple[Detector, Estimator]:
    """As the command line asks."""
    return engines(args.model, args.device, args.detector, args.min_face)


def _run(source: Source, pipeline: Pipeline, stopwatch: Stopwatch) -> Run:
    boxes, busy, faces_seen = [], [], 0
    start = time.perf_counter()
    for frame in source:
        decoded = time.perf_counter()
        faces = pipeline.process(frame)
        with stopwatch.stage("draw"):
            draw(frame.image, faces, stopwatch.line)
        stopwatch.frame_done()
        busy.append((time.perf_counter() - decoded) * 1e3)
        boxes.append(faces.boxes)
        faces_seen += len(faces)
    seconds = time.perf_counter() - start
    stages = {
        name: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95))}
        for name, ms in stopwatch.times().items()
    }
    return Run(
        len(boxes) / seconds, faces_seen / seconds, stages, float(np.percentile(busy, 95)), boxes
    )


def run_live(args: argparse.Namespace) -> dict[str, Any]:
    """Delay from capture to overlay, processor use and memory with the clip as a camera."""
    if args.against or args.runs:
        raise UserError("--live plays the clip once, by itself: leave --against and --runs out")
    detector, estimator = _engines(args)
    camera = ClipCamera(args.clip, args.live)
    source = LiveSource(args.clip, lambda: camera, give_up=0)
    settings = Settings(detect_every=args.detect_every)
    stopwatch = Stopwatch()
    pipeline = Pipeline(detector, estimator, estimator.input, CAMERA_FPS, settings, stopwatch)
    delays, memory, busy = [], [], time.process_time()
    with source:
        for frame in source:
            draw(frame.image, pipeline.process(frame))
            delays.append((time.monotonic() - source.started - frame.time) * 1e3)
            memory.append(resident_mb())
    busy = time.process_time() - busy
    half = len(memory) // 2
    if not half:
        raise UserError(f"too few frames in {args.live:g} s: play for longer")
    return {
        "seconds": args.live,
        "frames": len(delays),
        "dropped": source.dropped,
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p95_ms": float(np.percentile(delays, 95)),
        "cores": busy / args.live,
        "rss_mb": float(np.max(memory)),
        "rss_first_half_mb": [float(np.min(memory[:half])), float(np.max(memory[:half]))],
        "rss_last_half_mb": [float(np.min(memory[half:])), float(np.max(memory[half:]))],
        "threads": threading.active_count(),
        "machine": machine(),
    }


def run_reference(
    args: argparse.Namespace,
) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Frames a second of the loop that people use today, its sure boxes on every frame, and all."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mtcnn import MTCNN  # type: ignore[import-untyped]

    from models.crops.align import crop_faces
    from models.crops.preprocess import network_input
    from models.zoo import load_keras

    manifest = load_manifest(args.model)
    network, detector = load_keras(manifest), MTCNN()
    detector.detect_faces(np.zeros((64, 64, 3), np.uint8))
    sure, every, seconds = [], [], 0.0
    with video_source(args.clip) as source:
        for frame in tqdm(source, "reference", source.count, disable=args.json):
            start = time.perf_counter()
            rgb = np.ascontiguousarray(frame.image[..., ::-1])
            rows = detector.detect_faces(rgb, box_format="xyxy", output_type="numpy")
            rows = np.asarray(rows, np.float32).reshape(-1, 16)
            every.append(rows[:, 1:5])
            rows = rows[rows[:, 5] > SURE]
            points = np.stack([rows[:, 6:11], rows[:, 11:16]], axis=2)
            crops = crop_faces(frame.image, rows[:, 1:5], points, manifest.input)
            faces = Faces.detected(rows[:, 1:5], rows[:, 5], points)
            if len(crops):
                network.predict(network_input(crops, manifest.input), verbose=0)
            draw(frame.image, faces)
            seconds += time.perf_counter() - start
            sure.append(rows[:, 1:5])
    return len(sure) / seconds, sure, every


def share_met(boxes: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Share of the boxes (N, 4) of all frames that one of the others (M, 4) overlaps."""
    met = [
        (iou(a, b).max(axis=1, initial=0) >= SAME).sum() for a, b in zip(boxes, others, strict=True)
    ]
    return float(sum(met) / max(sum(map(len, boxes)), 1))


def compare_every_frame(args: argparse.Namespace) -> Comparison:
    """The pipeline as it is shipped against one that searches every frame and estimates every face
    in it."""
    detector, estimator = _engines(args)
    passes = []
    for settings in (Settings(args.detect_every), Settings(1, every_crop=True)):
        with video_source(args.clip) as source:
            pipeline = Pipeline(
                detector, estimator, estimator.input, source.fps, settings, Stopwatch()
            )
            frames = tqdm(source, "comparison", source.count, disable=args.json)
            passes.append([pipeline.process(frame) for frame in frames])
    return compare(*passes)


def first_frame_seconds(args: argparse.Namespace) -> float:
    """From the start of the process to its end after one annotated frame. Raises UserError where
    it fails."""
    start = time.perf_counter()
    command = [*_stream(args), "--max-frames", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _check(done.returncode, done.stderr)
    return time.perf_counter() - start


def streaming_rss(args: argparse.Namespace) -> float | None:
    """Greatest resident memory in MB of `stream.py` on the clip, as a user runs it; None where the
    system does not tell. Linux counts what the parent held at the start: call it while that is
    little. Raises UserError where it fails."""
    if not hasattr(os, "wait4"):
        return None
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(_stream(args), stdout=subprocess.DEVNULL, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        _check(process.returncode, told.read())
    return float(usage.ru_maxrss) / (2**20 if sys.platform == "darwin" else 2**10)


def _check(code: int, told: str) -> None:
    """Raise UserError with what stream.py said last where it failed."""
    if code:
        raise UserError((told.strip().splitlines() or [f"stream.py ended with {code}"])[-1])


def _stream(args: argparse.Namespace) -> list[str]:
    """The command that a user would type for the same settings."""
    command = [sys.executable, str(ROOT / "stream.py"), "-s", args.clip, "--no-display"]
    command += ["--model", args.model, "--detector", args.detector, "--device", args.device]
    command += ["--detect-every", str(args.detect_every)]
    return command if args.min_face is None else [*command, "--min-face", str(args.min_face)]


def report(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is measured, as one object."""
    with video_source(args.clip):
        pass  # what is wrong with it is told before anything is measured
    first_frame = float(np.median([first_frame_seconds(args) for _ in range(3)]))
    rss = streaming_rss(args)
    runs = run_clip(args)
    middle = sorted(runs, key=lambda run: run.fps)[len(runs) // 2]
    result: dict[str, Any] = {
        "clip": args.clip,
        **{k: v for k, v in asdict(middle).items() if k != "boxes"},
        "fps_of_runs": [run.fps for run in runs],
        "first_frame_s": first_frame,
        "rss_mb": rss,
        "recall": None,
        "extra": None,
        "ratio_to_reference": None,
        "against_every_frame": None,
        "settings": {"detect_every": args.detect_every, "min_face": args.min_face},
        "model": args.model,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    if args.against == "reference":
        reference_fps, sure, every = run_reference(args)
        result["recall"] = share_met(sure, middle.boxes)
        result["extra"] = 1 - share_met(middle.boxes, every)
        result["reference_fps"] = reference_fps
        result["ratio_to_reference"] = middle.fps / reference_fps
    if args.against == "every-frame":
        result["against_every_frame"] = asdict(compare_every_frame(args))
    return result


def _versions() -> dict[str, str]:
    """Of the packages that are installed."""
    return {d.name: d.version for d in distributions() if d.name in PACKAGES}


def table(result: dict[str, Any]) -> str:
    """The report as text."""
    rows = [
        f"{result['clip']}: {result['fps']:.1f} fps (runs: "
        f"{', '.join(f'{fps:.1f}' for fps in result['fps_of_runs'])}), "
        f"{result['faces_per_second']:.0f} faces a second",
        f"{'stage':<10}{'p50 ms':>8}{'p95 ms':>8}",
    ]
    rows += [f"{name:<10}{t['p50']:>8.1f}{t['p95']:>8.1f}" for name, t in result["stages"].items()]
    rows.append(f"{'frame':<10}{'':>8}{result['frame_p95_ms']:>8.1f}")
    memory = f"{result['rss_mb']:.0f} MB" if result["rss_mb"] else "unknown"
    rows.append(f"first frame after {result['first_frame_s']:.2f} s, memory {memory}")
    if result["recall"] is not None:
        rows.append(
            f"reference loop {result['reference_fps']:.2f} fps: {result['ratio_to_reference']:.1f} "
            f"times as fast, {result['recall']:.1%} of its faces found, "
            f"{result['extra']:.1%} of ours it has at no score"
        )
    if result["against_every_frame"] is not None:
        rows += _compared(result["against_every_frame"])
    return "\n".join([*rows, f"on {result['machine']}"])


def _compared(c: dict[str, Any]) -> list[str]:
    """The comparison with everything on every frame as text."""
    return [
        f"against every frame: {c['present']:.1%} of its faces, {c['added']:.1%} more",
        f"age differs by {c['age_mean']:.2f} years (p95 {c['age_p95']:.2f}), when a person is last "
        f"seen by {c['age_end_mean']:.2f} (at most {c['age_end_max']:.2f}); wanted 0.5",
        f"male differs by {c['male_mean']:.3f} (p95 {c['male_p95']:.3f}), "
        f"{c['other_gender']:.1%} of faces have another gender; wanted 0.5 %",
        "ids {} against {}, id switches {} and {}, gender flips {} and {}".format(
            *c["ids"], *c["id_switches"], *c["gender_flips"]
        ),
    ]


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", help="video file")
    parser.add_argument(
        "--against",
        choices=["reference", "every-frame"],
        help="compare with today's loop, or with everything on every frame",
    )
    parser.add_argument("--live", type=number(1), metavar="SECONDS", help="play as a 30 fps camera")
    parser.add_argument("--runs", type=count, help=f"timed passes; the median counts ({RUNS})")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--detector", choices=sorted(DETECTORS), default="mtcnn")
    parser.add_argument("--detect-every", type=count, default=Settings.detect_every, metavar="N")
    parser.add_argument("--min-face", type=count, metavar="PX")
    parser.add_argument("--model", default="ssrnet-joint")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="cpu")
    args = parser.parse_args(argv)

    def work() -> None:
        result = run_live(args) if args.live else report(args)
        print(json.dumps(result, indent=2) if args.json or args.live else table(result))

    return guarded("demo.bench", work)


if __name__ == "__main__":
    sys.exit(main())

"""Measure how fast a clip is processed on this machine, stage by stage.

Each run decodes, detects, tracks, estimates and draws every frame, without a window or a recording.

--against reference    also run the loop that people use today on the same frames: the `mtcnn`
                       package and Keras' `Model.predict` on every frame
--against every-frame  compare boxes, ids, ages and genders with a pass that searches every frame
                       and estimates every face in it: what the saved work costs
--log-only             also time sessions that only write a log against sessions that draw as well
--live SECONDS         instead, play the clip as a camera in a loop: latency, cores and memory
"""

import argparse
import json
import platform
import sys
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import distributions
from typing import Any

import numpy as np

from demo.bench.clips import networks, video_source
from demo.bench.compare import compare_with_every_frame
from demo.bench.latency import measure_latency
from demo.bench.process import first_frame_seconds, peak_memory_mb, stream_command
from demo.bench.reference import run_reference, share_matched
from demo.bench.speed import Pass, log_only, timed_passes
from demo.errors import UserError
from demo.faces.detectors import DETECTORS
from demo.faces.settings import Settings
from demo.options import Options
from models.commands import count, guarded, number
from models.machine import machine

RUNS = 3
START_RUNS = 3  # of stream.py to its first frame; the median counts
PACKAGES = {"numpy", "opencv-python", "opencv-python-headless", "openvino", "onnxruntime", "av"}


def report(
    clip: str, options: Options, runs: int, extras: Collection[str], quiet: bool
) -> dict[str, Any]:
    """Measure; the report as one object. `extras`: any of "reference", "every-frame", "log-only".
    `quiet`: no progress bars. Raises UserError or ModelError."""
    with video_source(clip):
        pass  # an unusable clip raises before anything is measured
    command = stream_command(clip, options)
    first_frame = float(np.median([first_frame_seconds(command) for _ in range(START_RUNS)]))
    rss = peak_memory_mb(command)
    settings = Settings(options.detect_every or Settings.detect_every)
    every_frame = without_pictures = None
    with networks(options) as loaded:
        passes = timed_passes(clip, loaded, settings, runs, quiet)
        if "every-frame" in extras:
            every_frame = asdict(compare_with_every_frame(clip, loaded, settings, quiet))
        if "log-only" in extras:
            without_pictures = log_only(clip, loaded, settings, runs, quiet)._asdict()
    middle = sorted(passes, key=lambda each: each.fps)[len(passes) // 2]
    result: dict[str, Any] = {
        "clip": clip,
        **{k: v for k, v in asdict(middle).items() if k != "boxes"},
        "fps_of_runs": [each.fps for each in passes],
        "first_frame_s": first_frame,
        "rss_mb": rss,
        "recall": None,
        "extra": None,
        "ratio_to_reference": None,
        "against_every_frame": every_frame,
        "log_only": without_pictures,
        "settings": {"detect_every": settings.detect_every, "min_face": options.min_face},
        "model": options.model,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    if "reference" in extras:
        result |= _against_reference(clip, options.model, middle, quiet)
    return result


def _against_reference(clip: str, model: str, ours: Pass, quiet: bool) -> dict[str, float]:
    reference = run_reference(clip, model, quiet)
    return {
        "recall": share_matched(reference.faces, ours.boxes),
        "extra": 1 - share_matched(ours.boxes, reference.detections),
        "reference_fps": reference.fps,
        "ratio_to_reference": ours.fps / reference.fps,
    }


def _versions() -> dict[str, str]:
    """Versions of the installed PACKAGES."""
    return {d.name: d.version for d in distributions() if d.name in PACKAGES}


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = [
        f"{report['clip']}: {report['fps']:.1f} fps (runs: "
        f"{', '.join(f'{fps:.1f}' for fps in report['fps_of_runs'])}), "
        f"{report['faces_per_second']:.0f} faces per second",
        f"{'stage':<10}{'p50 ms':>8}{'p95 ms':>8}",
    ]
    rows += [f"{name:<10}{t['p50']:>8.1f}{t['p95']:>8.1f}" for name, t in report["stages"].items()]
    rows.append(f"{'frame':<10}{'':>8}{report['frame_p95_ms']:>8.1f}")
    memory = f"{report['rss_mb']:.0f} MB" if report["rss_mb"] else "unknown"
    rows.append(f"first frame after {report['first_frame_s']:.2f} s, memory {memory}")
    if report["log_only"] is not None:
        rows.append(
            "log only: {fps:.1f} fps, with overlay {fps_with_overlay:.1f} fps: {ratio:.2f} times "
            "as fast".format(**report["log_only"])
        )
    if report["recall"] is not None:
        rows.append(
            f"reference loop {report['reference_fps']:.2f} fps: {report['ratio_to_reference']:.1f} "
            f"times as fast; {report['recall']:.1%} of its faces found, "
            f"{report['extra']:.1%} of our boxes match none of its boxes at any score"
        )
    if report["against_every_frame"] is not None:
        rows += _comparison_lines(report["against_every_frame"])
    return "\n".join([*rows, f"on {report['machine']}"])


def _comparison_lines(c: dict[str, Any]) -> list[str]:
    """The comparison with everything on every frame as text."""
    return [
        f"against every frame: {c['present']:.1%} of its faces found, {c['added']:.1%} extra",
        f"age differs by {c['age_mean']:.2f} years (p95 {c['age_p95']:.2f}), in a person's "
        f"last frame by {c['age_end_mean']:.2f} (max {c['age_end_max']:.2f}); target 0.5",
        f"male differs by {c['male_mean']:.3f} (p95 {c['male_p95']:.3f}), "
        f"{c['other_gender']:.1%} of faces have another gender; target 0.5 %",
        "ids {} against {}, id switches {} and {}, gender flips {} and {}".format(
            *c["ids"], *c["id_switches"], *c["gender_flips"]
        ),
    ]


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument(
        "--log-only", action="store_true", help="also time sessions that draw nothing"
    )
    parser.add_argument(
        "--live", type=number(1), metavar="SECONDS", help="play the clip as a 30 fps camera"
    )
    parser.add_argument(
        "--runs",
        type=count,
        metavar="N",
        help=f"timed passes; the report shows the median one ({RUNS})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--detector", choices=sorted(DETECTORS), default="mtcnn", help="face detector (mtcnn)"
    )
    parser.add_argument(
        "--detect-every",
        type=count,
        default=Settings.detect_every,
        metavar="N",
        help="search the whole frame every N frames (%(default)s)",
    )
    parser.add_argument(
        "--min-face", type=count, metavar="PX", help="smallest face to search for, in pixels"
    )
    parser.add_argument("--model", default=Options.model, help="network (%(default)s)")
    parser.add_argument(
        "--device",
        choices=["auto", "cpu", "gpu"],
        default="cpu",
        help="where the network runs (%(default)s)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    args = _parser().parse_args(argv)
    options = Options(
        detector=args.detector,
        detect_every=args.detect_every,
        min_face=args.min_face,
        model=args.model,
        device=args.device,
    )

    def work() -> None:
        if args.live:
            if args.against or args.runs or args.log_only:
                raise UserError(
                    "--live plays the clip once, by itself: remove --against, --log-only and --runs"
                )
            with networks(options) as loaded:
                settings = Settings(args.detect_every)
                live = measure_latency(args.clip, loaded, settings, args.live)
            print(json.dumps(live, indent=2))
            return
        extras = [args.against, "log-only" if args.log_only else None]
        result = report(args.clip, options, args.runs or RUNS, extras, args.json)
        print(json.dumps(result, indent=2) if args.json else text(result))

    return guarded("demo.bench", work)


if __name__ == "__main__":
    sys.exit(main())

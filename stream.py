#!/usr/bin/env python
"""Real-time age and gender: every face of a webcam, a video or photos with a steady label."""

import argparse
import os
import signal
import sys
from pathlib import Path

from models.arguments import count

ROOT = Path(__file__).resolve().parent
INTERRUPTED = 130  # exit code after Ctrl-C, as the shell has it
DEMO_CLIP = ROOT / "assets" / "demo.mp4"

EPILOG = """\
keys in the window
  q, Esc   quit          space   pause          s   save a snapshot

examples
  python stream.py                                  webcam 0
  python stream.py -s assets/demo.mp4 -o out.mp4    annotate a video
  python stream.py -s photos/ -o annotated/         annotate a folder of photos
  python stream.py -s rtsp://camera/1 --log a.jsonl --no-display
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python stream.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = p.add_argument_group("what to look at")
    what.add_argument(
        "-s",
        "--source",
        metavar="WHAT",
        help="camera number, video file, photo, folder of photos, or rtsp:// or http:// address "
        "(default: camera 0)",
    )
    what.add_argument("--max-frames", type=count, metavar="N", help="stop after N frames")

    out = p.add_argument_group("what to keep")
    out.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="record the annotated video (.mp4 .mkv .mov) at the source's own rate and size; "
        "for photos, a folder, for one photo also a file",
    )
    out.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="write results: .jsonl has one object a frame, .csv one row a face",
    )
    out.add_argument(
        "--no-display",
        action="store_true",
        help="open no window (chosen by itself where there is no display)",
    )

    how = p.add_argument_group("how")
    how.add_argument(
        "--detector", choices=["mtcnn", "dlib"], default="mtcnn", help="face detector (mtcnn)"
    )
    how.add_argument(
        "--detect-every",
        type=count,
        default=8,
        metavar="N",
        help="search the whole frame for new faces every N frames (8), for the smallest every 2 N; "
        "known faces are measured in every frame all the same. 1 finds a new face at once and is "
        "slowest",
    )
    how.add_argument(
        "--min-face",
        type=count,
        metavar="PX",
        help="smallest face to look for, in pixels (20, in large frames a 34th of their height); "
        "twice as large is up to four times faster",
    )
    how.add_argument(
        "--budget-ms",
        type=_milliseconds,
        metavar="MS",
        help="time a frame may take, in the mean, without decoding and drawing: when it takes "
        "longer, fewer faces are estimated a frame, then new faces are searched more rarely; known "
        "ones are measured all the same. Results then depend on how fast the machine is",
    )
    how.add_argument(
        "--model",
        default="ssrnet-joint",
        metavar="NAME",
        help="age and gender network: a name in models/weights, or the path of a manifest that "
        "models.train or models.convert wrote (ssrnet-joint)",
    )
    how.add_argument(
        "--margin",
        type=_margin,
        metavar="M",
        help="margin around the face on each side, as a part of its size (default: the one that "
        "the network was trained with, 0.4; another one costs accuracy)",
    )
    how.add_argument(
        "--device",
        choices=["auto", "cpu", "gpu"],
        default="auto",
        help="where the network runs; auto takes a GPU that ONNX Runtime can use, else the CPU",
    )
    return p


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 2")
    return value


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def say(line: str) -> None:
    """One line for the user, beside the progress bar."""
    print(f"stream: {line}", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 when done, 2 after bad input, 130 after Ctrl-C or SIGTERM."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        return _guarded(parser().parse_args(argv))
    except KeyboardInterrupt:  # before the first frame, or a second one while closing
        say("stopped by a signal")
        return INTERRUPTED


def _guarded(args: argparse.Namespace) -> int:
    """Start, with everything that a user can mend told in one line."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its complaints are ours to word
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        say(
            f"OpenCV cannot start: {error}. Install the system package libgl1, or for a machine "
            "without screen: pip uninstall opencv-python; pip install opencv-python-headless"
        )
        return 2
    from demo.errors import UserError
    from models.spec import ModelError

    try:
        return start(args)
    except (UserError, ModelError) as error:
        say(str(error))
    except OSError as error:
        say(f"{error.filename or 'system'}: {error.strerror or error}")
    return 2


def start(args: argparse.Namespace) -> int:
    """Build the run that the arguments describe, and run it."""
    from dataclasses import replace

    from demo.detectors import DETECTORS
    from demo.errors import UserError
    from demo.log import Log
    from demo.pipeline import PhotoPipeline, Pipeline, Settings
    from demo.session import run, share_cores
    from demo.sinks import PhotoRecorder, Sink, VideoRecorder
    from demo.sources import open_source
    from demo.timing import Stopwatch
    from demo.window import Window, display_exists
    from models.runtime import Estimator, choose_device
    from models.spec import load_manifest

    manifest = load_manifest(args.model)
    device = choose_device(args.device)
    spec = manifest.input if args.margin is None else replace(manifest.input, margin=args.margin)
    try:
        source = open_source(args.source or "0")
    except UserError as error:
        if args.source is None:
            clip = DEMO_CLIP.relative_to(ROOT)
            raise UserError(f"{error} Without one, try: python stream.py -s {clip}") from None
        raise

    detector = DETECTORS[args.detector](args.min_face, not source.photos)
    estimator = Estimator(manifest, device)
    stopwatch = Stopwatch()
    if source.photos:
        process = PhotoPipeline(detector, estimator, spec, stopwatch).process
    else:
        settings = Settings(detect_every=args.detect_every, budget_ms=args.budget_ms)
        process = Pipeline(detector, estimator, spec, source.fps, settings, stopwatch).process

    _keep_apart(source.name, args.output, args.log)
    sinks: list[Sink] = []
    if args.output is not None:
        sinks.append(
            PhotoRecorder(args.output, single=Path(source.name).is_file())
            if source.photos
            else VideoRecorder(args.output, source.fps)
        )
    if args.log is not None:
        sinks.append(Log(args.log))
    window = None
    if not args.no_display:
        if display_exists():
            window = Window(f"AgeStream - {source.name}")
        else:
            say("no display here: running without a window (as with --no-display)")
    say(f"{manifest.name} on {device.kind} with {device.engine}: {device.reason}")
    if spec != manifest.input:
        say(f"margin {args.margin}: {manifest.name} was trained with {manifest.input.margin}")
    share_cores()
    result = run(source, process, sinks, window, stopwatch, args.max_frames, say)

    for path in filter(None, (args.output, args.log)):
        if path.exists():
            say(f"wrote {path}")
    unit = "photo" if source.photos else "frame"
    say(f"{result.frames} {unit}{'' if result.frames == 1 else 's'}, {stopwatch.summary()}")
    if result.interrupted:
        say(f"stopped by a signal after {result.frames} frames")
        return INTERRUPTED
    if source.warning and not result.quit:
        say(source.warning)
        return 2
    return 0


def _keep_apart(source: str, output: Path | None, log: Path | None) -> None:
    """Refuse to write over the source, or the log and the recording over one another."""
    from demo.errors import UserError

    named = [("-s", Path(source)), ("-o", output), ("--log", log)]
    files = [(option, path) for option, path in named if path is not None and not path.is_dir()]
    for index, (option, path) in enumerate(files):
        for other_option, other in files[:index]:
            if path.resolve() == other.resolve():
                raise UserError(f"{option} {path} is the file of {other_option}: name another one")


if __name__ == "__main__":
    sys.exit(main())

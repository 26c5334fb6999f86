#!/usr/bin/env python
"""Real-time age and gender: every face of a webcam, a video or photos with a steady label."""

import argparse
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from models.commands import INTERRUPTED, count, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.display.mosaic import SourceView
    from demo.display.window import Window
    from demo.faces.detectors import Detector
    from demo.frames import Faces, Frame
    from demo.session import Result
    from demo.sinks.audio import AudioTrack
    from demo.sinks.video import Recorder, Sink
    from demo.sources.video import Source
    from demo.timing import Stopwatch
    from models.crops.spec import InputSpec
    from models.inference.estimator import Estimator
    from models.manifest import Manifest

ROOT = Path(__file__).resolve().parent
DEMO_CLIP = ROOT / "assets" / "demo.mp4"

EPILOG = """\
keys in the window
  q, Esc   quit          space   pause          s   save a snapshot

examples
  python stream.py                                  webcam 0
  python stream.py -s assets/demo.mp4 -o out.mp4    annotate a video
  python stream.py -s photos/ -o annotated/         annotate a folder of photos
  python stream.py -s rtsp://camera/1 --log a.jsonl --no-display
  python stream.py -s 0 -s rtsp://camera/1          two cameras, side by side
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python stream.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_sources(p.add_argument_group("what to look at"))
    _add_files(p.add_argument_group("what to keep"))
    how = p.add_argument_group("how")
    _add_search(how)
    _add_estimates(how)
    return p


def _add_sources(what: argparse._ArgumentGroup) -> None:
    """-s and how long it is read."""
    what.add_argument(
        "-s",
        "--source",
        action="append",
        metavar="WHAT",
        help="camera number, video file, photo, folder of photos (./7 if its name is a number), or "
        "rtsp:// or http:// address (default: camera 0); give it again for several, shown as tiles",
    )
    what.add_argument(
        "--give-up",
        type=number(0),
        default=math.inf,
        metavar="SECONDS",
        help="end when a camera or stream gave no picture for so long; without this, it is opened "
        "again and again until it is back",
    )
    what.add_argument("--max-frames", type=count, metavar="N", help="stop after N frames")


def _add_files(out: argparse._ArgumentGroup) -> None:
    """What is written, shown and hidden."""
    out.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="record the annotated video (.mp4 .mkv .mov) at the source's own rate and size, and "
        "with the sound of a file; for photos, a folder, for one photo also a file",
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
    out.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help="write what the session saw: people, time in view, ages, busiest moments, delays; "
        ".json is for programs, .html a page with plots, without pictures",
    )
    out.add_argument(
        "--anonymize",
        choices=["blur", "pixelate", "mask"],
        help="make every face unrecognisable, hair to chin, in window, recording, snapshots and "
        "photos; of a mask nothing is left, of the others a few coarse colours. Every frame is "
        "searched; a face that the detector does not find is not covered. Recordings have no sound",
    )


def _add_search(how: argparse._ArgumentGroup) -> None:
    """How faces are found and followed."""
    how.add_argument(
        "--detector", choices=["mtcnn", "dlib"], default="mtcnn", help="face detector (mtcnn)"
    )
    how.add_argument(
        "--detect-every",
        type=count,
        metavar="N",
        help="search the whole frame for new faces every N frames (8), for the smallest every 2 N; "
        "known faces are measured in every frame all the same. 1 finds a new face at once and is "
        "slowest",
    )
    how.add_argument(
        "--min-face",
        type=count,
        metavar="PX",
        help="smallest face to look for, in pixels (20, in large frames a 34th of their shorter "
        "side; with dlib 40, or a 17th); twice as large is up to four times faster",
    )
    how.add_argument(
        "--budget-ms",
        type=number(0.1),
        metavar="MS",
        help="time a frame may take, in the mean, without decoding and drawing: when it takes "
        "longer, fewer faces are estimated a frame, then new faces are searched more rarely; known "
        "ones are measured all the same. Results then depend on how fast the machine is",
    )


def _add_estimates(how: argparse._ArgumentGroup) -> None:
    """What counts for a label, the age and gender network, and where it runs."""
    how.add_argument(
        "--min-quality",
        type=number(0, 1),
        default=0.1,
        metavar="Q",
        help="crops worth less than Q, from 0 to 1, do not count for a label: small, blurred, "
        "turned or cut off ones (0.1); all others count by what they are worth",
    )
    network = how.add_mutually_exclusive_group()
    network.add_argument(
        "--model",
        default="ssrnet-joint",
        metavar="NAME",
        help="age and gender network: a name in models/weights, or the path of a manifest that "
        "models.train, models.convert or models.export wrote (ssrnet-joint)",
    )
    network.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="age and gender network: an .onnx or .tflite file or SavedModel folder that "
        "models.export wrote, or a .weights.h5 file, with its manifest beside it",
    )
    how.add_argument(
        "--margin",
        type=number(0, 2),
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


def say(line: str) -> None:
    """One line for the user, beside the progress bar."""
    print(f"stream: {line}", file=sys.stderr, flush=True)


class _Lasting:
    """Standard error, whose reader may go at any time: what is told then is lost, and only that."""

    def __init__(self, told: TextIO) -> None:
        self._told = told

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._told.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._told.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._told, name)


def _keep_telling() -> None:
    """Let nothing that is told end the run."""
    if sys.stderr is None:  # closed at the start: the next file that is opened must not become it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.stderr = cast("TextIO", _Lasting(sys.stderr))


def main(argv: list[str] | None = None) -> int:
    """Run; 0 when done, 2 after bad input, 130 after Ctrl-C, SIGTERM or the terminal's end."""
    _keep_telling()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _hung_up)
    try:
        return _guarded(parser().parse_args(argv))
    except KeyboardInterrupt:  # before the first frame, or a second one while closing
        say("stopped by a signal")
        return INTERRUPTED


def _hung_up(number: int, frame: object) -> None:
    """The terminal is gone, which shell and system may both say: end once."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


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
    from demo.sources.redact import redact
    from models.errors import AgeStreamError

    try:
        return start(args)
    except AgeStreamError as error:
        say(str(error))
    except OSError as error:
        place = redact(str(error.filename or "system"))
        say(f"{place}: {error.strerror or type(error).__name__}")
    return 2


def start(args: argparse.Namespace) -> int:
    """Build the run that the arguments describe, and run it."""
    from demo.display.mosaic import SourceView
    from demo.faces.detectors import DETECTORS
    from demo.session import prepare_process, run
    from demo.sinks.log import Log
    from demo.sinks.summary import Summary, some
    from demo.timing import Stopwatch
    from models.inference.devices import choose_device
    from models.inference.estimator import Estimator
    from models.manifest import load_manifest, load_weights

    prepare_process()
    manifest = load_weights(args.weights) if args.weights else load_manifest(args.model)
    spec = _spec(manifest, args.margin)
    sources = _opened(args.source, args.give_up)
    names, photos = ", ".join(source.name for source in sources), sources[0].photos
    detector = DETECTORS[args.detector](args.min_face, not photos)
    estimator, stopwatch = Estimator(manifest, choose_device(args.device)), Stopwatch()
    processes = [_pipeline(args, s, detector, estimator, spec, stopwatch) for s in sources]
    _keep_apart(sources, args.output, args.log, args.summary)
    recorder, sound = (
        (None, None) if args.output is None else _recorder(args.output, sources, args.anonymize)
    )
    log = None if args.log is None else Log(args.log)  # perhaps in the folder of photos just made
    summary = Summary(args.summary, names, photos, lambda: sum(s.dropped for s in sources))
    views = [SourceView(s, summary.timed(p)) for s, p in zip(sources, processes, strict=True)]
    sinks: list[Sink] = [log, summary] if log else [summary]
    window = None if args.no_display else _window(f"AgeStream - {names}")
    device = estimator.device
    say(f"{manifest.name} on {device.kind} with {device.engine}: {device.reason}")
    if spec != manifest.input:
        say(f"margin {args.margin}: {manifest.name} was trained with {manifest.input.margin}")
    result = run(views, sinks, recorder, window, stopwatch, args.max_frames, say)

    for path, kept in ((args.output, recorder), (args.log, log), (args.summary, summary)):
        if path is not None and kept is not None and kept.written:
            say(f"wrote {path}")
    if sound is not None and sound.failure:
        say(f"the sound of {names} breaks off: {sound.failure}")
    for line in summary.lines():
        say(line)
    unit = "photo" if photos else "frame"
    say(", ".join(filter(None, (some(result.frames, unit), stopwatch.summary()))))
    return _exit_code(result, views)


def _spec(manifest: "Manifest", margin: float | None) -> "InputSpec":
    """The crops that the network is given."""
    from dataclasses import replace

    from demo.errors import UserError

    spec = manifest.input if margin is None else replace(manifest.input, margin=margin)
    if spec != manifest.input and spec.align == "context":
        raise UserError(f"--margin: the crops of {manifest.name} are fixed parts of a face's chip")
    return spec


def _pipeline(
    args: argparse.Namespace,
    source: "Source",
    detector: "Detector",
    estimator: "Estimator",
    spec: "InputSpec",
    stopwatch: "Stopwatch",
) -> "Callable[[Frame], Faces]":
    """What a source's frames go through."""
    from demo.faces.anonymize import Anonymizer
    from demo.faces.pipeline import PhotoPipeline, Pipeline, Settings

    settings = Settings(_detect_every(args), min_quality=args.min_quality, budget_ms=args.budget_ms)
    pipeline: PhotoPipeline | Pipeline
    if source.photos:
        pipeline = PhotoPipeline(detector, estimator, spec, stopwatch)
    else:
        pipeline = Pipeline(detector, estimator, spec, source.fps, settings, stopwatch)
    if args.anonymize:
        return Anonymizer(pipeline, args.anonymize, stopwatch).process
    return pipeline.process


def _exit_code(result: "Result", views: "list[SourceView]") -> int:
    """Of a run that has ended; why it did is told, of several sources in its midst."""
    if result.interrupted:
        say(f"stopped by a signal after {result.frames} frames")
        return INTERRUPTED
    failures = [] if result.quit else [view.failure for view in views if view.failure]
    if len(views) == 1:
        for failure in failures:
            say(failure)
    return 2 if failures else 0


def _recorder(
    output: Path, sources: list["Source"], anonymize: str | None
) -> tuple["Recorder", "AudioTrack | None"]:
    """What records the sources, and the sound that a single video brings along, unless
    nobody may be recognised."""
    from demo.sinks.audio import audio_of
    from demo.sinks.video import PhotoRecorder, VideoRecorder
    from demo.sources.video import VideoSource

    if sources[0].photos:
        return PhotoRecorder(output, single=Path(sources[0].name).is_file()), None
    sound, only = None, sources[0] if len(sources) == 1 else None
    if isinstance(only, VideoSource):
        sound = audio_of(only.name, lambda: only.start)
        if sound is not None and anonymize:
            say(f"--anonymize: the sound of {only.name} is left out, for voices can be recognised")
            sound.close()
            sound = None
    fps = max((source.fps for source in sources if source.fps), default=None)
    return VideoRecorder(output, fps, sound), sound


def _window(title: str) -> "Window | None":
    """A window, where there is a display."""
    from demo.display.window import Window, display_exists

    if display_exists():
        return Window(title)
    say("no display here: running without a window (as with --no-display)")
    return None


def _detect_every(args: argparse.Namespace) -> int:
    """Frames from one search of the whole frame to the next: nobody may be seen unfound."""
    from demo.errors import UserError
    from demo.faces.pipeline import Settings

    if not args.anonymize:
        return args.detect_every or Settings.detect_every
    if args.detect_every not in (None, 1) or args.budget_ms is not None:
        raise UserError(
            "--detect-every and --budget-ms would show new faces before they are covered: leave "
            "them out with --anonymize"
        )
    return 1


def _opened(specs: list[str] | None, give_up: float) -> list["Source"]:
    """The sources that the user named, or camera 0."""
    from demo.display.tiles import MOST
    from demo.errors import UserError
    from demo.sources.video import VideoSource, open_source

    if specs and len(specs) > MOST:
        raise UserError(f"{len(specs)} sources: at most {MOST} fit on a screen")
    try:
        sources = [open_source(spec, give_up) for spec in specs or ["0"]]
    except UserError as error:
        if specs is None:
            clip = DEMO_CLIP.relative_to(ROOT)
            raise UserError(f"{error} Without one, try: python stream.py -s {clip}") from None
        raise
    if len(sources) > 1 and any(source.photos for source in sources):
        raise UserError("photos are annotated by themselves: give them as the only -s")
    names = [source.name for source in sources]
    for place, source in enumerate(sources):  # two of one name, of which log and summary tell
        if same := names[:place].count(source.name):
            source.name = f"{source.name} ({same + 1})"
        if isinstance(source, VideoSource) and source.taken:
            say(f"{source.name}: its frames are taken, logged and recorded at {source.taken}")
    return sources


def _keep_apart(
    sources: list["Source"], output: Path | None, log: Path | None, summary: Path | None
) -> None:
    """Refuse to write over a source, or what is written over one another."""
    from demo.errors import UserError

    given = [Path(source.name) for source in sources if not source.live]
    if sources[0].photos and output is not None:
        folder = given[0] if given[0].is_dir() else given[0].parent
        if _same(output, folder):
            raise UserError(f"-o {output} is the folder of the photos: name another one")
    chosen = [("-o", output), ("--log", log), ("--summary", summary)]
    named = [*(("-s", path) for path in given), *chosen]
    files = [(option, path) for option, path in named if path is not None and not path.is_dir()]
    for index, (option, path) in enumerate(files):
        for other_option, other in files[:index]:
            if option != "-s" and _same(path, other):
                raise UserError(f"{option} {path} is the file of {other_option}: name another one")


def _same(path: Path, other: Path) -> bool:
    """Whether two names lead to one file or folder, which need not exist yet."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


if __name__ == "__main__":
    sys.exit(main())

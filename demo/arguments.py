"""The command line of a run: its arguments, and the `Options` that they give."""

import argparse
import math
import os
from pathlib import Path

from demo import __version__
from demo.options import Options
from models.commands import count, number

DEFAULT_PORT = "8000"
TOKEN_VARIABLE = "AGESTREAM_TOKEN"
MAX_KEEP_DAYS = 36_500  # a hundred years
SEPARATORS = tuple(filter(None, ("/", os.sep, os.altsep)))  # a name that ends in one is a folder
EPILOG = """\
keys in the window
  q, Esc   quit          space   pause          s   save a snapshot

examples
  python stream.py                                  webcam 0
  python stream.py -s assets/demo.mp4 -o out.mp4    annotate a video
  python stream.py -s photos/ -o annotated/         annotate a folder of photos
  python stream.py -s rtsp://camera/1 --log a.jsonl --no-display
  python stream.py -s 0 -s rtsp://camera/1          two cameras, side by side
  python stream.py -s 0 --serve                     watch it in a browser
"""


def parser(description: str | None = None) -> argparse.ArgumentParser:
    """The parser of stream.py."""
    p = argparse.ArgumentParser(
        prog="python stream.py",
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--version", action="version", version=f"AgeStream {__version__}")
    _add_sources(p.add_argument_group("sources"))
    _add_outputs(p.add_argument_group("outputs"))
    _add_server(p.add_argument_group("web page"))
    detection = p.add_argument_group("detection")
    add_detection(detection)
    _add_budget(detection)
    add_estimation(p.add_argument_group("age and gender"))
    return p


def _add_sources(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-s",
        "--source",
        action="append",
        metavar="SOURCE",
        help="camera number, video file, photo, folder of photos (./7 for a folder named 7), or "
        "rtsp:// or http:// address (default: camera 0); repeat it for several, shown as tiles",
    )
    group.add_argument(
        "--give-up",
        type=number(0),
        default=math.inf,
        metavar="SECONDS",
        help="exit after SECONDS without a frame from a camera or stream (default: reconnect "
        "forever)",
    )
    group.add_argument("--max-frames", type=count, metavar="N", help="stop after N frames")


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o",
        "--output",
        type=_name,
        metavar="FILE",
        help="record the annotated video (.mp4 .mkv .mov) at the rate and size of the source, with "
        "the sound of a video file; for photos a folder (NAME/ where NAME looks like a file), for "
        "one photo also a file",
    )
    add_encoding(group)
    group.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="write the results: .jsonl one object per frame, .csv one row per face",
    )
    group.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help="write a summary of the session (people, time in view, ages, busiest moments): .html "
        "a page with plots, .json for programs; it holds no pictures",
    )
    group.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="keep visits and minutes in a database (.db .sqlite .sqlite3), which later runs "
        "continue: no pictures, nothing that identifies; python -m demo.history FILE shows it",
    )
    group.add_argument(
        "--keep-days",
        type=number(1, MAX_KEEP_DAYS, int),
        metavar="N",
        help="delete what --store kept more than N days ago (default: keep it)",
    )
    group.add_argument(
        "--no-display",
        action="store_true",
        help="do not open a window (the default where there is no display)",
    )
    group.add_argument(
        "--anonymize",
        choices=["blur", "pixelate", "mask"],
        help="cover every detected head in window, recording, snapshots and photos: mask removes "
        "all detail, blur and pixelate keep a few mean colours. Every frame is searched; a face "
        "that the detector misses is not covered. Recordings have no sound",
    )


def add_encoding(group: argparse._ArgumentGroup) -> None:
    """Add the options of recorded videos."""
    group.add_argument(
        "--quality",
        choices=["small", "normal", "high"],
        default=Options.quality,
        help="of a recorded video: small makes small files, high keeps fine detail (%(default)s)",
    )
    group.add_argument(
        "--encoder",
        choices=["auto", "x264", "nvenc", "qsv", "amf", "videotoolbox", "mf", "v4l2m2m"],
        default=Options.encoder,
        help="of a recorded video: x264 or an encoder of the hardware (auto: of the hardware if a "
        "trial shows that it works, else x264)",
    )


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--serve",
        nargs="?",
        const=DEFAULT_PORT,
        metavar="[HOST:]PORT",
        help="show the run in browsers, by default at port 8000 of this machine only; 0.0.0.0:8000 "
        "is for other machines, too, and needs a token",
    )
    group.add_argument(
        "--serve-cameras",
        action="store_true",
        help="let viewers use the cameras of their own browsers, at /camera; no -s is needed then",
    )
    group.add_argument(
        "--serve-name",
        action="append",
        metavar="NAME",
        help="a further name or address by which browsers reach this machine, NAME:PORT behind a "
        "proxy or container with another port; repeat it for several",
    )
    token = group.add_mutually_exclusive_group()
    token.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token that every request needs, as does the environment variable "
        f"{TOKEN_VARIABLE}",
    )
    token.add_argument(
        "--make-token",
        action="store_true",
        help="make a token for this run, and print the address with it",
    )
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate (PEM), for https")
    group.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="its key, where it is another file"
    )


def add_detection(group: argparse._ArgumentGroup) -> None:
    """Add the options of detection whose results do not depend on the speed of the machine."""
    group.add_argument(
        "--detector", choices=["mtcnn", "dlib"], default="mtcnn", help="face detector (mtcnn)"
    )
    group.add_argument(
        "--detect-every",
        type=count,
        metavar="N",
        help="search the whole frame for new faces every N frames (8), for the smallest ones every "
        "2 N; known faces are measured in every frame, those that move steadily in every second "
        "one. 1 finds new faces at once and is slowest",
    )
    group.add_argument(
        "--min-face",
        type=count,
        metavar="PX",
        help="smallest face to search for, in pixels (20, in large frames a 34th of the shorter "
        "side; with dlib 40, or a 17th); doubling it cuts the search work by up to four",
    )


def _add_budget(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--budget-ms",
        type=number(0.1),
        metavar="MS",
        help="mean time per frame, without decoding and drawing: when frames take longer, first "
        "fewer faces are estimated per frame, then new faces are searched less often. Results "
        "then depend on the speed of the machine",
    )


def add_estimation(group: argparse._ArgumentGroup) -> None:
    """Add the options of age and gender."""
    group.add_argument(
        "--min-quality",
        type=number(0, 1),
        default=Options.min_quality,
        metavar="Q",
        help="ignore crops of lower quality than Q (0 to 1): small, blurred, turned or cut-off "
        "faces (%(default)s); the others are weighted by quality",
    )
    network = group.add_mutually_exclusive_group()
    network.add_argument(
        "--model",
        default=Options.model,
        metavar="NAME",
        help="network: a name in models/weights, or the path of a manifest (.json) written by "
        "models.train, models.convert or models.export (%(default)s)",
    )
    network.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="network: an .onnx or .tflite file or SavedModel folder written by models.export, or "
        "a .weights.h5 file, with its manifest beside it",
    )
    group.add_argument(
        "--margin",
        type=number(0, 2),
        metavar="M",
        help="margin around the face on each side, as a share of its size (default: that of the "
        "training, 0.4; any other costs accuracy)",
    )
    group.add_argument(
        "--device",
        choices=["auto", "cpu", "gpu"],
        default=Options.device,
        help="where the network runs (auto: a GPU if ONNX Runtime can use one, else the CPU)",
    )


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty: give a file, or a folder for photos")
    return text


def options(parsed: argparse.Namespace) -> Options:
    """The options that the parsed arguments give."""
    chosen = dict(vars(parsed))
    sources, no_display = chosen.pop("source"), chosen.pop("no_display")
    output = chosen.pop("output")
    chosen["serve_name"] = tuple(chosen["serve_name"] or ())
    if chosen["serve_cameras"] and chosen["serve"] is None:
        chosen["serve"] = DEFAULT_PORT
    return Options(
        sources=tuple(sources or ()),
        display=not no_display,
        output=None if output is None else Path(output),
        output_folder=output is not None and output.endswith(SEPARATORS),
        **chosen,
    )

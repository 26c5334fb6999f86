"""Measure how fast a clip is processed on this machine, stage by stage.

Each run decodes, detects, tracks, estimates and draws every frame, without a window or a recording.
Beside it, OpenCV decodes the same clip: figures of two machines compare as parts of that only.

--against reference    also run the loop that people use today on the same frames: the `mtcnn`
                       package and Keras' `Model.predict` on every frame
--against every-frame  compare boxes, ids, ages and genders with a pass that searches every frame
                       and estimates every face in it: what the saved work costs
--log-only             also time sessions that only write a log against sessions that draw as well
--record               also time sessions that record, against sessions that only draw and against
                       OpenCV, which decodes the same frames and writes them as MPEG-4 (mp4v)
--live SECONDS         instead, play the clip as a camera in a loop: latency, lost frames, cores and
                       memory; with --record while it is recorded
--serve                instead, show the clip in browsers, at the sizes of two cameras: milliseconds
                       from capture to a page in Chromium, also on a slow link; frames per second
                       with 0, 1 and 5 viewers against a run without a server; answers per second to
                       a browser's own camera

On Linux, `taskset -c 0 python -m demo.bench …` measures with one core, `taskset -c 0,1` with two.
"""

import argparse
import json
import sys
from typing import Any

from demo.bench.clips import ClipCamera, clip_rate, networks
from demo.bench.latency import measure_latency
from demo.bench.report import text
from demo.bench.results import results
from demo.errors import UserError
from demo.faces.detectors import DETECTORS
from demo.faces.settings import Settings
from demo.options import Options
from models.commands import count, guarded, number

RUNS = 3


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
    parser.add_argument("--record", action="store_true", help="also time sessions that record")
    parser.add_argument(
        "--live", type=number(1), metavar="SECONDS", help="play the clip as a camera"
    )
    parser.add_argument(
        "--fps",
        type=number(1, 240),
        metavar="N",
        help="frames per second of that camera (the clip's)",
    )
    parser.add_argument("--serve", action="store_true", help="show the clip in browsers")
    parser.add_argument(
        "--runs",
        type=count,
        metavar="N",
        help=f"timed passes; the report shows the median one ({RUNS})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_options(parser)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run that change its speed."""
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


def _live(args: argparse.Namespace, options: Options) -> dict[str, Any]:
    """The report of a clip as a camera."""
    if args.against or args.runs or args.log_only:
        raise UserError(
            "--live plays the clip once, by itself: remove --against, --log-only and --runs"
        )
    rate = clip_rate(args.clip)  # raises for an unusable clip
    camera = ClipCamera(args.clip, args.live, args.fps or rate)
    with networks(options) as loaded:
        return measure_latency(camera, loaded, Settings(args.detect_every), args.record)


def _serve(args: argparse.Namespace, options: Options) -> str:
    """The report of a clip that is shown in browsers."""
    if args.against or args.log_only or args.record or args.live or args.fps:
        raise UserError(
            "--serve measures by itself: remove --against, --log-only, --record, --live and --fps"
        )
    try:
        from demo.bench.web.report import text
        from demo.bench.web.serve import measure_serving
    except ImportError as error:
        raise UserError(
            f"--serve needs {error.name}: pip install -r requirements-dev.txt"
        ) from None
    report = measure_serving(args.clip, options, args.runs or RUNS, args.json)
    return json.dumps(report, indent=2) if args.json else text(report)


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
        if args.serve:
            print(_serve(args, options))
            return
        if args.live:
            print(json.dumps(_live(args, options), indent=2))
            return
        if args.fps:
            raise UserError("--fps is the rate of --live's camera: add --live SECONDS")
        chosen = {"log-only": args.log_only, "record": args.record}
        extras = [args.against, *(name for name, given in chosen.items() if given)]
        measured = results(args.clip, options, args.runs or RUNS, extras, args.json)
        print(json.dumps(measured, indent=2) if args.json else text(measured))

    return guarded("demo.bench", work)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python
"""Estimate the age and gender of every face in a webcam, video or photo, live."""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from demo.arguments import options, parser
from demo.options import Options
from models.commands import INTERRUPTED
from models.printable import printable

if TYPE_CHECKING:
    from demo.build import Run
    from demo.events import Event
    from demo.session import Result, Session


def say(line: str) -> None:
    """Print a line for the user to stderr."""
    print(f"stream: {printable(line)}", file=sys.stderr, flush=True)


class _LastingStderr:
    """stderr that never raises: if its reader is gone, messages are dropped."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stderr, name)


def _protect_stderr() -> None:
    if sys.stderr is None:  # closed at the start: the next file to be opened must not become it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.stderr = cast("TextIO", _LastingStderr(sys.stderr))


def _handle_signals(session: "Session | None" = None) -> None:
    """Let Ctrl-C, SIGTERM and the end of the terminal raise KeyboardInterrupt, in a session when
    all of its outputs are at the same frame."""

    def interrupt(number: int, frame: object) -> None:
        if number not in (signal.SIGINT, signal.SIGTERM):  # shell and system both report a hang-up
            signal.signal(number, signal.SIG_IGN)
        if session is None or not session.defer_interrupt():
            raise KeyboardInterrupt

    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, interrupt)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, interrupt)


def main(argv: list[str] | None = None) -> int:
    """Run; returns 0, 2 after a user's mistake or a failed source, 130 after Ctrl-C, SIGTERM or
    the end of the terminal."""
    _protect_stderr()
    _handle_signals()
    try:
        return _guarded(options(parser(__doc__).parse_args(argv)))
    except KeyboardInterrupt:  # before the first frame, or a second one while closing
        say("stopped by a signal")
        return INTERRUPTED


def _guarded(chosen: Options) -> int:
    """Run; a mistake of the user is one line."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our own messages are clearer
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        say(
            f"OpenCV cannot start: {error}. Install the system package libgl1, or for a machine "
            "without screen: pip uninstall opencv-python; pip install opencv-python-headless"
        )
        return 2
    from demo.sources.net.redact import redact
    from models.errors import AgeStreamError

    try:
        return run(chosen)
    except AgeStreamError as error:
        say(str(error))
    except OSError as error:
        place = redact(str(error.filename or "system"))
        say(f"{place}: {error.strerror or type(error).__name__}")
    return 2


def run(chosen: Options) -> int:
    """Build the run, run it, report; the exit code."""
    from tqdm import tqdm

    from demo.build import build_run, prepare_process

    def notify(event: "Event") -> None:
        if event.kind != "failed" or len(chosen.sources) > 1:  # the only one's comes last
            with tqdm.external_write_mode():
                say(event.text)

    prepare_process()
    with build_run(chosen, notify) as built:
        _handle_signals(built.session)
        result = _worked(built)
        if built.server and not (result.interrupted or result.quit or result.failures):
            _wait_for_signal(bool(built.sources))
    if result.interrupted:
        say(f"stopped by a signal after {result.frames} frames")
        return INTERRUPTED
    if result.failures and len(built.sources) == 1:
        say(result.failures[0])
    return 2 if result.failures else 0


def _worked(built: "Run") -> "Result":
    """Work on the sources, with a progress bar where they have an end, and report."""
    from tqdm import tqdm

    bar = tqdm(
        total=built.count,
        desc=printable(", ".join(Path(source.name).name for source in built.sources))[:30],
        unit="photo" if built.photos else "frame",
        disable=built.live or not built.sources,
        smoothing=0.1,
        mininterval=0.1 if sys.stderr.isatty() else 5.0,
    )
    with bar:
        result = built.session.run(bar.update)
    if built.sources:
        _report(built, result)
    return result


def _wait_for_signal(ended: bool) -> None:
    """Keep the page open until Ctrl-C or another signal; `ended`: after the last frame."""
    say("the page stays open: Ctrl-C ends it" if ended else "Ctrl-C ends it")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _report(built: "Run", result: "Result") -> None:
    from demo.sinks.words import some

    for path in built.written:
        say(f"wrote {path}")
    for line in built.outputs.summary.lines():
        say(line)
    unit = "photo" if built.photos else "frame"
    say(", ".join(filter(None, (some(result.frames, unit), built.session.stopwatch.summary()))))


if __name__ == "__main__":
    sys.exit(main())

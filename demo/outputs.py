"""From options to outputs: recording, log, summary, history, window."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from demo.display.window import Window
from demo.display.x11 import display_exists
from demo.errors import UserError
from demo.events import Event, Notify
from demo.options import Options
from demo.sinks.audio import audio_of
from demo.sinks.base import Sink
from demo.sinks.encoder import Encoding
from demo.sinks.log import Log
from demo.sinks.photos import PhotoRecorder
from demo.sinks.summary import Summary
from demo.sinks.switch import SwitchedRecorder
from demo.sinks.uncovered import UncoveredWarning
from demo.sinks.video import VideoRecorder
from demo.sources.base import Source
from demo.sources.video import VideoSource
from models.printable import printable

if TYPE_CHECKING:
    from demo.history.store import VisitStore


class Outputs(NamedTuple):
    """What a run writes."""

    recorder: PhotoRecorder | VideoRecorder | SwitchedRecorder | None
    log: Log | None
    summary: Summary
    store: "VisitStore | None"


def make_outputs(
    options: Options, sources: Sequence[Source], notify: Notify, stack: ExitStack
) -> tuple[Outputs, Window | None]:
    """What the options ask for; `stack` closes it. Raises UserError before any file is written."""
    recorder = _recorder(options, sources, notify, stack) if options.output else None
    log = Log(options.log) if options.log else None  # perhaps in the folder of photos just made
    names = ", ".join(source.name for source in sources)
    photos = any(source.photos for source in sources)
    summary = Summary(options.summary, names, photos, lambda: sum(s.dropped for s in sources))
    shown = options.display and bool(sources)
    window = _window(printable(f"AgeStream - {names}"), notify, stack) if shown else None
    return Outputs(recorder, log, summary, _store(options, sources)), window


def make_sinks(
    options: Options, sources: Sequence[Source], outputs: Outputs, notify: Notify
) -> list[Sink]:
    """The outputs that take the faces of every frame."""
    sinks: list[Sink] = [sink for sink in (outputs.log, outputs.summary, outputs.store) if sink]
    if options.anonymize and sources:
        sinks.append(UncoveredWarning(sources[0].photos, notify))
    return sinks


def _store(options: Options, sources: Sequence[Source]) -> "VisitStore | None":
    """Keeps the visits of all sources."""
    if options.store is None:
        if options.keep_days is not None:
            raise UserError("--keep-days deletes from the database of --store: add --store FILE")
        return None
    if not sources:
        raise UserError(f"--store {options.store}: there is no source to watch: give -s")
    if sources[0].photos:
        raise UserError("--store keeps how long people are in view: remove it for photos")
    from demo.history.store import VisitStore

    dropped = {source.name: source for source in sources}
    return VisitStore(options.store, options.keep_days, lambda name: dropped[name].dropped)


def _recorder(
    options: Options, sources: Sequence[Source], notify: Notify, stack: ExitStack
) -> PhotoRecorder | VideoRecorder | SwitchedRecorder:
    """Records the sources, with the sound of a single video unless faces are covered."""
    assert options.output is not None
    if not sources:
        raise UserError(f"-o {options.output}: there is no source to record: give -s")
    if sources[0].photos:
        path = sources[0].path
        single = path is not None and path.is_file()
        return PhotoRecorder(options.output, single, options.output_folder)
    audio, only = None, sources[0] if len(sources) == 1 else None
    if isinstance(only, VideoSource) and only.path:
        audio = audio_of(only.path, lambda: only.first_pts, notify)
    if audio and options.anonymize:
        audio.close()
        audio = None
        text = f"--anonymize: the sound of {sources[0].name} is left out: voices can be recognised"
        notify(Event("info", text))
    if audio:
        stack.callback(audio.close)
    fps = max((source.fps for source in sources if source.fps), default=None)
    live = any(source.live for source in sources)
    encoding = Encoding(options.encoder, options.quality, live)
    recorder = VideoRecorder(options.output, fps, audio, notify, encoding)
    return recorder if audio or options.serve is None else SwitchedRecorder(recorder)


def _window(title: str, notify: Notify, stack: ExitStack) -> Window | None:
    """A window, where there is a display."""
    if display_exists():
        window = Window(title)
        stack.callback(window.close)
        return window
    notify(Event("info", "no display here: running without a window (as with --no-display)"))
    return None


def refuse_overwriting(options: Options, sources: Sequence[Source]) -> None:
    """Raise UserError if an output would overwrite a source or another output."""
    given = [source.path for source in sources if source.path]
    if sources and sources[0].photos and options.output:
        folder = given[0] if given[0].is_dir() else given[0].parent
        if _same_file(options.output, folder):
            raise UserError(f"-o {options.output} is the folder of the photos: name another one")
    chosen = [
        *(("-o", options.output), ("--log", options.log)),
        *(("--summary", options.summary), ("--store", options.store)),
    ]
    named = [*(("-s", path) for path in given), *chosen]
    files = [(option, path) for option, path in named if path and not path.is_dir()]
    for index, (option, path) in enumerate(files):
        for other_option, other in files[:index]:
            if option != "-s" and _same_file(path, other):
                raise UserError(f"{option} {path} is the file of {other_option}: name another one")


def _same_file(path: Path, other: Path) -> bool:
    """Whether two names are one file or folder, which need not exist yet."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()

"""From options to a session: the one place where sources, pipelines and outputs are joined."""

import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2

from demo.display.tiles import MAX_TILES
from demo.display.window import Window
from demo.display.x11 import display_exists
from demo.errors import UserError
from demo.events import Event, Notify, ignore
from demo.faces.detectors import DETECTORS, Detector
from demo.faces.photo import PhotoPipeline
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.history.store import VisitStore
from demo.options import Options
from demo.session import FramePipeline, Session
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
from demo.sources.live import LiveSource
from demo.sources.open import open_source
from demo.sources.video import VideoSource
from demo.timing import Stopwatch
from models.crops.spec import InputSpec
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest, load_weights
from models.printable import printable

if TYPE_CHECKING:
    from demo.web.hub import Hub
    from demo.web.server import WebServer

DEMO_CLIP = Path("assets/demo.mp4")  # in the repository
SWITCH_SECONDS = 0.001  # after which a thread hands over the interpreter; Python's own is 0.005


class Networks(NamedTuple):
    """What can be shared by several runs, one after the other: loading it takes a second."""

    detector: Detector
    estimator: Estimator


class SharedNetworks:
    """The networks for photos and for video, each loaded when it is first asked for; any thread may
    ask."""

    def __init__(self, load: Callable[[bool], Networks]) -> None:
        self._load = load
        self._loaded: dict[bool, Networks] = {}
        self._lock = threading.Lock()

    def __call__(self, photos: bool) -> Networks:
        """The networks. Raises UserError or ModelError."""
        with self._lock:
            if photos not in self._loaded:
                self._loaded[photos] = self._load(photos)
            return self._loaded[photos]

    def close(self) -> None:
        """Close the estimators."""
        with self._lock:
            for networks in self._loaded.values():
                networks.estimator.close()


class Outputs(NamedTuple):
    """What a run writes."""

    recorder: PhotoRecorder | VideoRecorder | SwitchedRecorder | None
    log: Log | None
    summary: Summary
    store: VisitStore | None


@dataclass(frozen=True)
class Run:
    """A session that is ready to run, with what a caller needs for a title, a progress bar and a
    report."""

    session: Session
    sources: Sequence[Source]
    options: Options
    outputs: Outputs
    server: "WebServer | None" = None

    @property
    def title(self) -> str:
        """The names of the sources."""
        return ", ".join(source.name for source in self.sources)

    @property
    def photos(self) -> bool:
        """Whether its frames are independent pictures."""
        return any(source.photos for source in self.sources)

    @property
    def live(self) -> bool:
        """Whether it has no end of its own."""
        return any(source.live for source in self.sources)

    @property
    def count(self) -> int | None:
        """Number of frames, if known."""
        counts = [source.count for source in self.sources if source.count]
        known = [sum(counts)] if len(counts) == len(self.sources) else []
        limit = [self.options.max_frames] if self.options.max_frames else []
        return min(known + limit, default=None)

    @property
    def written(self) -> list[Path]:
        """The files that were written; none is touched before the first frame."""
        options, outputs = self.options, self.outputs
        paths = (options.output, options.log, options.summary, options.store)
        pairs = zip(paths, outputs, strict=True)
        return [path for path, output in pairs if path and output and output.written]


def prepare_process() -> None:
    """Set up this process for a run: stream.py and the benchmarks call it, the Python API does not.

    OpenCV uses one core per call, like the networks: reader and writer have the others, and on
    small pictures threads that wait for each other cost more than they gain. A thread that comes
    back from decoding or inference gets the interpreter sooner: 3 % more frames per second.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")  # our messages are clearer
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_SECONDS)


@contextmanager
def build_run(
    options: Options,
    notify: Notify = ignore,
    networks: Callable[[bool], Networks] | None = None,
) -> Iterator[Run]:
    """Open everything that the options ask for; all of it is closed again on leaving the `with`,
    and where a later step of the set-up fails.

    `networks` gives networks to use in place of new ones, for photos or for video; they stay open.
    Raises UserError or ModelError before any file is written.
    """
    with ExitStack() as stack:
        manifest = load_model(options)
        spec = crop_spec(options, manifest)
        sources = _open_sources(options, stack)
        shared = SharedNetworks(networks or (lambda photos: load_networks(options, photos)))
        if not networks:
            stack.callback(shared.close)
        stopwatch = Stopwatch()
        pipelines = [_pipeline(options, s, shared(s.photos), spec, stopwatch) for s in sources]
        _refuse_overwriting(options, sources)
        hub = _hub(options, sources)
        if hub:
            notify = _both(notify, hub.notify)
        outputs, window = _outputs(options, sources, notify, stack)
        if not window and not hub and len(sources) == 1 and isinstance(sources[0], LiveSource):
            sources[0].keep_unwatched()
        session = Session(
            list(zip(sources, pipelines, strict=True)),
            sinks=[*_sinks(options, sources, outputs, notify), *([hub] if hub else [])],
            pictures=[sink for sink in (outputs.recorder, window) if sink],
            controls=[window] if window else [],
            stopwatch=stopwatch,
            max_frames=options.max_frames,
            notify=notify,
            realtime=hub is not None,
        )
        run = Run(session, sources, options, outputs)
        if hub:
            server = _serve(run, hub, shared, spec, notify)
            stack.callback(server.close)
            run = replace(run, server=server)
        if sources:
            _tell_network(options, manifest, spec, shared(sources[0].photos), notify)
        yield run


def load_model(options: Options) -> Manifest:
    """The manifest of the network that the options name. Raises ModelError."""
    return load_weights(options.weights) if options.weights else load_manifest(options.model)


def load_networks(options: Options, photos: bool) -> Networks:
    """The detector, for photos or for video, and the estimator that the options ask for; close the
    estimator at the end. Raises UserError or ModelError."""
    detector = DETECTORS[options.detector](options.min_face, not photos)
    return Networks(detector, Estimator(load_model(options), choose_device(options.device)))


def crop_spec(options: Options, manifest: Manifest) -> InputSpec:
    """The crops of the network, with the margin of the options. Raises UserError where the network
    has no margin."""
    spec = manifest.input
    if options.margin is not None:
        spec = replace(spec, margin=options.margin)
    if spec != manifest.input and spec.align == "context":
        raise UserError(f"--margin: {manifest.name} takes fixed parts of the aligned face")
    return spec


def _open_sources(options: Options, stack: ExitStack) -> list[Source]:
    """The sources by their order, each with a name of its own."""
    if len(options.sources) > MAX_TILES:
        raise UserError(f"{len(options.sources)} sources: at most {MAX_TILES} fit on a screen")
    sources: list[Source] = []
    if options.serve_cameras and not options.sources:
        return sources
    try:
        for spec in options.sources or ("0",):
            sources.append(open_source(spec, options.give_up))
            stack.callback(sources[-1].close)
    except UserError as error:
        if options.sources:
            raise
        raise UserError(f"{error} Without one, try: python stream.py -s {DEMO_CLIP}") from None
    if len(sources) > 1 and any(source.photos for source in sources):
        raise UserError("photos are annotated by themselves: give them as the only -s")
    names = [source.name for source in sources]
    for place, source in enumerate(sources):
        if same := names[:place].count(source.name):
            source.name = f"{source.name} ({same + 1})"
    return sources


def _pipeline(
    options: Options,
    source: Source | None,
    networks: Networks,
    spec: InputSpec,
    stopwatch: Stopwatch,
) -> FramePipeline:
    """A pipeline for the frames of a source; None: for a camera of a viewer."""
    if source and source.photos:
        return PhotoPipeline(*networks, options.anonymize, spec, stopwatch)
    if options.anonymize and (options.detect_every not in (None, 1) or options.budget_ms):
        raise UserError(
            "--detect-every and --budget-ms would show new faces before they are covered: remove "
            "them, or --anonymize"
        )
    settings = Settings(
        detect_every=options.detect_every or Settings.detect_every,
        min_quality=options.min_quality,
        budget_ms=options.budget_ms,
        anonymize=options.anonymize,
    )
    return Pipeline(*networks, source.fps if source else None, settings, spec, stopwatch)


def _tell_network(
    options: Options, manifest: Manifest, spec: InputSpec, networks: Networks, notify: Notify
) -> None:
    device = networks.estimator.device
    text = f"{manifest.name} on {device.kind} with {device.engine}: {device.reason}"
    notify(Event("info", text))
    if spec != manifest.input:
        text = f"margin {spec.margin}: {manifest.name} was trained with {manifest.input.margin}"
        notify(Event("warning", text))


def _both(first: Notify, second: Notify) -> Notify:
    def notify(event: Event) -> None:
        first(event)
        second(event)

    return notify


def _hub(options: Options, sources: Sequence[Source]) -> "Hub | None":
    """Where the server takes the frames of the run; None without a server."""
    if options.serve is None:
        given = [
            name
            for name, value in (
                ("--serve-name", options.serve_name),
                ("--token-file", options.token_file),
                ("--make-token", options.make_token),
                ("--tls-cert", options.tls_cert),
                ("--tls-key", options.tls_key),
            )
            if value
        ]
        if given:
            raise UserError(f"{given[0]} is of no use without --serve")
        return None
    if any(source.photos for source in sources):
        raise UserError("--serve shows cameras and videos: drop photos on its page /camera")
    try:
        from demo.web.hub import Hub
        from demo.web.start import start_server  # noqa: F401 - whether its packages are there
    except ImportError as error:
        raise UserError(
            f"--serve needs {error.name}: pip install -r requirements-web.txt"
        ) from None
    return Hub()


def _serve(
    run: Run, hub: "Hub", shared: SharedNetworks, spec: InputSpec, notify: Notify
) -> "WebServer":
    """The server of the run."""
    from demo.web.context import Context, RunView
    from demo.web.pictures import Pictures
    from demo.web.start import start_server

    def pipeline(photos: bool) -> FramePipeline:
        if photos:
            return PhotoPipeline(*shared(True), run.options.anonymize, spec)
        return _pipeline(run.options, None, shared(False), spec, Stopwatch())

    recorder = run.outputs.recorder
    view = RunView(
        run.options,
        run.outputs.summary,
        run.sources,
        run.session.stopwatch,
        recorder if isinstance(recorder, SwitchedRecorder) else None,
    )
    return start_server(run.options, Context(hub, Pictures(), view, pipeline), notify)


def _outputs(
    options: Options, sources: Sequence[Source], notify: Notify, stack: ExitStack
) -> tuple[Outputs, Window | None]:
    recorder = _recorder(options, sources, notify, stack) if options.output else None
    log = Log(options.log) if options.log else None  # perhaps in the folder of photos just made
    names = ", ".join(source.name for source in sources)
    photos = any(source.photos for source in sources)
    summary = Summary(options.summary, names, photos, lambda: sum(s.dropped for s in sources))
    shown = options.display and bool(sources)
    window = _window(printable(f"AgeStream - {names}"), notify, stack) if shown else None
    return Outputs(recorder, log, summary, _store(options, sources)), window


def _sinks(
    options: Options, sources: Sequence[Source], outputs: Outputs, notify: Notify
) -> list[Sink]:
    sinks: list[Sink] = [sink for sink in (outputs.log, outputs.summary, outputs.store) if sink]
    if options.anonymize and sources:
        sinks.append(UncoveredWarning(sources[0].photos, notify))
    return sinks


def _store(options: Options, sources: Sequence[Source]) -> VisitStore | None:
    """Keeps the visits of all sources."""
    if options.store is None:
        if options.keep_days is not None:
            raise UserError("--keep-days deletes from the database of --store: add --store FILE")
        return None
    if not sources:
        raise UserError(f"--store {options.store}: there is no source to watch: give -s")
    if sources[0].photos:
        raise UserError("--store keeps how long people are in view: remove it for photos")
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


def _refuse_overwriting(options: Options, sources: Sequence[Source]) -> None:
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

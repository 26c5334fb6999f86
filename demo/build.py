"""From options to a session: the one place where sources, pipelines and outputs are joined."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from demo.display.tiles import MAX_TILES
from demo.errors import UserError
from demo.events import Event, Notify, ignore
from demo.faces.photo import PhotoPipeline
from demo.networks import (
    Networks,
    SharedNetworks,
    crop_spec,
    load_model,
    load_networks,
    new_pipeline,
    tell_network,
)
from demo.options import Options
from demo.outputs import Outputs, make_outputs, make_sinks, refuse_overwriting
from demo.session import FramePipeline, Session
from demo.sinks.switch import SwitchedRecorder
from demo.sources.base import Source
from demo.sources.live import LiveSource
from demo.sources.open import open_source
from demo.timing import Stopwatch
from models.crops.spec import InputSpec

if TYPE_CHECKING:
    from demo.web.hub import Hub
    from demo.web.server import WebServer

DEMO_CLIP = Path("assets/demo.mp4")  # in the repository
Opener = Callable[[str, float], Source]
SWITCH_SECONDS = 0.001  # after which a thread hands over the interpreter; Python's own is 0.005


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
    for package in ("PIL", "aiohttp"):  # our messages are clearer
        warnings.filterwarnings("ignore", module=rf"{package}\.")
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_SECONDS)


@contextmanager
def build_run(
    options: Options,
    notify: Notify = ignore,
    networks: Callable[[bool], Networks] | None = None,
    opener: Opener = open_source,
) -> Iterator[Run]:
    """Open everything that the options ask for; all of it is closed again on leaving the `with`,
    and where a later step of the set-up fails.

    `networks` gives networks to use in place of new ones, for photos or for video; they stay open.
    `opener` opens a source by its name, as `open_source` does.
    Raises UserError or ModelError before any file is written.
    """
    with ExitStack() as stack:
        spec = crop_spec(options, load_model(options))
        sources = _open_sources(options, stack, opener)
        shared = SharedNetworks(networks or (lambda photos: load_networks(options, photos)))
        if not networks:
            stack.callback(shared.close)
        stopwatch = Stopwatch()
        pipelines = [_pipeline(options, s, shared, spec, stopwatch) for s in sources]
        refuse_overwriting(options, sources)
        hub, terminal = _hub(options, sources), notify
        if hub:
            notify = _both(notify, hub.notify)
        outputs, window = make_outputs(options, sources, notify, stack)
        if not window and not hub and len(sources) == 1 and isinstance(sources[0], LiveSource):
            sources[0].keep_unwatched()
        session = Session(
            list(zip(sources, pipelines, strict=True)),
            sinks=[*make_sinks(options, sources, outputs, notify), *([hub] if hub else [])],
            pictures=[sink for sink in (outputs.recorder, window) if sink],
            controls=[window] if window else [],
            stopwatch=stopwatch,
            max_frames=options.max_frames,
            notify=notify,
            realtime=hub is not None,
        )
        run = Run(session, sources, options, outputs)
        if hub:
            server = _serve(run, hub, shared, spec, terminal)
            stack.callback(server.close)
            run = replace(run, server=server)
        if sources:
            tell_network(shared(sources[0].photos).estimator, spec, notify)
        yield run


def _open_sources(options: Options, stack: ExitStack, opener: Opener) -> list[Source]:
    """The sources by their order, each with a name of its own."""
    if len(options.sources) > MAX_TILES:
        raise UserError(f"{len(options.sources)} sources: at most {MAX_TILES} fit on a screen")
    sources: list[Source] = []
    if options.serve_cameras and not options.sources:
        return sources
    try:
        for spec in options.sources or ("0",):
            sources.append(opener(spec, options.give_up))
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
    options: Options, source: Source, shared: SharedNetworks, spec: InputSpec, stopwatch: Stopwatch
) -> FramePipeline:
    """The pipeline of a source."""
    networks = shared(source.photos)
    if source.photos:
        return PhotoPipeline(*networks, options.anonymize, spec, stopwatch)
    return new_pipeline(options, networks, spec, stopwatch, source.fps)


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
        return new_pipeline(run.options, shared(False), spec)

    recorder = run.outputs.recorder
    view = RunView(
        run.options,
        run.outputs.summary,
        run.sources,
        run.session.stopwatch,
        recorder if isinstance(recorder, SwitchedRecorder) else None,
    )
    return start_server(run.options, Context(hub, Pictures(), view, pipeline), notify)

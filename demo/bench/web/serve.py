"""What it costs to show a run in browsers, and how old the pictures are when a page draws them."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from demo.bench.clips import networks, video_source
from demo.bench.laps import Clock, Lap, Laps, figures, run_rounds
from demo.bench.web.browser import (
    ANSWERS_SCRIPT,
    DRAWN_SCRIPT,
    Drawn,
    Window,
    answers_per_second,
    browser_path,
    drawn,
    opened,
)
from demo.bench.web.code import CodedCamera
from demo.bench.web.link import slow_link
from demo.bench.web.sized import write_mjpeg, write_sized
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.networks import Networks
from demo.options import Options
from demo.session import Session
from demo.sinks.summary import Summary
from demo.sources.base import Source
from demo.sources.live import LiveSource
from demo.web.addresses import Address
from demo.web.context import Context, RunView
from demo.web.hub import Hub
from demo.web.pictures import Pictures
from demo.web.server import Listening, WebServer
from models.files import ROOT
from models.machine import machine

SECONDS = 12.0  # of a live run with a page
WARM_UP = 4.0  # seconds at its beginning that are left out: loading, and finding the width
CAMERA_SECONDS = 5.0  # of counting answers
SLOW_LINK = 250_000  # bytes per second
VIEWERS = (0, 1, 5)
MIN_PICTURES = 10  # for percentiles


class Size(NamedTuple):
    """A size of camera pictures, and of a page that shows them whole."""

    width: int
    height: int
    fps: float
    window: Window

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


SIZES = (
    Size(640, 480, 30, Window(1280, 800)),
    Size(1920, 1080, 25, Window(1920, 1080, full=True)),
)


@contextmanager
def server_of(
    source: Source | None, loaded: Networks, settings: Settings
) -> Iterator[tuple[WebServer, Hub, Summary]]:
    """A server for a run with one source or, without it, for the cameras of browsers."""
    hub, sources = Hub(), [source] if source else []
    summary = Summary(None, "benchmark", False, lambda: sum(s.dropped for s in sources))
    options = Options(serve="0", serve_cameras=source is None)

    def pipeline(photos: bool) -> Pipeline:
        return Pipeline(*loaded, None, settings)

    context = Context(hub, Pictures(), RunView(options, summary, sources), pipeline)
    with closing(WebServer(context, Listening(Address("127.0.0.1", 0)))) as server:
        yield server, hub, summary


def plain_lap(clip: str, loaded: Networks, settings: Settings) -> Lap:
    """A session over all frames of the clip that shows nothing to anyone."""
    with closing(video_source(clip)) as source:
        pipeline = Pipeline(*loaded, source.fps, settings)
        summary = Summary(None, clip, False, lambda: 0)
        return _lap(Session([(source, pipeline)], sinks=[summary]))


def served_lap(clip: str, loaded: Networks, settings: Settings, viewers: int) -> Lap:
    """The same session with a server and so many viewers, which are processes of their own."""
    with closing(video_source(clip)) as source, server_of(source, loaded, settings) as served:
        server, hub, summary = served
        pipeline = Pipeline(*loaded, source.fps, settings)
        with _viewers(server.url, source, viewers):
            return _lap(Session([(source, pipeline)], sinks=[summary, hub]))


def _lap(session: Session) -> Lap:
    clock = Clock()
    return clock.lap(session.run().frames)


@contextmanager
def _viewers(url: str, source: Source, count: int) -> Iterator[None]:
    """Viewers that want the whole width of a source."""
    if not count:
        yield
        return
    command = [sys.executable, "-m", "demo.bench.web.viewers", f"{url}api/live", source.name]
    command += [str(SIZES[-1].width), str(count)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise UserError(f"the viewers ended with {process.wait()}")
        yield
        process.communicate()


def capture_to_page(
    clip: str, size: Size, loaded: Networks, settings: Settings, rate: int | None = None
) -> dict[str, Any]:
    """A live run with a page, on a link of so many bytes per second if `rate` is given: how old
    pictures are when the page has drawn them. Raises UserError if it draws too few."""
    camera = CodedCamera(clip, SECONDS, size.fps)
    source = LiveSource(clip, lambda: camera, give_up=0)
    with server_of(source, loaded, settings) as (server, hub, summary):
        pipeline = Pipeline(*loaded, source.fps, settings)
        session = Session([(source, pipeline)], sinks=[summary, hub])
        with _page_of(server, size, rate) as page, ThreadPoolExecutor(1, "run") as thread:
            frames = thread.submit(session.run).result().frames
            pictures = drawn(page)
    return {"frames": frames, "due": camera.due} | ages(pictures, camera.moments)


@contextmanager
def _page_of(server: WebServer, size: Size, rate: int | None) -> Iterator[Any]:
    """The live page of a server, perhaps on a slow link."""
    if rate is None:
        with opened(server.url, DRAWN_SCRIPT, size.window) as page:
            yield page
        return
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with slow_link(port, rate) as slow:
        detour = f"--host-resolver-rules=MAP localhost:{port} 127.0.0.1:{slow}"
        url = f"http://localhost:{port}/"
        with opened(url, DRAWN_SCRIPT, size.window, [detour]) as page:
            yield page


def ages(pictures: list[Drawn], moments: list[float]) -> dict[str, Any]:
    """Milliseconds from the capture of pictures, by time.time(), to the page. Raises UserError for
    too few."""
    start = moments[0] + WARM_UP if moments else 0.0
    kept = [p for p in pictures if p.number is not None and moments[p.number] >= start]
    if len(kept) < MIN_PICTURES:
        raise UserError(f"the page drew {len(kept)} pictures: too few to measure")
    milliseconds = [(p.moment - moments[p.number or 0]) * 1e3 for p in kept]
    p50, p95 = (float(np.percentile(milliseconds, percent)) for percent in (50, 95))
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "pictures_per_second": (len(kept) - 1) / (kept[-1].moment - kept[0].moment),
        "picture_width": median(p.width for p in kept),
    }


def camera_answers(mjpeg: Path, loaded: Networks, settings: Settings) -> float:
    """Answers per second that a page gets for the pictures of its own camera."""
    flags = [
        "--use-fake-ui-for-media-stream",  # nobody is there to allow the camera
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={mjpeg}",
    ]
    with server_of(None, loaded, settings) as (server, _, _):
        url, window = f"{server.url}camera", SIZES[0].window
        with opened(url, ANSWERS_SCRIPT, window, flags) as page:
            return answers_per_second(page, CAMERA_SECONDS)


def laps_of(clip: str, loaded: Networks, settings: Settings, runs: int, quiet: bool) -> Laps:
    """Sessions without a server, and with one and each number of VIEWERS, in turn."""
    kinds = {"plain": partial(plain_lap, clip, loaded, settings)}
    for count in VIEWERS:
        kinds[f"viewers_{count}"] = partial(served_lap, clip, loaded, settings, count)
    return run_rounds(kinds, runs, quiet)


def measure_serving(clip: str, options: Options, runs: int, quiet: bool) -> dict[str, Any]:
    """The report. Raises UserError for an unusable clip, and where a page cannot be measured."""
    browser_path()
    settings = Settings(options.detect_every or Settings.detect_every)
    report: dict[str, Any] = {"clip": clip, "machine": machine(), "sizes": {}}
    with TemporaryDirectory() as folder, networks(options) as loaded:
        for size in SIZES:
            sized = str(Path(folder) / f"{size}.mp4")
            write_sized(clip, sized, (size.width, size.height), size.fps)
            laps = laps_of(sized, loaded, settings, runs, quiet)
            report["sizes"][str(size)] = {
                "fps": size.fps,
                "page": capture_to_page(sized, size, loaded, settings),
                "run": figures(laps, "plain"),
                "five_to_one_cpu": _cpu_ratio(laps),
            }
            if size == SIZES[0]:
                slow = capture_to_page(sized, size, loaded, settings, SLOW_LINK)
                report["slow_link"] = {"bytes_per_second": SLOW_LINK, **slow}
                mjpeg = write_mjpeg(sized, Path(folder) / "camera.mjpeg")
                answers = camera_answers(mjpeg, loaded, settings)
                report["camera"] = {"answers_per_second": answers}
    return report


def _cpu_ratio(laps: Laps) -> float:
    """Processor time a frame with the most viewers as a part of that with one, the median of the
    rounds."""
    pairs = zip(laps["viewers_5"], laps["viewers_1"], strict=True)
    return median(most.cpu_ms / one.cpu_ms for most, one in pairs)

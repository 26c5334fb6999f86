"""Figures for Prometheus, and the health of a run."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from demo import Faces, __version__
from demo.events import Event
from demo.frames import Frame, Timing
from demo.options import Options
from demo.session import FramePipeline
from demo.sinks.summary import Summary
from demo.timing import Stopwatch
from demo.web.context import Context, RunView
from demo.web.hub import Hub
from demo.web.metrics import Health, RunCollector, routes
from demo.web.pictures import Pictures

NAME = 'rtsp://camera/1?a="b"'  # quotation marks are escaped


def source(name: str = NAME, live: bool = True, dropped: int = 3) -> SimpleNamespace:
    return SimpleNamespace(name=name, live=live, dropped=dropped, fps=25.0, photos=False)


def context(*sources: SimpleNamespace) -> Context:
    summary = Summary(None, "test", False, lambda: 0)
    return Context(Hub(), Pictures(), RunView(Options(), summary, sources), unused)


def unused(photos: bool) -> FramePipeline:
    """No photo is analyzed here."""
    raise NotImplementedError


def show(
    given: Context, name: str = NAME, ids: tuple[int, ...] = (1, -1), ms: float = 31.0
) -> None:
    """Let the run take a frame."""
    unknown = np.full(len(ids), np.nan, np.float32)
    boxes, points = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 5, 2), np.float32)
    faces = Faces(boxes, unknown, points, np.array(ids), unknown, unknown, unknown, unknown)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0, name)
    for sink in (given.run.summary, given.hub):
        sink.write(frame, faces, Timing(12.0, ms))


def samples(given: Context) -> dict[tuple[str, str], float]:
    """The figures by name and the value of their label, as a scraper reads them."""

    async def scrape() -> tuple[str, str]:
        app = web.Application()
        app.add_routes(routes(given))
        async with TestClient(TestServer(app)) as client:
            answer = await client.get("/metrics")
            assert answer.status == 200
            return answer.headers["Content-Type"], await answer.text()

    kind, text = asyncio.run(scrape())
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name.removeprefix("agestream_"), "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_are_those_of_the_run() -> None:
    given = context(source(), source("clip.mp4", live=False, dropped=0))
    for _ in range(4):
        show(given)
    show(given, "clip.mp4", (1, 2, 3), float("nan"))
    given.run.stopwatch._sums["detect"] += (1500.0, 6)
    with given.hub.watching(), given.hub.watching():
        assert samples(given) == {
            ("frames_total", NAME): 4,
            ("frames_total", "clip.mp4"): 1,
            ("frames_dropped_total", NAME): 3,
            ("frames_dropped_total", "clip.mp4"): 0,
            ("reconnects_total", NAME): 0,
            ("reconnects_total", "clip.mp4"): 0,
            ("source_up", NAME): 1,
            ("source_up", "clip.mp4"): 1,
            ("latency_seconds", NAME): 0.031,  # a file has none
            ("processing_seconds", NAME): 0.012,
            ("processing_seconds", "clip.mp4"): 0.012,
            ("faces", NAME): 2,
            ("faces", "clip.mp4"): 3,
            ("people", NAME): 1,
            ("people", "clip.mp4"): 3,
            ("stage_seconds_count", "detect"): 6,
            ("stage_seconds_sum", "detect"): 1.5,
            ("people_seen_total", ""): 4,
            ("viewers", ""): 2,
            ("info", __version__): 1,
        }


def test_a_lost_source_shows_no_faces_and_its_return_is_counted() -> None:
    given = context(source())
    show(given)
    given.hub.notify(Event("lost", "lost", NAME))
    lost = samples(given)
    assert (lost["source_up", NAME], lost["frames_total", NAME]) == (0, 1)
    assert not {name for name, _ in lost} & {"faces", "people", "latency_seconds"}
    given.hub.notify(Event("back", "back", NAME))
    show(given)
    back = samples(given)
    assert [back[name, NAME] for name in ("source_up", "reconnects_total", "faces")] == [1, 1, 2]


def test_a_run_without_sources_has_figures() -> None:
    figures = samples(context())
    assert figures == {("people_seen_total", ""): 0, ("viewers", ""): 0, ("info", __version__): 1}


def test_scraping_changes_nothing_in_the_hub() -> None:
    given = context(source())
    list(RunCollector(given).collect())
    assert not given.hub.counts
    assert not given.hub.newest


def test_stages_may_begin_while_they_are_read() -> None:
    stopwatch = Stopwatch()
    for name in ("detect", "track", "detect"):
        with stopwatch.stage(name):
            pass
    totals = stopwatch.totals()
    assert {name: count for name, (_, count) in totals.items()} == {"detect": 2, "track": 1}
    assert all(milliseconds > 0 for milliseconds, _ in totals.values())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets time.monotonic()."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def move(moment: float) -> None:
        now[0] = moment

    return move


def test_a_run_is_healthy_while_a_live_source_sends_frames(clock: Callable[[float], None]) -> None:
    given = context(source("0"), source("1"), source("clip.mp4", live=False))
    health = Health(given, silent=30)
    clock(130)
    assert health.status() == "ok"  # none had the time for a first frame
    clock(130.1)
    assert health.status() == "silent"
    show(given, "clip.mp4")
    assert health.status() == "silent"  # a file does not stand for a camera
    show(given, "1")
    clock(160.1)
    assert health.status() == "ok"
    clock(160.2)
    assert health.status() == "silent"


def test_files_and_viewers_cameras_are_healthy_without_frames(
    clock: Callable[[float], None],
) -> None:
    for given in (context(), context(source("clip.mp4", live=False))):
        health = Health(given)
        clock(1e6)
        assert health.status() == "ok"


def test_health_is_told_by_the_status_of_the_answer() -> None:
    given = context(source("clip.mp4", live=False))

    async def ask() -> list[tuple[int, dict[str, str]]]:
        app = web.Application()
        app.add_routes(routes(given))
        answers = []
        async with TestClient(TestServer(app)) as client:
            for _ in range(2):
                answer = await client.get("/healthz")
                answers.append((answer.status, await answer.json()))
                given.hub.__exit__()
        return answers

    assert asyncio.run(ask()) == [(200, {"status": "ok"}), (503, {"status": "ended"})]

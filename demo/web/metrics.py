"""The state of a run for monitoring: figures for Prometheus, and whether the run is healthy.

Nothing is counted for this page: a scrape reads what the run counts anyway.
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from demo import __version__
from demo.sources.base import Source
from demo.web.context import Context
from demo.web.hub import Newest
from models.printable import printable

SILENT_SECONDS = 30.0  # without a frame of any live source, after which the run is unhealthy
PREFIX = "agestream_"


class _Kind(NamedTuple):
    """A figure that each source has."""

    family: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    help: str


SOURCE_KINDS = (
    _Kind(CounterMetricFamily, "frames", "Frames that were analyzed."),
    _Kind(CounterMetricFamily, "frames_dropped", "Frames that newer ones replaced."),
    _Kind(CounterMetricFamily, "reconnects", "Times that a lost source came back."),
    _Kind(GaugeMetricFamily, "source_up", "1, or 0 while the source is lost."),
    _Kind(GaugeMetricFamily, "latency_seconds", "From capture to faces, of the newest frame."),
    _Kind(GaugeMetricFamily, "processing_seconds", "From arrival to faces, of the newest frame."),
    _Kind(GaugeMetricFamily, "faces", "Faces in the newest frame."),
    _Kind(GaugeMetricFamily, "people", "People with an id in the newest frame."),
)


def routes(context: Context) -> list[web.RouteDef]:
    """The pages for monitoring."""
    registry = CollectorRegistry()
    registry.register(RunCollector(context))
    health = Health(context)

    async def metrics(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def healthz(request: web.Request) -> web.StreamResponse:
        status = health.status()
        return web.json_response({"status": status}, status=200 if status == "ok" else 503)

    return [web.get("/metrics", metrics), web.get("/healthz", healthz)]


class RunCollector(Collector):
    """The figures of a run, read when they are collected."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> Iterator[Metric]:
        """No names: they are not compared with those of other collectors."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures of now, in seconds where they are times."""
        hub, run = self._context.hub, self._context.run
        families = {
            k.name: k.family(PREFIX + k.name, k.help, labels=["source"]) for k in SOURCE_KINDS
        }
        for source in run.sources:
            for name, value in self._of_source(source).items():
                families[name].add_metric([printable(source.name)], value)
        yield from families.values()
        stages = SummaryMetricFamily(
            f"{PREFIX}stage_seconds", "Time of each stage of a frame.", labels=["stage"]
        )
        for stage, (milliseconds, count) in run.stopwatch.totals().items():
            stages.add_metric([stage], count, milliseconds / 1e3)
        yield stages
        seen = run.summary.count
        yield CounterMetricFamily(f"{PREFIX}people_seen", "People seen so far.", seen)
        yield GaugeMetricFamily(
            f"{PREFIX}viewers", "Pages and streams that show the run.", hub.viewers
        )
        yield InfoMetricFamily("agestream", "The program.", {"version": __version__})

    def _of_source(self, source: Source) -> dict[str, float]:
        """The figures of a source; without those of its newest frame before the first one, and
        while the source is lost."""
        hub = self._context.hub
        newest, lost = hub.newest.get(source.name), source.name in hub.lost
        figures: dict[str, float] = {
            "frames": newest.number if newest else 0,
            "frames_dropped": source.dropped,
            "reconnects": hub.counts[f"{source.name} back"],
            "source_up": not lost,
        }
        return figures if newest is None or lost else figures | _of_frame(newest)


def _of_frame(newest: Newest) -> dict[str, float]:
    """The figures of a frame; no latency for files."""
    latency = newest.timing.latency_ms
    known = {} if math.isnan(latency) else {"latency_seconds": latency / 1e3}
    return known | {
        "processing_seconds": newest.timing.processing_ms / 1e3,
        "faces": len(newest.faces),
        "people": int((newest.faces.ids >= 1).sum()),
    }


class Health:
    """Whether a run does its work."""

    def __init__(self, context: Context, silent: float = SILENT_SECONDS) -> None:
        """`silent`: seconds for which all live sources may send nothing."""
        self._context, self._silent = context, silent
        self._started = time.monotonic()

    def status(self) -> str:
        """ "ok"; "silent" where no live source sent a frame for a while; "ended" after the run."""
        hub = self._context.hub
        live = [source.name for source in self._context.run.sources if source.live]
        if hub.ended and self._context.run.sources:
            return "ended"
        if not live:
            return "ok"
        arrived = [hub.newest[name].arrived for name in live if name in hub.newest]
        silent = time.monotonic() - max(arrived, default=self._started)
        return "ok" if silent <= self._silent else "silent"

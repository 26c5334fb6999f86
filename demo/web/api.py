"""The run as JSON: sources, people, summary."""

import math
from typing import Any

from aiohttp import web

from demo.records import face_records
from demo.web.context import Context
from demo.web.live import source_record


def routes(context: Context) -> list[web.RouteDef]:
    """The questions that programs and pages ask."""

    async def sources(request: web.Request) -> web.StreamResponse:
        return web.json_response({"sources": [_source(context, s) for s in context.run.sources]})

    async def people(request: web.Request) -> web.StreamResponse:
        return web.json_response(people_record(context))

    async def summary(request: web.Request) -> web.StreamResponse:
        listed = request.query.get("people", "yes") != "no"
        return web.json_response(context.run.summary.record(listed))

    return [
        web.get("/api/sources", sources),
        web.get("/api/people", people),
        web.get("/api/summary", summary),
    ]


def people_record(context: Context) -> dict[str, Any]:
    """The people in view now, as in the log, and those seen so far, as in the summary."""
    in_view = [
        {"source": newest.frame.source, **face}
        for newest in list(context.hub.newest.values())
        for face in face_records(newest.faces)
        if face["id"] >= 1
    ]
    record = context.run.summary.record()
    return {
        "in_view": in_view,
        "people_seen": record["people_seen"],
        "people": record["people"],
    }


def _source(context: Context, source: Any) -> dict[str, Any]:
    """A source and how it is doing."""
    newest = context.hub.newest.get(source.name)
    record = source_record(source) | {"dropped": source.dropped, "frames": 0}
    record["lost"] = source.name in context.hub.lost
    if newest:
        height, width = newest.frame.image.shape[:2]
        latency = newest.timing.latency_ms
        record |= {
            "frames": newest.number,
            "width": width,
            "height": height,
            "time": round(newest.frame.time, 3),
            "processing_ms": round(newest.timing.processing_ms, 2),
            "latency_ms": None if math.isnan(latency) else round(latency, 2),
        }
    return record

"""The history of the run's database: page, JSON and CSV."""

import asyncio
import csv
import io
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from aiohttp import web

from demo.errors import UserError
from demo.history.queries import (
    PERIODS,
    Selection,
    check_source,
    csv_rows,
    filled,
    iso,
    moment,
    overall,
    sources,
    totals,
    visits,
)
from demo.history.schema import open_to_read
from demo.sinks.words import AGE_BAR_YEARS, AGE_BARS
from demo.web.context import Context, page
from models.cells import harmless

NEWEST_VISITS = 100  # in the JSON; the CSV has all
AT_ONCE = 2  # queries
MEMORY = 1 << 22  # bytes of a CSV; a longer one waits in a temporary file
PIECE = 1 << 16  # bytes that are sent at a time
SEND_SECONDS = 30.0  # for a piece; a slower client is given up

Answer = TypeVar("Answer")


def routes(context: Context) -> list[web.RouteDef]:
    """Page, JSON and CSV; all say 404 where the run keeps no history."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        path = _path(context)
        async with turns:
            return await asyncio.to_thread(_ask, path, question)

    async def show(request: web.Request) -> web.StreamResponse:
        _path(context)
        return page("history.html")

    async def record(request: web.Request) -> web.StreamResponse:
        by, chosen = _choice(request, PERIODS)
        cameras = {"cameras": context.run.options.serve_cameras}  # the page links to theirs
        text = await ask(
            lambda database: json.dumps(history_record(database, by, chosen) | cameras)
        )
        return web.Response(text=text, content_type="application/json")

    async def table(request: web.Request) -> web.StreamResponse:
        by, chosen = _choice(request, (*PERIODS, "visit"))
        with await ask(lambda database: _csv(database, by, chosen)) as file:
            return await _send(request, file, f"{'visits' if by == 'visit' else f'by-{by}'}.csv")

    return [
        web.get("/history", show),
        web.get("/api/history", record),
        web.get("/api/history.csv", table),
    ]


def history_record(database: sqlite3.Connection, by: str, chosen: Selection) -> dict[str, Any]:
    """Totals, every period and the newest visits, as JSON has them. Raises UserError."""
    check_source(database, chosen.source)
    now = time.time()
    periods = totals(database, by, chosen)
    return {
        "by": by,
        "now": iso(now),
        "time_zone": datetime.now().astimezone().tzname(),
        "sources": sources(database),
        "ages_from": [AGE_BAR_YEARS * k for k in range(AGE_BARS)],
        "total": overall(periods).record(),
        "periods": [period.record() for period in filled(periods, by, chosen, now)],
        "visits": list(visits(database, chosen, NEWEST_VISITS)),
    }


def _path(context: Context) -> Path:
    path = context.run.options.store
    if path is None:
        raise web.HTTPNotFound(text="no history is kept: start the run with --store FILE")
    return path


def _choice(request: web.Request, allowed: tuple[str, ...]) -> tuple[str, Selection]:
    """Which part of the history a request asks for, and by which periods."""
    query = request.query
    by = query.get("by") or "day"
    if by not in allowed:
        raise web.HTTPBadRequest(text=f"by: expected {', '.join(allowed)}")
    chosen = Selection(query.get("source") or None)
    try:
        if since := query.get("since"):
            chosen = chosen._replace(since=moment(since))
        if until := query.get("until"):
            chosen = chosen._replace(until=moment(until, end=True))
    except UserError as mistake:
        raise web.HTTPBadRequest(text=str(mistake)) from None
    return by, chosen


def _ask(path: Path, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
    try:
        with open_to_read(path) as database:
            try:
                return question(database)
            except UserError as mistake:
                raise web.HTTPBadRequest(text=str(mistake)) from None
            except (ValueError, OverflowError):  # a day before the first or after the last
                raise web.HTTPBadRequest(text="since, until: choose later dates") from None
    except UserError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None


def _csv(database: sqlite3.Connection, by: str, chosen: Selection) -> IO[bytes]:
    """A file with the rows, at its beginning: nobody keeps the database open while it is sent."""
    check_source(database, chosen.source)
    file = tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115 - the caller closes it
    text = io.TextIOWrapper(file, "utf-8", newline="")
    csv.writer(text).writerows(map(harmless, row) for row in csv_rows(database, by, chosen))
    text.flush()
    text.detach()
    file.seek(0)
    return file


async def _send(request: web.Request, file: IO[bytes], name: str) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    await response.prepare(request)
    while piece := file.read(PIECE):
        await asyncio.wait_for(response.write(piece), SEND_SECONDS)
    await response.write_eof()
    return response

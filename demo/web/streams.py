"""Endless answers: the picture with its overlay as MJPEG, and records and events as they come."""

import asyncio
import json

from aiohttp import web

from demo.web.context import Context
from demo.web.hub import Listener, Newest
from demo.web.pictures import WIDTHS, width_for

MAX_STREAMS = 16  # of each kind
STALL_SECONDS = 10.0  # to send a picture or record: the reader is gone
KEEP_SECONDS = 15.0  # between two signs of life
BOUNDARY = "frame"
REPEAT_SECONDS = 1.0  # after which the last picture is sent again: players give up on silence


def routes(context: Context) -> list[web.RouteDef]:
    """The streams of a run."""
    streams = Streams(context)
    return [
        web.get("/stream.mjpg", streams.mjpeg, allow_head=False),
        web.get("/api/events", streams.events, allow_head=False),
    ]


class Streams:
    """The open streams."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pictures = self._events = 0  # open streams

    async def mjpeg(self, request: web.Request) -> web.StreamResponse:
        """The pictures of a source, with boxes and labels, for players and home automation.

        `source`: its name, the first one if left out; `width`: pixels, of the picture or less.
        """
        source, width = _source(request, self._context), _width(request)
        if self._pictures >= MAX_STREAMS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_STREAMS} streams are open already")
        response = _endless(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        await response.prepare(request)
        self._pictures += 1
        try:
            await self._send_pictures(response, source, width)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._pictures -= 1
        return response

    async def _send_pictures(self, response: web.StreamResponse, source: str, width: int) -> None:
        hub, number = self._context.hub, 0
        with hub.watching() as due:
            while True:
                try:
                    async with asyncio.timeout(REPEAT_SECONDS):
                        await due.wait()
                except TimeoutError:
                    number = 0
                due.clear()
                newest = hub.newest.get(source)
                if newest and newest.number > number:
                    number = newest.number
                    async with asyncio.timeout(STALL_SECONDS):
                        await self._send_picture(response, newest, width)

    async def _send_picture(self, response: web.StreamResponse, newest: Newest, width: int) -> None:
        jpeg = await self._context.pictures.jpeg(newest, width, overlay=True)
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        await response.write(head.encode() + jpeg + b"\r\n")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: "frame" with a line of the log, "lost", "back", "failed", "warning"
        and "info" of the run, and "dropped" where the reader is too slow."""
        if self._events >= MAX_STREAMS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_STREAMS} listeners are there already")
        response = _endless("text/event-stream")
        await response.prepare(request)
        self._events += 1
        try:
            with self._context.hub.listening() as listener:
                await response.write(b": the records of the run\n\n")
                while True:
                    text = await _next_events(listener)
                    async with asyncio.timeout(STALL_SECONDS):
                        await response.write(text.encode())
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._events -= 1
        return response


async def _next_events(listener: Listener) -> str:
    """The next events as text; a comment where none come, so that the connection stays."""
    try:
        async with asyncio.timeout(KEEP_SECONDS):
            messages = await listener.take()
    except TimeoutError:
        return ": nothing new\n\n"
    return "".join(f"event: {kind}\ndata: {json.dumps(each)}\n\n" for kind, each in messages)


def _endless(kind: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-store"})
    response.force_close()
    return response


def _source(request: web.Request, context: Context) -> str:
    names = [source.name for source in context.run.sources]
    chosen = request.query.get("source", names[0] if names else "")
    if chosen not in names:
        raise web.HTTPNotFound(text="there is no such source: see /api/sources")
    return chosen


def _width(request: web.Request) -> int:
    given = request.query.get("width", str(WIDTHS[-1]))
    if not given.isascii() or not given.isdigit() or len(given) > 9 or not int(given):
        raise web.HTTPBadRequest(text="width: give a number of pixels")
    return width_for(int(given), len(WIDTHS) - 1)

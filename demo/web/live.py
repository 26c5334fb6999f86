"""The WebSocket of the live page: the newest picture of every source, one at a time."""

import asyncio
import json
import struct
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from demo import __version__
from demo.display.overlay import id_colour
from demo.frames import Faces
from demo.records import frame_record
from demo.sources.base import Source, title_of
from demo.web.context import SOCKETS, Context, page
from demo.web.hub import Newest, event_record
from demo.web.pictures import WIDTHS, width_for

MAX_VIEWERS = 32
MAX_MESSAGE = 4096  # bytes, of a page
MAX_MESSAGES = 400  # of a page, per second
STATUS_SECONDS = 1.0
STALL_SECONDS = 10.0  # without an acknowledgement, or to send: the viewer is gone
CLOSE_SECONDS = 1.0  # for the page to answer
PING_SECONDS = 15.0
SLOW_SECONDS = 0.2  # from sending a picture to its acknowledgement: smaller ones are sent
QUICK_SECONDS = 0.08  # as long as they take no longer, larger ones are tried
QUICK_COUNT = 15  # of them, one after the other
LENGTH = struct.Struct("<I")


def routes(context: Context) -> list[web.RouteDef]:
    """The live page and its WebSocket."""
    live = LivePages(context)

    async def index(request: web.Request) -> web.StreamResponse:
        if not context.run.sources:
            raise web.HTTPSeeOther("/camera")
        return page("index.html")

    return [web.get("/", index), web.get("/api/live", live.serve)]


class LivePages:
    """All live pages that are open."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one page until it leaves."""
        if self._open >= MAX_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_VIEWERS} pages are open already")
        socket = web.WebSocketResponse(
            heartbeat=PING_SECONDS, max_msg_size=MAX_MESSAGE, compress=False
        )
        await socket.prepare(request)
        self._open += 1
        request.app[SOCKETS].add(socket)
        try:
            await Viewer(self._context, socket).run()
        finally:
            self._open -= 1
            request.app[SOCKETS].discard(socket)
        return socket


class Viewer:
    """One open page. A source's next picture is sent when the page has drawn the last one."""

    def __init__(self, context: Context, socket: web.WebSocketResponse) -> None:
        self._context, self._hub, self._socket = context, context.hub, socket
        self._widths: dict[str, int] = {}  # device pixels by source; 0: not wanted
        self._sent: dict[str, int] = defaultdict(int)  # number of the last picture, by source
        self._waiting: dict[str, float] = {}  # since when, for the acknowledgement of a source
        self._limit = len(WIDTHS) - 1  # place of the largest width for this link
        self._quick = 0  # acknowledgements one after the other
        self._last_event = max((number for number, _ in list(self._hub.events)), default=0)

    async def run(self) -> None:
        """Send and receive until the page leaves or stalls."""
        with self._hub.watching() as due:
            await self._send_text(self._hello())
            tasks = [
                asyncio.create_task(work)
                for work in (self._send_news(due), self._send_status(), self._receive(due))
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
                        await task
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._socket.close()

    async def _receive(self, due: asyncio.Event) -> None:
        """Obey the page's messages; return when it leaves or sends nonsense."""
        start, count = time.monotonic(), 0
        async for message in self._socket:
            now, count = time.monotonic(), count + 1
            if now - start > 1:
                start, count = now, 0
            if message.type != WSMsgType.TEXT or count > MAX_MESSAGES:
                return
            try:
                self._obey(json.loads(message.data))
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                await self._socket.close(code=1003, message=b"not a message of this page")
                return
            due.set()

    def _obey(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ack":
                self._acknowledge(str(message["source"]), int(message["number"]))
            case "view":
                widths = {str(name): int(width) for name, width in message["widths"].items()}
                known = {source.name for source in self._context.run.sources}
                self._widths = {name: widths[name] for name in known & widths.keys()}
            case "record":
                if self._context.run.recording:
                    self._context.run.recording.on = bool(message["on"])
            case other:
                raise ValueError(other)

    def _acknowledge(self, source: str, number: int) -> None:
        """The page has drawn a picture; the time it took decides how large the next ones are."""
        if source not in self._waiting or number != self._sent[source]:
            return
        seconds = time.monotonic() - self._waiting.pop(source)
        self._quick = self._quick + 1 if seconds < QUICK_SECONDS else 0
        if seconds > SLOW_SECONDS:
            self._limit = max(self._limit - 1, 0)
        elif self._quick >= QUICK_COUNT:
            self._limit, self._quick = min(self._limit + 1, len(WIDTHS) - 1), 0

    async def _send_news(self, due: asyncio.Event) -> None:
        """Send events and new pictures as they come."""
        while not self._socket.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_SECONDS):
                    await due.wait()
            due.clear()
            if any(time.monotonic() - sent > STALL_SECONDS for sent in self._waiting.values()):
                return
            for number, event in list(self._hub.events):
                if number > self._last_event:
                    self._last_event = number
                    await self._send_text({"type": "event", **event_record(event)})
            for source, newest in list(self._hub.newest.items()):
                await self._send_picture(source, newest)

    async def _send_picture(self, source: str, newest: Newest) -> None:
        """Send a picture, if it is wanted now."""
        wanted = self._widths.get(source, 0)
        if not wanted or source in self._waiting or newest.number <= self._sent[source]:
            return
        self._sent[source] = newest.number
        jpeg = await self._context.pictures.jpeg(newest, width_for(wanted, self._limit))
        self._waiting[source] = time.monotonic()
        data = json.dumps(header(newest), separators=(",", ":")).encode()
        async with asyncio.timeout(STALL_SECONDS):
            await self._socket.send_bytes(LENGTH.pack(len(data)) + data + jpeg)

    async def _send_status(self) -> None:
        while not self._socket.closed:
            await self._send_text({"type": "status", **status(self._context)})
            await asyncio.sleep(STATUS_SECONDS)

    async def _send_text(self, message: dict[str, Any]) -> None:
        text = json.dumps(message, separators=(",", ":"))
        async with asyncio.timeout(STALL_SECONDS):
            await self._socket.send_str(text)

    def _hello(self) -> dict[str, Any]:
        run = self._context.run
        return {
            "type": "hello",
            "version": __version__,
            "sources": [source_record(source) for source in run.sources],
            "anonymize": run.options.anonymize,
            "recording": recording_record(self._context),
            "history": run.options.store is not None,
            "cameras": run.options.serve_cameras,
            "lost": sorted(self._hub.lost),
            "ended": self._hub.ended,
        }


def header(newest: Newest) -> dict[str, Any]:
    """What goes before a picture."""
    frame, age = newest.frame, time.monotonic() - newest.frame.captured
    height, width = frame.image.shape[:2]
    return {
        **frame_record(frame, newest.faces),
        "number": newest.number,
        "width": width,
        "height": height,
        "age_ms": round(age * 1e3, 1) if age == age else None,  # nan for files
        "sent_ms": _now_ms(),
        "colours": colours(newest.faces),
    }


def colours(faces: Faces) -> dict[str, str]:
    """The colours of the ids in the overlay, as in CSS."""
    return {str(track): _css(id_colour(track)) for track in faces.ids.tolist() if track >= 1}


def source_record(source: Source) -> dict[str, Any]:
    """A source as plain values."""
    name, title = source.name, title_of(source.name)
    return {"name": name, "title": title, "live": source.live, "fps": source.fps}


def recording_record(context: Context) -> dict[str, Any] | None:
    """The recording that viewers may stop and start."""
    recording = context.run.recording
    return {"file": recording.path.name, "on": recording.on} if recording else None


def status(context: Context) -> dict[str, Any]:
    """How the run is going."""
    hub, run = context.hub, context.run
    newest = list(hub.newest.values())
    latencies = {n.frame.source: n.timing.latency_ms for n in newest}
    in_view = {(n.frame.source, t) for n in newest for t in n.faces.ids.tolist() if t >= 1}
    return {
        "fps": round(hub.fps, 1),
        "latency_ms": {k: round(v, 1) for k, v in latencies.items() if v == v},
        "dropped": sum(source.dropped for source in run.sources),
        "viewers": hub.viewers,
        "recording": recording_record(context),
        "people": [
            {"source": source, "id": track, "seconds": round(seconds, 1)}
            for (source, track), seconds in run.summary.seconds(sorted(in_view)).items()
        ],
        "ended": hub.ended,
        "sent_ms": _now_ms(),
    }


def _now_ms() -> float:
    """When a message is sent, by the server's clock: the page sees how long it was on its way."""
    return round(time.monotonic() * 1e3, 1)


def _css(bgr: tuple[int, int, int]) -> str:
    return "#{2:02x}{1:02x}{0:02x}".format(*bgr)

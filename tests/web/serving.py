"""A real server on a free port of loopback, whose frames the tests write."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np

from demo.frames import Faces, Frame, Timing
from demo.options import Options
from demo.sinks.summary import Summary
from demo.web.addresses import Address
from demo.web.context import Context, RunView
from demo.web.hub import Hub
from demo.web.live import LENGTH
from demo.web.pictures import Pictures
from demo.web.server import Listening, WebServer

HOUR = 3600.0


@dataclass
class Served:
    """A server and what its run writes."""

    server: WebServer
    hub: Hub
    summary: Summary
    view: RunView

    @property
    def port(self) -> int:
        return int(self.server.url.rsplit(":", 1)[1].strip("/"))

    def write(self, index: int = 0, count: int = 1, source: str = "cam", size=(120, 160)) -> None:
        """Write a frame with so many faces."""
        image = np.full((*size, 3), 40 + index % 100, np.uint8)
        frame = Frame(image, index, index / 25, source)
        faces = some_faces(count)
        timing = Timing(5.0, 20.0)
        self.summary.write(frame, faces, timing)
        self.hub.write(frame, faces, timing)

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET"):
        """Status, headers and body of an answer; without other headers than Host and these."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, response.headers, body

    def json(self, path: str) -> Any:
        status, _, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def talk(self, talk: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[Any]]) -> Any:
        """Open the live socket and talk."""

        async def session() -> Any:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"{self.server.url}api/live", max_msg_size=0) as socket,
            ):
                return await asyncio.wait_for(talk(socket), 20)

        return asyncio.run(session())


def some_faces(count: int) -> Faces:
    left = 10.0 * np.arange(count)
    boxes = np.stack([left, left, left + 30, left + 40], axis=1).astype(np.float32)
    faces = Faces.detected(boxes, np.full(count, 0.99, np.float32), np.zeros((count, 5, 2)))
    ages = np.full(count, 34, np.float32)
    return replace(
        faces,
        ids=np.arange(1, count + 1),
        ages=ages,
        male_probs=np.full(count, 0.1, np.float32),
        age_low=ages - 9,
        age_high=ages + 9,
    )


@contextmanager
def served(
    options: Options | None = None,
    token: str | None = None,
    names: tuple[str, ...] = ("cam",),
    tls: ssl.SSLContext | None = None,
    further: tuple[str, ...] = (),
) -> Iterator[Served]:
    """A server of sources with these names."""
    hub = Hub()
    sources = [
        SimpleNamespace(name=name, live=True, photos=False, fps=25.0, dropped=0, path=None)
        for name in names
    ]
    summary = Summary(None, "test", False, lambda: 0)
    view = RunView(options or Options(), summary, sources)

    def no_pipeline(photos: bool) -> Any:
        raise AssertionError("this test has no pipelines")

    context = Context(hub, Pictures(), view, no_pipeline)
    server = WebServer(context, Listening(Address("127.0.0.1", 0), token, further, tls))
    try:
        yield Served(server, hub, summary, view)
    finally:
        server.close()


async def message_of(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message of a type; "picture" has its JPEG under that name."""
    while True:
        message = await socket.receive(timeout=10)
        if message.type == aiohttp.WSMsgType.BINARY:
            (length,) = LENGTH.unpack_from(message.data)
            header = json.loads(message.data[4 : 4 + length])
            if kind == "picture":
                return header | {"picture": message.data[4 + length :]}
        elif message.type == aiohttp.WSMsgType.TEXT:
            content = json.loads(message.data)
            if content["type"] == kind:
                return content
        else:
            raise ConnectionError(f"{message.type} {message.data} {message.extra}")

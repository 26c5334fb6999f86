"""A server for cameras and photos, in a thread, and clients that speak to it."""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import cv2
import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from demo.faces.photo import PhotoPipeline
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.networks import load_networks
from demo.options import Options
from demo.session import FramePipeline
from demo.sinks.summary import Summary
from demo.web.addresses import Address
from demo.web.context import Context, RunView
from demo.web.hub import Hub
from demo.web.pictures import Pictures
from demo.web.server import Listening, WebServer

OPTIONS = Options(serve_cameras=True)
networks = cache(lambda photos: load_networks(OPTIONS, photos))


def pipeline(photos: bool, anonymize: str | None = None) -> FramePipeline:
    """As the run makes it."""
    if photos:
        return PhotoPipeline(*networks(True), anonymize)
    return Pipeline(*networks(False), settings=Settings(anonymize=anonymize))


@contextmanager
def serving(
    options: Options = OPTIONS,
    make: Callable[[bool], FramePipeline] | None = None,
    port: int = 0,
    names: tuple[str, ...] = (),
) -> Iterator[str]:
    """The address of a server without a source, ending in a slash."""
    make = make or (lambda photos: pipeline(photos, options.anonymize))
    view = RunView(options, Summary(None, "", False, lambda: 0))
    context = Context(Hub(), Pictures(), view, make)
    server = WebServer(context, Listening(Address("127.0.0.1", port), names=names))
    try:
        yield server.url
    finally:
        server.close()


def jpeg(image: np.ndarray) -> bytes:
    """An image as a browser sends it."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def decoded(content: bytes) -> np.ndarray:
    """The image of a JPEG or PNG."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


class Browser:
    """One camera's WebSocket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.number = 0

    @classmethod
    async def open(cls, session: ClientSession, url: str) -> "Browser":
        browser = cls(await session.ws_connect(f"{url}api/camera", max_msg_size=0))
        return browser

    async def hello(self) -> dict[str, Any]:
        return dict(json.loads((await self.socket.receive(timeout=20)).data))

    async def send(self, content: bytes) -> None:
        self.number += 1
        await self.socket.send_bytes(struct.pack("<I", self.number) + content)

    async def send_all(self, contents: list[bytes]) -> None:
        for content in contents:
            await self.send(content)

    async def answer(self) -> tuple[dict[str, Any], bytes]:
        """The header of the next answer, and its JPEG if it has one."""
        message = await self.socket.receive(timeout=20)
        if message.type is WSMsgType.TEXT:
            return json.loads(message.data), b""
        assert message.type is WSMsgType.BINARY, message
        (length,) = struct.unpack_from("<I", message.data)
        return json.loads(message.data[4 : 4 + length]), message.data[4 + length :]

    async def ask(self, content: bytes) -> dict[str, Any]:
        await self.send(content)
        return (await self.answer())[0]

    async def end(self) -> tuple[int | None, str]:
        """The code and the words with which the server closes."""
        message = await self.socket.receive(timeout=20)
        assert message.type is WSMsgType.CLOSE, message
        return message.data, message.extra or ""

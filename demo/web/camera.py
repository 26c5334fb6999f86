"""`/camera`: browsers send pictures of their own cameras and get the faces in them."""

import asyncio
import json
import os
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from aiohttp import WSCloseCode, WSMsgType, web

from demo import __version__
from demo.errors import UserError
from demo.frames import Frame
from demo.records import face_records
from demo.sources.photo.files import Limits, decode_photo
from demo.web.context import SOCKETS, Context, page
from demo.web.live import LENGTH, colours
from demo.web.pictures import jpeg_bytes
from models.errors import AgeStreamError

MAX_CAMERAS = 8  # at once
MAX_MESSAGE = 4_000_000  # bytes
LIMITS = Limits(MAX_MESSAGE, 2_000_000, ("JPEG",))
MAX_RATE = 30  # pictures per second of a camera
IDLE_SECONDS = 30  # without a picture, after which a camera is closed
CLOSE_SECONDS = 2  # that a browser has to confirm the end
THREADS = min(4, os.cpu_count() or 1)  # for the pictures of all cameras
NUMBER = struct.Struct("<I")  # of a picture, before its JPEG
MAX_REASON = 123  # bytes, of a WebSocket's close frame
SOURCE = "camera"


def routes(context: Context) -> list[web.RouteDef]:
    """The page and its WebSocket, where they are asked for."""

    async def camera(request: web.Request) -> web.StreamResponse:
        return page("camera.html")

    if not context.run.options.serve_cameras:
        return []
    return [web.get("/camera", camera), web.get("/api/camera", Cameras(context).serve)]


class ClosedError(Exception):
    """The end of a camera's connection, with its code and a line for the user."""

    def __init__(self, code: WSCloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Cameras:
    """The cameras of all browsers: each has a pipeline of its own, all share the networks."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._threads = ThreadPoolExecutor(THREADS, "camera")
        self._count = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Answer the pictures of a browser until it leaves. Nothing of them is kept."""
        socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS, max_msg_size=MAX_MESSAGE, compress=False
        )
        await socket.prepare(request)
        request.app[SOCKETS].add(socket)
        try:
            with self._counted():
                await self._answer(socket)
        except ClosedError as closed:
            await socket.close(code=closed.code, message=_reason(closed))
        except ConnectionError:
            pass  # the browser has left
        finally:
            request.app[SOCKETS].discard(socket)
        return socket

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._count == MAX_CAMERAS:  # a browser shows words of an open connection alone
            text = f"{MAX_CAMERAS} cameras are in use, which is the most: try again later"
            raise ClosedError(WSCloseCode.TRY_AGAIN_LATER, text)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def _answer(self, socket: web.WebSocketResponse) -> None:
        run = asyncio.get_running_loop().run_in_executor
        options = self._context.run.options
        try:
            camera = await run(self._threads, Camera, self._context)
        except AgeStreamError as error:
            raise ClosedError(WSCloseCode.INTERNAL_ERROR, str(error)) from None
        await socket.send_json(
            {
                "type": "hello",
                "version": __version__,
                "anonymize": options.anonymize,
                "history": options.store is not None,
            }
        )
        due = 0.0
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    picture = await _receive(socket)
                    if picture is None:
                        return
                    await asyncio.sleep(due - time.monotonic())
                    due = time.monotonic() + 1 / MAX_RATE
                    header, jpeg = await run(self._threads, camera.answer, picture)
                    await _send(socket, header, jpeg)
            except TimeoutError:
                text = f"no picture came for {IDLE_SECONDS} s"
                raise ClosedError(WSCloseCode.POLICY_VIOLATION, text) from None
            except UserError as error:
                raise ClosedError(WSCloseCode.INVALID_TEXT, str(error)) from None


class Camera:
    """The camera of one browser. Its times are those of the server, since the connection began."""

    def __init__(self, context: Context) -> None:
        """Load the networks if they are not. Raises UserError or ModelError."""
        self._pipeline = context.pipeline(False)
        self._anonymize = context.run.options.anonymize is not None
        self._start = time.monotonic()
        self._frames = 0

    def answer(self, message: bytes) -> tuple[str, bytes]:
        """The header for a picture as JSON, and where heads are covered the picture as JPEG.
        `message`: its number and its JPEG. Raises UserError for anything else."""
        start = time.monotonic()
        image = decode_photo(message[NUMBER.size :], "the picture", LIMITS)
        frame = Frame(image, self._frames, round(start - self._start, 4), SOURCE, start)
        analysis = self._pipeline.process(frame)
        self._frames += 1
        header = {
            "type": "faces",
            "number": NUMBER.unpack_from(message)[0],
            "time": frame.time,
            "width": image.shape[1],
            "height": image.shape[0],
            "faces": face_records(analysis.faces),
            "colours": colours(analysis.faces),
            "processing_ms": round((time.monotonic() - start) * 1e3, 1),
        }
        jpeg = jpeg_bytes(analysis.frame.image) if self._anonymize else b""
        return json.dumps(header), jpeg


async def _receive(socket: web.WebSocketResponse) -> bytes | None:
    """The next picture with its number; None where the browser has left."""
    message = await socket.receive()
    if message.type is WSMsgType.TEXT:
        raise ClosedError(WSCloseCode.UNSUPPORTED_DATA, "text came in place of a picture")
    if message.type is not WSMsgType.BINARY:
        return None
    if len(message.data) <= NUMBER.size:
        raise ClosedError(WSCloseCode.INVALID_TEXT, "a picture is empty")
    return bytes(message.data)


async def _send(socket: web.WebSocketResponse, header: str, jpeg: bytes) -> None:
    """Send an answer: as text, or with a picture as the length of the header, header and JPEG."""
    if jpeg:
        content = header.encode()
        await socket.send_bytes(LENGTH.pack(len(content)) + content + jpeg)
    else:
        await socket.send_str(header)


def _reason(closed: ClosedError) -> bytes:
    """The line of an end, as much of it as a close frame holds."""
    return str(closed).encode()[:MAX_REASON].decode(errors="ignore").encode()

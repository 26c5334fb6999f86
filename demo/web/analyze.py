"""`POST /api/analyze`: the faces of photos that a client uploads."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import PureWindowsPath
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from demo.errors import UserError
from demo.frames import Frame
from demo.records import face_records
from demo.session import FramePipeline
from demo.sources.photo.files import Limits, decode_photo
from demo.web.context import Context
from demo.web.live import colours
from models.errors import AgeStreamError
from models.printable import printable

MAX_BODY = 20_000_000  # bytes
TOO_MANY_BYTES = f"the request has more than {MAX_BODY // 1_000_000} MB: make photos smaller"
MAX_PHOTOS = 20  # in a request
LIMITS = Limits(MAX_BODY, 40_000_000, ("JPEG", "PNG", "WEBP"))
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp")
MAX_REQUESTS = 4  # that are received, wait or are analysed; each holds MAX_BODY bytes
BODY_SECONDS = 60  # in which a request has to arrive
RETRY_SECONDS = 5  # after which a client that was turned away may try again
NAME_LENGTH = 200  # characters of a photo's name
CHUNK = 65_536  # bytes read at a time


class Upload(NamedTuple):
    """A photo as it was received."""

    source: str  # its name, without a path
    content: bytes


def routes(context: Context) -> list[web.RouteDef]:
    """The route of the analysis."""
    return [web.post("/api/analyze", Analyzer(context).handle)]


class Analyzer:
    """Analyses the photos of all clients, one at a time, in a thread of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._thread = ThreadPoolExecutor(1, "photos")
        self._requests = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with the faces of each photo, and an error for each one that cannot be read; with
        an error alone if none can."""
        if self._requests >= MAX_REQUESTS:
            later = {"Retry-After": str(RETRY_SECONDS)}
            text = f"{MAX_REQUESTS} requests are being served: try again in {RETRY_SECONDS} s"
            raise web.HTTPServiceUnavailable(text=text, headers=later)
        self._requests += 1
        try:
            async with asyncio.timeout(BODY_SECONDS):
                uploads = await read_uploads(request)
            return await self._answer(uploads)
        except TimeoutError:
            text = f"the photos took more than {BODY_SECONDS} s to arrive: send fewer at a time"
            raise web.HTTPRequestTimeout(text=text) from None
        except AgeStreamError as error:
            raise web.HTTPInternalServerError(text=str(error)) from None
        finally:
            self._requests -= 1

    async def _answer(self, uploads: list[Upload]) -> web.Response:
        run = asyncio.get_running_loop().run_in_executor
        photos = [await run(self._thread, self._analysed, upload) for upload in uploads]
        if all("error" in photo for photo in photos):
            return web.json_response({"error": photos[0]["error"], "photos": photos}, status=422)
        return web.json_response({"photos": photos})

    def _analysed(self, upload: Upload) -> dict[str, Any]:
        """The record of a photo. Runs in the thread."""
        try:
            image = decode_photo(upload.content, upload.source, LIMITS)
        except UserError as error:
            return {"source": upload.source, "error": str(error)}
        faces = self._pipeline.process(Frame(image, 0, 0.0, upload.source)).faces
        return {
            "source": upload.source,
            "width": image.shape[1],
            "height": image.shape[0],
            "faces": face_records(faces),
            "colours": colours(faces),
        }

    @cached_property
    def _pipeline(self) -> FramePipeline:
        """Made for the first photo."""
        return self._context.pipeline(True)


async def read_uploads(request: web.Request) -> list[Upload]:
    """The photos of a request: files of a form, or its body. Raises web.HTTPException."""
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    try:
        if request.content_type == "multipart/form-data":
            return await _files(request)
        if request.content_type in PHOTO_TYPES:
            return [Upload("photo", await _joined(request.content.iter_chunked(CHUNK), MAX_BODY))]
    except (ValueError, AssertionError, ClientPayloadError, HttpProcessingError) as error:
        reason = printable(str(error).partition("\n")[0])[:NAME_LENGTH]
        raise web.HTTPBadRequest(text=f"the body is damaged: {reason or 'it ends early'}") from None
    raise web.HTTPUnsupportedMediaType(
        text=f"the body is of type {printable(request.content_type)[:NAME_LENGTH]}: send photos as "
        f"multipart/form-data, or one as {', '.join(PHOTO_TYPES)}",
    )


async def _files(request: web.Request) -> list[Upload]:
    uploads: list[Upload] = []
    left = MAX_BODY
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.filename is None:
            raise web.HTTPBadRequest(text="a part of the form is no file: send files alone")
        if len(uploads) == MAX_PHOTOS:
            raise _too_large(f"more than {MAX_PHOTOS} photos: send fewer at a time")
        content = await _joined(_chunks(part), left)
        left -= len(content)
        uploads.append(Upload(file_name(part.filename, len(uploads) + 1), content))
    if not uploads:
        raise web.HTTPBadRequest(text="the form holds no file: send at least one photo")
    return uploads


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


async def _joined(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """The chunks as one. Raises web.HTTPException as soon as there are more than `limit`
    bytes."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise _too_large()
    return bytes(content)


def _too_large(text: str = TOO_MANY_BYTES) -> web.HTTPException:
    return web.HTTPRequestEntityTooLarge(MAX_BODY, MAX_BODY + 1, text=text)


def file_name(given: str, number: int) -> str:
    """The name of an uploaded file without its path, on one line; "photo 2" where it has none."""
    name = printable(PureWindowsPath(given).name)[:NAME_LENGTH]  # both kinds of slashes
    return name.strip() or f"photo {number}"

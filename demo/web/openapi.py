"""The description of the API: OpenAPI 3.1 for programs, and a page for people."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from demo import __version__
from demo.web.analyze import PHOTO_TYPES
from demo.web.calls import CALLS, CAMERAS, JSON, SCHEMAS, STORE, Call
from demo.web.context import Context, page

VERSION = "3.1.0"  # of OpenAPI
TOKEN, COOKIE = "token", "cookie"  # names of the ways to show a token
ERRORS = {  # of every call
    401: "no token, where the server has one",
    403: "asked by the page of another site",
    421: "asked by a name that is not the server's",
}


def routes(context: Context) -> list[web.RouteDef]:
    """The description of the calls that this run answers, and its page."""
    options = context.run.options
    given = {"": True, CAMERAS: options.serve_cameras, STORE: options.store is not None}
    description = document([call for call in CALLS if given[call.needs]])

    async def api(request: web.Request) -> web.StreamResponse:
        return page("api.html")

    async def openapi(request: web.Request) -> web.StreamResponse:
        return web.json_response(description)

    return [web.get("/api", api), web.get("/api/openapi.json", openapi)]


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """The description of the calls."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": VERSION,
        "info": {
            "title": "AgeStream",
            "version": __version__,
            "description": "Age and gender of every face in cameras and videos, as they come.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {TOKEN: []}, {COOKIE: []}],
        "tags": [{"name": kind} for kind in dict.fromkeys(call.kind for call in calls)],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                TOKEN: {"type": "http", "scheme": "bearer"},
                COOKIE: {"type": "apiKey", "in": "cookie", "name": "agestream-PORT"},
            },
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    """A call as OpenAPI has it."""
    operation: dict[str, Any] = {
        "operationId": f"{call.method} {call.path}",
        "summary": call.summary,
        "tags": [call.kind],
        "responses": _answers(call),
    }
    if call.text:
        operation["description"] = call.text
    if call.parameters:
        operation["parameters"] = [
            {"name": p.name, "in": "query", "description": p.text, "schema": p.schema}
            for p in call.parameters
        ]
    if call.photos:
        operation["requestBody"] = {"required": True, "content": _photo_bodies()}
    if call.open:
        operation["security"] = []
    if call.endless or call.socket:  # for the page: it does not try these
        operation["x-endless"] = True
    return operation


def _answers(call: Call) -> dict[str, Any]:
    """The answers by status code."""
    if call.socket:
        good: dict[str, Any] = {"101": {"description": "the connection becomes a WebSocket"}}
    else:
        kind, answer = call.answer
        good = {"200": {"description": call.summary, "content": {kind: {"schema": answer}}}}
    general = {status: text for status, text in ERRORS.items() if status != 401 or not call.open}
    schema = call.answer[1] if call.open else {"$ref": "#/components/schemas/Error"}
    bad = {
        str(status): {"description": text, "content": {JSON: {"schema": schema}}}
        for status, text in sorted({**general, **dict(call.errors)}.items())
    }
    return good | bad


def _photo_bodies() -> dict[str, Any]:
    """Photos as a form, or one as it is."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"photo": files}}}
    return {"multipart/form-data": form} | {kind: {} for kind in PHOTO_TYPES}

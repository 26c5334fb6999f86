"""The description of the API against the server."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo.events import Event
from demo.options import Options
from demo.sinks.summary import Summary
from demo.web.calls import CALLS, CAMERAS, SCHEMAS, STORE
from demo.web.context import STATIC, Context, RunView
from demo.web.hub import Hub
from demo.web.openapi import document
from demo.web.pictures import Pictures
from demo.web.security import OPEN_PATHS, PAGES, Access
from demo.web.server import application
from tests.web.serving import served

ALL = document(CALLS)


def answered(options: Options) -> set[tuple[str, str]]:
    """The methods and paths of a server, without static files."""

    async def made() -> web.Application:
        def unused(photos: bool) -> Any:
            raise NotImplementedError

        summary = Summary(None, "test", False, lambda: 0)
        context = Context(Hub(), Pictures(), RunView(options, summary), unused)
        return application(context, Access(frozenset(), frozenset(), "http"))

    router = asyncio.run(made()).router
    return {
        (route.method.lower(), route.resource.canonical)
        for route in router.routes()
        if route.method != "HEAD" and not isinstance(route.resource, web.StaticResource)
    }


def described(description: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, path) for path, calls in description["paths"].items() for method in calls}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether an object has the properties of a schema: all required ones and no unknown one."""
    properties = schema["properties"].keys()
    return set(schema["required"]) <= value.keys() <= properties


def test_the_description_names_all_calls_of_the_server_and_no_other() -> None:
    options = Options(serve_cameras=True, store=Path("visits.db"))
    assert described(ALL) == answered(options)


def test_a_run_describes_the_calls_that_it_answers() -> None:
    with served() as run:
        plain = described(run.json("/api/openapi.json"))
    optional = {(c.method, c.path) for c in CALLS if c.needs in (CAMERAS, STORE)}
    assert plain == described(ALL) - optional
    assert {path for _, path in optional} >= {"/camera", "/history", "/api/history"}
    assert ("get", "/api/sources") in plain


def test_the_calls_are_grouped_and_told_apart() -> None:
    assert len({(call.method, call.path) for call in CALLS}) == len(CALLS)
    assert {call.path for call in CALLS if call.kind == "pages"} == set(PAGES)
    assert [call.path for call in CALLS if call.open] == list(OPEN_PATHS)
    assert [tag["name"] for tag in ALL["tags"]] == ["questions", "streams", "pages"]


def test_every_reference_leads_to_a_schema() -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(ALL)))
    assert names == SCHEMAS.keys()


def test_every_call_says_what_it_answers_and_which_errors_it_has() -> None:
    for path, calls in ALL["paths"].items():
        for call in calls.values():
            statuses = list(call["responses"])
            assert statuses == sorted(statuses)
            assert statuses[0] in ("101", "200")
            assert ("401" in statuses) == (path not in OPEN_PATHS)
            assert {"403", "421"} <= set(statuses)


def test_the_answers_are_as_described() -> None:
    with served() as run:
        assert fits(run.json("/api/sources")["sources"][0], SCHEMAS["Source"])
        run.write(count=2)
        source, people = run.json("/api/sources")["sources"][0], run.json("/api/people")
        assert fits(source, SCHEMAS["Source"])
        assert source.keys() == SCHEMAS["Source"]["properties"].keys()
        assert fits(people, SCHEMAS["People"])
        assert len(people["in_view"]) == 2
        for face in people["in_view"]:
            assert face.keys() == SCHEMAS["Face"]["properties"].keys() | {"source"}
        assert fits(run.json("/healthz"), SCHEMAS["Health"])
        status, _, body = run.get("/api/nothing")
        assert status == 404
        assert fits(json.loads(body), SCHEMAS["Error"])


def test_the_events_are_as_described() -> None:
    with served() as run:

        async def first_two() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            async with (
                aiohttp.ClientSession() as client,
                client.get(f"{run.server.url}api/events") as answer,
            ):
                await answer.content.readline()
                run.write(count=1)
                run.hub.notify(Event("warning", "a line", "cam"))
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        found.append(json.loads(line[6:]))
                    if len(found) == 2:
                        return found
            return found

        frame, event = asyncio.run(asyncio.wait_for(first_two(), 10))
    assert fits(frame, SCHEMAS["Frame"])
    assert fits(frame["faces"][0], SCHEMAS["Face"])
    assert fits(event, SCHEMAS["Event"])


@pytest.mark.parametrize("name", ["api.html", "api.js", "api.css"])
def test_the_page_loads_nothing_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")
    assert not re.search(r"(?:src|href|url|fetch|import)\W{1,3}(?:https?:)?//", text)
    if name.endswith(".html"):  # what the Content-Security-Policy would refuse
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", text)

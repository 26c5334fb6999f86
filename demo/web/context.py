"""What the handlers of the server have in common."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from demo.options import Options
from demo.sinks.summary import Summary
from demo.sinks.switch import SwitchedRecorder
from demo.sources.base import Source
from demo.timing import Stopwatch
from demo.web.hub import Hub
from demo.web.pictures import Pictures

if TYPE_CHECKING:
    from demo.session import FramePipeline

STATIC = Path(__file__).parent / "static"
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])  # open ones, closed at the end
ASKED = web.AppKey("asked", set[asyncio.Protocol])  # connections that sent a request


@dataclass(frozen=True)
class RunView:
    """What the server shows of a run."""

    options: Options
    summary: Summary  # of the run so far
    sources: Sequence[Source] = ()
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    recording: SwitchedRecorder | None = None  # that viewers may start and stop


@dataclass(frozen=True)
class Context:
    """The hub, the run, and pipelines for the photos and cameras of viewers."""

    hub: Hub
    pictures: Pictures
    run: RunView
    # A new pipeline on shared networks, for photos or for a video. Call it in a thread: the first
    # call loads the networks. Raises UserError or ModelError.
    pipeline: Callable[[bool], "FramePipeline"]


def page(name: str) -> web.FileResponse:
    """A page of the static files."""
    return web.FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

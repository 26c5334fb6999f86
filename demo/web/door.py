"""Who is let in: at most so many connections, and none that does not ask.

Else anyone who reaches the port could take all file descriptors of the run.
"""

import asyncio
import time

from aiohttp import web

MAX_CONNECTIONS = 160  # more than all viewers, streams, cameras and requests
HEAD_SECONDS = 10.0  # for the first request of a connection
SWEEP_SECONDS = 1.0  # between two looks at the connections


class _Full(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()


class Door:
    """A protocol factory that lets MAX_CONNECTIONS in; `sweep` closes those that do not ask within
    HEAD_SECONDS."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> asyncio.Protocol:
        """What serves a new connection."""
        return _Full() if len(self._server.connections) >= MAX_CONNECTIONS else self._server()

    async def sweep(self, asked: set[asyncio.Protocol]) -> None:
        """Close connections that are not in `asked` in time; forget those that are gone."""
        since: dict[asyncio.Protocol, float] = {}
        while True:
            now = time.monotonic()
            since = {each: since.get(each, now) for each in self._server.connections}
            asked &= since.keys()
            for each in self._server.connections:
                if each not in asked and now - since[each] > HEAD_SECONDS:
                    each.force_close()
            await asyncio.sleep(SWEEP_SECONDS)

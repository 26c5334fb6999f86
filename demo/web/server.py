"""The server: a thread with an event loop of its own, for which no frame ever waits."""

import asyncio
import errno
import logging
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from demo.errors import UserError
from demo.web import analyze, api, camera, history, live, metrics, openapi, streams
from demo.web.addresses import Address, host_names, url_of, with_ports
from demo.web.context import ASKED, SOCKETS, STATIC, Context
from demo.web.door import HEAD_SECONDS, Door
from demo.web.security import Access, add_headers, guard

BACKLOG = 16  # connections that wait to be accepted
STOP_SECONDS = 2.0  # after which open connections are left behind
CLOSE_SECONDS = 0.5  # for pages to answer that they close
MAX_BODY = 20_000_000  # bytes
PARTS = (live, streams, api, history, analyze, camera, metrics, openapi)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a message tells of a fault of ours, not of garbage that someone sent."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)


LOGGER = logging.getLogger(__name__)
LOGGER.addFilter(_is_ours)


@dataclass(frozen=True)
class Listening:
    """Where and to whom the server listens."""

    address: Address
    token: str | None = None  # that every request needs
    names: tuple[str, ...] = ()  # further names of the host
    tls: ssl.SSLContext | None = None


class WebServer:
    """Serves a run from its construction to `close`."""

    def __init__(self, context: Context, listening: Listening) -> None:
        """Listen. Raises UserError if that is not possible."""
        self._context, self._tls = context, listening.tls
        self._socket = listen(listening.address)
        port, scheme = self._socket.getsockname()[1], "https" if listening.tls else "http"
        self.url = url_of(listening.address, port, scheme)  # to open, without the token
        names = host_names(listening.address, listening.names)
        hosts, further = (
            with_ports(each, port, scheme)
            for each in (names, {name.lower() for name in listening.names})
        )
        origins = {f"{scheme}://{host}" for host in hosts}
        origins |= {f"https://{host}" for host in further}  # a proxy may add TLS
        access = Access(frozenset(hosts), frozenset(origins), scheme, listening.token)
        self._app = application(context, access)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close all connections and end the thread, within 3 seconds."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_SECONDS + 0.5)

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.5,
            logger=LOGGER,
        )
        await runner.setup()
        assert runner.server is not None
        door = Door(runner.server)
        listening = await self._loop.create_server(
            door,
            sock=self._socket,
            ssl=self._tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=HEAD_SECONDS if self._tls else None,
        )
        sweeping = asyncio.create_task(door.sweep(self._app[ASKED]))
        self._context.hub.attach(self._loop)
        try:
            await self._stop.wait()
        finally:
            self._context.hub.attach(None)
            listening.close()
            sweeping.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await runner.cleanup()


def application(context: Context, access: Access) -> web.Application:
    """All routes, behind the guard."""
    app = web.Application(middlewares=[guard(access)], client_max_size=MAX_BODY)
    app.on_response_prepare.append(add_headers)
    for part in PARTS:
        app.add_routes(part.routes(context))
    app.add_routes([web.static("/static", STATIC)])
    app[SOCKETS] = set()
    app[ASKED] = set()
    app.on_shutdown.append(_close_sockets)
    return app


async def _close_sockets(app: web.Application) -> None:
    """Tell the pages that the server goes."""
    closing = [each.close(code=1001, message=b"the server ends") for each in app[SOCKETS]]
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(*closing, return_exceptions=True)


def listen(address: Address) -> socket.socket:
    """A socket that listens. Raises UserError."""
    try:
        family, *_, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        both = address.everywhere and family is socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(
            place[:2],
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=both,
        )
    except OSError as error:
        raise UserError(_why_not(address, error)) from None


def _why_not(address: Address, error: OSError) -> str:
    """Why the server cannot listen, and what to do."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"--serve: {address.host} is no address of this machine: 0.0.0.0 means all of them"
    if error.errno == errno.EADDRINUSE:
        return f"--serve: port {address.port} is in use: choose another one, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"--serve: port {address.port} is for the system: choose one from 1024 on"
    return f"--serve: cannot listen at {address.host}:{address.port}: {error.strerror}"

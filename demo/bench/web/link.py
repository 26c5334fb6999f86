"""A slow link: what goes to the client through it takes its time."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 4096  # bytes at a time
BUFFER = 16_384  # bytes that the link itself may hold, on either side


@contextmanager
def slow_link(port: int, bytes_per_second: float) -> Iterator[int]:
    """A port of loopback that leads to another one; all connections share the rate."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # its connections inherit it
    loop = asyncio.new_event_loop()
    link = _Link(port, bytes_per_second)
    thread = threading.Thread(target=lambda: loop.run_until_complete(link.serve(listener)))
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        loop.call_soon_threadsafe(link.stop.set)
        thread.join()
        loop.close()


class _Link:
    def __init__(self, port: int, bytes_per_second: float) -> None:
        self.stop = asyncio.Event()
        self._port, self._rate = port, bytes_per_second
        self._free = 0.0  # time.monotonic() from which on the line is free
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve until `stop` is set."""
        async with await asyncio.start_server(self._connect, sock=listener, limit=CHUNK):
            await self.stop.wait()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            far_reader, far_writer = await self._open()
            ways = (self._copy(reader, far_writer, False), self._copy(far_reader, writer, True))
            await asyncio.gather(*ways)
        except ConnectionError:
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server, whose answers wait there and not on the way."""
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        far.setblocking(False)
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self._port))
        return await asyncio.open_connection(sock=far, limit=CHUNK)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slowly: bool
    ) -> None:
        writer.transport.set_write_buffer_limits(high=CHUNK)
        try:
            while chunk := await reader.read(CHUNK):
                if slowly:
                    await self._wait(len(chunk))
                writer.write(chunk)
                await writer.drain()
        finally:
            with suppress(OSError):
                writer.close()

    async def _wait(self, size: int) -> None:
        """Wait until so many bytes have passed."""
        self._free = max(self._free, time.monotonic()) + size / self._rate
        await asyncio.sleep(self._free - time.monotonic())

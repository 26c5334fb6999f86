"""A link of a fixed rate."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from demo.bench.web.link import slow_link

SIZE = 60_000  # bytes that the server sends
RATE = 100_000  # bytes per second


@contextmanager
def sender(content: bytes) -> Iterator[int]:
    """A server that answers each line with the content and that line; its port."""

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            stream.write(content + stream.readline())

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"hello\n")
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_everything_arrives_at_the_rate_of_the_link() -> None:
    content = bytes(range(256)) * (SIZE // 256)
    with sender(content) as port, slow_link(port, RATE) as slow:
        start = time.monotonic()
        assert ask(slow) == content + b"hello\n"
        assert time.monotonic() - start == pytest.approx(len(content) / RATE, abs=0.15)


def test_connections_share_the_link() -> None:
    with sender(bytes(SIZE // 2)) as port, slow_link(port, RATE) as slow:
        start = time.monotonic()
        threads = [threading.Thread(target=ask, args=[slow]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start >= 0.95 * SIZE / RATE


def test_the_end_of_the_link_ends_its_connections() -> None:
    received = 0
    with sender(bytes(SIZE)) as port:
        with slow_link(port, RATE) as slow:
            connection = socket.create_connection(("127.0.0.1", slow), timeout=5)
            connection.sendall(b"hello\n")
            received += len(connection.recv(1))
        with connection, suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += len(chunk)
    assert 1 <= received < SIZE

"""Servers of files and cameras on loopback, each with a quirk."""

import contextlib
import functools
import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np

from tests.sources.fakes import in_background, numbered


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error."""


@contextlib.contextmanager
def file_server(
    files: dict[str, bytes], ranges: bool = True, length: bool = True, kind: str = "video/mp4"
) -> Iterator[tuple[str, list[str]]]:
    """The address of an HTTP server, without / at its end, and the paths that it was asked for.

    A path /to/x is redirected to /x. `ranges`: parts may be asked for; `length`: lengths are
    sent, else files come in chunks.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            if self.path.startswith("/to/"):
                self._send(302, b"", {"Location": self.path[3:]})
            elif content is None:
                self._send(404, b"", {})
            elif (part := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) and ranges:
                start, size = int(part[1]), len(content)
                span = f"bytes {start}-{size - 1}/{size}" if start < size else f"bytes */{size}"
                status = 206 if start < size else 416
                self._send(status, content[start:], {"Content-Range": span})
            else:
                self._send(200, content, {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            chunked = body and not length
            headers |= (
                {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
            )
            if chunked:
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            for key, value in ({"Content-Type": kind} | headers).items():
                self.send_header(key, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

    server = QuietServer(("127.0.0.1", 0), Handler)
    in_background(server.serve_forever)
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def parts_camera(
    part: Callable[[bytes], bytes],
    kind: str = "multipart/x-mixed-replace; boundary=frame",
    challenge: str = "",
) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a camera that sends parts made of JPEG pictures, the k-th as bright as
    `numbered` makes it, and the requests that it had.

    A request without a login is answered with the `challenge`, if there is one.
    """
    requests: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            requests.append(connection.recv(4096))
            if challenge and b"Authorization: " not in requests[-1]:
                head = f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n"
                connection.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())
                connection.close()
                return
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
            for k in range(10_000):
                connection.sendall(part(numbered(k)))
                time.sleep(0.02)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                in_background(functools.partial(serve, server.accept()[0]))

    in_background(accept)
    yield f"http://127.0.0.1:{server.getsockname()[1]}/live", requests
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def h264_pictures(count: int) -> list[list[bytes]]:
    """The NAL units of some pictures, each less than a packet of UDP, the k-th as bright as
    `numbered` makes it."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.framerate, encoder.gop_size = Fraction(25), 5
    encoder.options = {"tune": "zerolatency", "x264-params": "slices=1:threads=1"}
    pictures = []
    for k in range(count):
        image = np.full((120, 160, 3), 4 * (k % 60) + 8, np.uint8)
        for packet in encoder.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
            pictures.append([unit for unit in re.split(b"\0\0\0?\1", bytes(packet)) if unit])
    return pictures


class UdpCamera:
    """An RTSP camera that sends H.264 by UDP, and refuses TCP with the status `refusal`.

    `asked`: its answered requests, method and transport.
    """

    def __init__(self, refusal: str = "461 Unsupported Transport") -> None:
        self._refusal, self.asked = refusal, list[str]()
        self._pictures = h264_pictures(60)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/cam"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._ended = threading.Event()
        in_background(self._accept)

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                in_background(functools.partial(self._serve, self._server.accept()[0]))

    def _serve(self, connection: socket.socket) -> None:
        port, stopped = 0, threading.Event()
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while request := lines.readline().decode():
                headers = dict(re.findall(r"(\S+): (.*)\r\n", _lines_of(lines)))
                transport = headers.get("Transport", "")
                self.asked.append(f"{request.split()[0]} {transport[:11]}".strip())
                status, head, body = "200 OK", "Public: DESCRIBE, SETUP, PLAY\r\n", ""
                if not request.split()[1].startswith(self.address):
                    status = "404 Not Found"
                elif request.startswith("DESCRIBE"):
                    head = "Content-Type: application/sdp\r\n"
                    body = (
                        "v=0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                    )
                elif "TCP" in transport:
                    status = self._refusal
                elif client := re.search(r"client_port=(\d+)", transport):
                    port, own = int(client[1]), self._udp.getsockname()[1]
                    head = f"Session: 1\r\nTransport: {transport};server_port={own}-{own + 1}\r\n"
                elif request.startswith("PLAY"):
                    in_background(functools.partial(self._send, port, stopped))
                head += f"CSeq: {headers['CSeq']}\r\nContent-Length: {len(body)}\r\n"
                connection.sendall(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())
        stopped.set()

    def _send(self, port: int, stopped: threading.Event) -> None:
        number = 0
        for k in range(10_000):
            if stopped.wait(1 / 50) or self._ended.is_set():
                return
            units = self._pictures[k % len(self._pictures)]
            for unit in units:
                number += 1
                mark = 96 | 128 * (unit is units[-1])
                head = bytes([128, mark]) + number.to_bytes(2, "big")
                head += (3600 * k).to_bytes(4, "big") + b"cam1"
                self._udp.sendto(head + unit, ("127.0.0.1", port))


def _lines_of(lines: io.BufferedReader) -> str:
    """The headers of a request."""
    return "".join(iter(lambda: lines.readline().decode(), "\r\n"))

"""The ways to open a network address, and whether a file or a live stream is there."""

import re
from contextlib import suppress
from dataclasses import replace

from av.error import (
    FFmpegError,
    HTTPClientError,
    HTTPError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
)

from demo.errors import UserError
from demo.sources.capture import DEFAULT_WAY, LiveTimeouts, Stream, UndecodableError, Way
from demo.sources.decode.frames import reason
from demo.sources.net.http import HTTP_ERRORS, Body, has_late_index, head_of, request
from demo.sources.net.login import is_cut, signs_that_cut, split_login
from demo.sources.net.multipart import START, JpegParts
from demo.sources.net.redact import redact

OPENING_ERRORS = (FFmpegError, StopIteration, UndecodableError, *HTTP_ERRORS)
STATUS_ERRORS = (HTTPClientError, HTTPError)  # the server refused
HTTP_SCHEMES, RTSP_SCHEMES = ("http", "https"), ("rtsp", "rtsps")
FILE_SCHEMES = (*HTTP_SCHEMES, "ftp")  # streams of other protocols are live
UDP = Way((("rtsp_transport", "udp+udp_multicast"),))
PARTS, HLS = Way(format="mpjpeg", body=JpegParts), Way(format="hls")
PICTURE_TYPES = ("multipart/", "image/jpeg")
FIRST_PICTURE_BYTES = 1024  # within them, a stream of JPEG begins its first picture
PLAYLIST, DASH = b"#EXTM3U", b"<MPD"
WEB_PAGE_PATTERN = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


class Remote:
    """A network address, and the way in which it could be opened the last time."""

    def __init__(self, address: str, timeouts: LiveTimeouts) -> None:
        """Connect to nothing yet. Raises UserError if a sign in the password breaks the address."""
        self.name, self._address, self._timeouts = redact(address), address, timeouts
        self._scheme = address.partition("://")[0]
        self._way = DEFAULT_WAY
        self._last: Stream | None = None
        if is_cut(address):
            raise UserError(f"cannot open {self.name}: in a password, {signs_that_cut(address)}")

    def connect(self) -> Stream:
        """Connect in the way that worked the last time, else in another one. Raises UserError."""
        if self._last and self._last.malformed:
            self._way = PARTS
        try:
            self._last = Stream(self._address, self._timeouts, self._way)
        except OPENING_ERRORS as error:
            self._last = self._connect_otherwise(error)
        return self._last

    def reconnect(self) -> Stream:
        """Connect again to what was live. Raises UserError, also if it has become a file: the
        playlist of a stream that has ended would begin anew."""
        stream = self.connect()
        if self.holds_file(stream):
            stream.release()
            raise UserError(f"{self.name} has ended")
        return stream

    def holds_file(self, stream: Stream) -> bool:
        """Whether `stream` reads a video that has an end."""
        return self._scheme in FILE_SCHEMES and stream.finite

    def open_file(self, stream: Stream) -> Stream:
        """Replace `stream`, which reads a file, by one that waits longer for the server.

        Raises UserError, also if the first frame cannot be read without seeking.
        """
        kind, has_length = stream.opened[0].format.name, stream.opened[0].size > 0
        readable = "mov" not in kind or stream.read() is not None
        stream.release()
        if not readable:
            self._examine()
        if kind != "hls" and not has_length and self._scheme in HTTP_SCHEMES:
            self._way = Way(body=Body)
        self._timeouts = replace(self._timeouts, read=self._timeouts.open)
        return self.connect()

    def _connect_otherwise(self, error: Exception) -> Stream:
        """Connect in a way in which the address was not opened before, and keep to that way.

        `error`: why it could not be opened. Raises UserError.
        """
        way = self._other_way(error) if self._way == DEFAULT_WAY else None
        if way:
            with suppress(*OPENING_ERRORS):  # the first error says more
                stream = Stream(self._address, self._timeouts, way)
                self._way = way
                return stream
        if isinstance(error, UndecodableError):
            raise error
        why = reason(error, self._timeouts.open)
        raise UserError(f"cannot open stream {self.name} ({why}): {self._mend(error)}") from None

    def _other_way(self, error: Exception) -> Way | None:
        """Another way that may work. Raises UserError if none will."""
        if self._scheme in RTSP_SCHEMES:  # some cameras refuse TCP with the status of other errors
            refused = isinstance(error, (*STATUS_ERRORS, InvalidDataError))
            final = isinstance(
                error, (HTTPUnauthorizedError, HTTPForbiddenError, HTTPNotFoundError)
            )
            return UDP if refused and not final else None
        final = isinstance(error, (*STATUS_ERRORS, ConnectionError, StopIteration))
        return self._examine() if self._scheme in HTTP_SCHEMES and not final else None

    def _examine(self) -> Way | None:
        """The way to read what a server of http sends, where FFmpeg does not find it.

        Raises UserError if there is none.
        """
        seconds = self._timeouts.read
        try:
            with request(self._address, seconds) as response:
                if response.headers.get_content_type().startswith(PICTURE_TYPES):
                    return PARTS
                head, can_seek = head_of(response, seconds), response.status == 206
        except HTTP_ERRORS:
            return None
        if START in head[:FIRST_PICTURE_BYTES]:
            return PARTS
        if head.startswith(PLAYLIST):
            return HLS
        if problem := _problem(head, can_seek):
            raise UserError(f"cannot read {self.name}: {problem}")
        return None

    def _mend(self, error: Exception) -> str:
        """What the user can do."""
        login, _ = split_login(self._address)
        signs = signs_that_cut(self._address)
        if signs and not isinstance(error, STATUS_ERRORS):
            return f"is the address right? In a password, {signs}"
        if not isinstance(error, HTTPUnauthorizedError):
            return "is the address right?"
        if not login:
            return f"give user and password, {self._scheme}://user:password@host"
        return f"are user and password right?{' In them, % is written %25' * ('%' in login)}"


def _problem(head: bytes, can_seek: bool) -> str:
    """Why a file that begins with `head` cannot be read from its server; "" if nothing is known."""
    if DASH in head:
        return "DASH is not supported, give the address of an MP4 or of an HLS playlist (.m3u8)"
    if WEB_PAGE_PATTERN.match(head):
        return "it is a web page, give the address of the video or stream itself"
    if has_late_index(head) and not can_seek:
        return (
            "the video has its index at the end, and its server cannot seek: download it first, or "
            "move its index to the front (ffmpeg -i IN -c copy -movflags +faststart OUT)"
        )
    return ""

"""What an HTTP server sends, asked without FFmpeg."""

import time
from http.client import HTTPException, HTTPResponse
from urllib.parse import unquote

from demo.sources.net.login import split_login

HTTP_ERRORS = (OSError, HTTPException, ValueError)  # raised while a server is asked
HEAD_BYTES = 65536  # of a body: enough to know what it is


def request(address: str, seconds: float) -> HTTPResponse:
    """Ask for the body of an address, with its login. Raises HTTP_ERRORS.

    `seconds`: how long the server may take to answer, now and at every read. As in FFmpeg,
    certificates are not verified: cameras sign theirs themselves.
    """
    import ssl
    from urllib import request as http

    login, address = split_login(address)
    address = address.partition("#")[0].replace(" ", "%20")
    user, _, password = login.partition(":")
    logins = http.HTTPPasswordMgrWithDefaultRealm()
    logins.add_password(None, address, unquote(user), unquote(password))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = http.build_opener(
        http.HTTPSHandler(context=context),
        http.HTTPBasicAuthHandler(logins),
        http.HTTPDigestAuthHandler(logins),
    )
    headers = {"Range": "bytes=0-"}  # as FFmpeg asks; a server that can seek answers with 206
    response = opener.open(http.Request(address, headers=headers), timeout=seconds)
    assert isinstance(response, HTTPResponse)
    return response


class Body:
    """The body of a response as a file for FFmpeg, which takes the end of one without a length for
    an error."""

    def __init__(self, response: HTTPResponse, seconds: float) -> None:
        """Read `response`, whose server may take `seconds` at every read."""
        self._response, self._seconds = response, seconds

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end. Raises OSError."""
        try:
            return self._response.read1(size)
        except (HTTPException, ValueError) as error:  # a damaged chunk, or a closed response
            raise ConnectionError(str(error)) from None

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


def head_of(response: HTTPResponse, seconds: float) -> bytes:
    """The first HEAD_BYTES of a body, or what comes within `seconds`. Raises HTTP_ERRORS."""
    head, end = b"", time.monotonic() + seconds
    while len(head) < HEAD_BYTES and time.monotonic() < end:
        more = response.read1(HEAD_BYTES - len(head))
        if not more:
            break
        head += more
    return head


def has_late_index(head: bytes) -> bool:
    """Whether the MP4 file that begins with `head` has its pictures before its index (moov)."""
    at = 0
    while (kind := head[at + 4 : at + 8]) and kind != b"moov":
        size = int.from_bytes(head[at : at + 4], "big")
        if kind == b"mdat":
            return True
        if not kind.isalnum() or size < 8:
            return False
        at += size
    return False

"""The JPEG pictures of a camera whose multipart stream is not as the standard has it."""

import re
import time
from collections.abc import Iterator
from http.client import HTTPResponse

from demo.sources.net.http import Body

START = b"\xff\xd8\xff"
END_PATTERN = re.compile(rb"\xff\xd9|(?=\xff\xd8\xff)")  # some cameras leave out the end
SCAN, END, FIRST = 0xDA, 0xD9, 0xC0  # markers: pixels follow; the end of the picture; the lowest
MAX_PICTURE_BYTES = 50_000_000
READ_BYTES = 65536


class JpegParts(Body):
    """A file with the multipart stream that the camera should have sent, for FFmpeg's `mpjpeg`.

    Only the pictures count: boundaries, part headers and lengths of the camera are ignored, as
    they may be missing or wrong.
    """

    def __init__(self, response: HTTPResponse, seconds: float) -> None:
        """Read `response`, and fail if no picture came for `seconds`."""
        super().__init__(response, seconds)
        self._parts, self._part = self._make_parts(), b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end. Raises OSError."""
        if not self._part:
            self._part = next(self._parts, b"")
        given, self._part = self._part[:size], self._part[size:]
        return given

    def _make_parts(self) -> Iterator[bytes]:
        data, last = bytearray(), time.monotonic()
        searched = 0  # bytes of `data` that hold no end of a picture
        while more := super().read(READ_BYTES):
            data += more
            while (picture := cut_picture(data, searched)) is not None:
                searched, last = 0, time.monotonic()
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                yield head.encode() + b"\r\n\r\n" + picture + b"\r\n"
            searched = max(len(data) - len(START), 0)
            if len(data) > MAX_PICTURE_BYTES or time.monotonic() - last > self._seconds:
                raise TimeoutError("no picture")


def cut_picture(data: bytearray, searched: int = 0) -> bytes | None:
    """Remove the first whole JPEG picture from `data`, and what precedes it; None if there is none.

    The end is not searched before the place `searched`.
    """
    while (start := data.find(START)) >= 0:
        if start:
            del data[:start]
            searched = 0
        pixels = _pixels(data)
        if pixels is None:  # not a picture
            del data[: len(START)]
            searched = 0
            continue
        end = END_PATTERN.search(data, max(pixels, searched)) if pixels < len(data) else None
        if end is None:
            return None
        picture = bytes(data[: end.end()])
        del data[: end.end()]
        return picture
    del data[: -len(START)]
    return None


def _pixels(data: bytearray) -> int | None:
    """Where the pixels of a picture begin, beyond its headers with their previews.

    The length of `data` if they have not come yet; None if the headers are damaged.
    """
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] < FIRST:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == END:
            return at
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == SCAN:
                return min(at, len(data))
    return len(data)

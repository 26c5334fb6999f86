"""Cameras whose multipart streams are not as the standard has them, as browsers show them."""

import base64
import hashlib
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from demo.sources.capture import LiveTimeouts
from demo.sources.net.multipart import cut_picture
from demo.sources.open import open_source
from tests.sources.fakes import is_frame, is_notice, number, numbered, until
from tests.sources.servers import parts_camera


def part(picture: bytes, error: int = 0, kind: bytes = b"image/jpeg") -> bytes:
    """A part without its boundary, whose length is wrong by `error`."""
    head = b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, len(picture) + error) + picture + b"\r\n"


def digest(user: str, password: str, realm: str, nonce: str) -> str:
    """The proof of a password for GET /live, by RFC 2069."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    return md5(f"{md5(f'{user}:{realm}:{password}')}:{nonce}:{md5('GET:/live')}")


@pytest.mark.parametrize(
    "made",
    [
        lambda picture: part(picture) + b"--frame\r\n",
        lambda picture: b"\r\n" + part(picture) + b"--frame\r\n",
        lambda picture: b"--frame\r\n" + part(picture),
        lambda picture: b"----frame\r\n" + part(picture),
        lambda picture: b"frame\r\n" + part(picture),
        lambda picture: b"--other\r\n" + part(picture),
        lambda picture: b"--frame\r\n\r\n" + picture + b"\r\n",
        lambda picture: b"--frame\r\nContent-Length: 9\r\n\r\n" + picture + b"\r\n",
        lambda picture: b"--frame\r\n" + part(picture, kind=b"image/jpg"),
        lambda picture: b"--frame\r\n" + part(picture, kind=b"Image/JPEG; q=1"),
        lambda picture: b"--frame\r\n" + part(picture, error=300),
        lambda picture: b"--frame\r\n" + part(picture, error=-2),
        lambda picture: b"--frame\r\n" + part(picture) + b"\r\n--frame--\r\n",
        lambda picture: b"Content-Type: image/jpeg\r\n\r\n" + picture[:-2] + b"\r\n--frame\r\n",
        lambda picture: picture,
    ],
    ids=[
        "no first boundary",
        "an empty line first",
        "standard",
        "more dashes",
        "no dashes",
        "another boundary",
        "no headers",
        "no type, a wrong length",
        "another type",
        "a type with a parameter",
        "too long",
        "too short",
        "ended each time",
        "pictures without their end",
        "pictures alone",
    ],
)
def test_the_pictures_of_a_camera_are_shown_however_it_wraps_them(made):
    timeouts = LiveTimeouts(open=5, first_wait=0.05)
    with parts_camera(made) as (address, _), open_source(address, timeouts=timeouts) as source:
        watched = source.watch()
        until(watched, is_frame)
        seen = until(watched, lambda each: is_frame(each) and each.index >= 15)
    last = [each for each in seen if is_frame(each)][-8:]
    assert {float(each.image.std()) for each in last} == {0}
    assert all(each.image.shape == (120, 160, 3) for each in last)
    assert len({number(each) for each in last}) == len(last)


@pytest.mark.parametrize(
    "kind",
    [
        'multipart/x-mixed-replace; boundary="frame"',
        "multipart/x-mixed-replace; boundary=--frame",
        "multipart/x-mixed-replace",
        "multipart/x-mixed-replace;boundary=other",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_boundary_in_the_head_may_be_anything(kind, first):
    def made(picture: bytes) -> bytes:
        return b"--frame\r\n" + part(picture) if first else part(picture) + b"--frame\r\n"

    with parts_camera(made, kind) as (address, _), open_source(address) as source:
        until(source.watch(), lambda each: is_frame(each) and each.index == 3)


def test_parts_that_turn_odd_later_cost_one_interruption():
    sent = []

    def made(picture: bytes) -> bytes:
        sent.append(1)
        return b"--frame\r\n" + part(picture, error=300 * (len(sent) > 40))

    timeouts = LiveTimeouts(first_wait=0.05)
    with parts_camera(made) as (address, asked), open_source(address, timeouts=timeouts) as source:
        until(source.watch(), lambda each: is_frame(each) and each.index == 80)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("challenge", "answer"),
    [
        ('Basic realm="camera"', base64.b64encode(b"me:p#w").decode()),
        ('Digest realm="camera", nonce="12", algorithm=MD5', digest("me", "p#w", "camera", "12")),
    ],
)
def test_an_odd_camera_gets_its_login(challenge, answer):
    def made(picture: bytes) -> bytes:
        return part(picture) + b"--frame\r\n"

    with (
        parts_camera(made, challenge=challenge) as (address, asked),
        open_source(address.replace("//", "//me:p%23w@")) as source,
    ):
        until(source.watch(), is_frame)
    assert b"python" in asked[-1].lower()
    assert answer in asked[-1].decode()


def test_an_odd_camera_that_stalls_is_lost():
    sent = []

    def made(picture: bytes) -> bytes:
        sent.append(1)
        return part(picture) + b"--frame\r\n" if len(sent) < 60 else b""

    timeouts = LiveTimeouts(read=0.4, stall=0.3)
    with parts_camera(made) as (address, _), open_source(address, timeouts=timeouts) as source:
        watched = source.watch()
        until(watched, is_frame)
        until(watched, is_notice)


def test_pictures_are_cut_out_of_anything():
    first, second = numbered(1), numbered(2)
    data = bytearray(
        b"\xff\xd8\xffnoise" + first + b"--x\r\n\r\n" + second[:-2] + first + second[:99]
    )
    assert cut_picture(data) == first
    assert cut_picture(data) == second[:-2]
    assert cut_picture(data) == first
    assert cut_picture(data) is None
    data += second[99:]
    assert cut_picture(data) == second
    assert cut_picture(data) is None


def test_the_preview_within_a_picture_is_no_picture():
    preview, memory = numbered(3), io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = preview.decode("latin-1")
    Image.new("RGB", (64, 48)).save(memory, "JPEG", exif=b"Exif\0\0" + preview)
    picture = memory.getvalue()
    assert preview in picture
    for size in (1, 100, len(picture)):
        data, found = bytearray(), []
        for start in range(0, len(picture), size):
            data += picture[start : start + size]
            if (cut := cut_picture(data)) is not None:
                found.append(cut)
        assert found == [picture]
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is not None

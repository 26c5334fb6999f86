"""Streams served on loopback that send garbage, and frames of any size."""

import io
import os
import socket
import struct
import threading
import time

import av
import cv2
import numpy as np
import pytest

from demo.errors import UserError
from demo.sources import capture
from demo.sources.capture import LiveTimeouts
from demo.sources.decode import frames as decoding
from demo.sources.open import open_source
from tests.sources.fakes import is_frame, is_notice, number, numbered, until


def test_garbage_between_frames_is_skipped(broadcast):
    noise = os.urandom(3000)
    server = broadcast(lambda k: noise if k % 10 in (7, 8) else numbered(k))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.index == 30)
    assert not any(map(is_notice, seen))
    assert not {7, 8} & {number(frame) % 10 for frame in seen if is_frame(frame)}


def test_a_transport_stream_with_garbage_in_it_recovers():
    packets, server = transport_stream(50), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        for start in range(0, len(packets), 1504):
            connection.sendall(packets[start : start + 1504])
            if start % (8 * 1504) == 5 * 1504:
                connection.sendall(os.urandom(999))
            time.sleep(0.005)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with open_source(f"tcp://127.0.0.1:{server.getsockname()[1]}", give_up=0.1) as source:
        indices = [frame.index for frame in source]
    assert len(indices) + source.dropped >= 25
    server.close()


def transport_stream(count: int) -> bytes:
    """H.264 in MPEG-TS, a key frame every five."""
    memory, noise = io.BytesIO(), np.random.default_rng(0)
    with av.open(memory, "w", format="mpegts") as container:
        video = container.add_stream("h264", rate=25, options={"tune": "zerolatency"})
        video.width, video.height, video.pix_fmt, video.gop_size = 160, 120, "yuv420p", 5
        for _ in range(count):
            small = noise.integers(0, 255, (6, 8, 3), np.uint8)
            image = np.asarray(cv2.resize(small, (160, 120)), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(video.encode(None))
    return memory.getvalue()


def test_frames_may_change_their_size(broadcast):
    server = broadcast(lambda k: numbered(k) if k < 10 else numbered(k, 240, 320))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.image.shape[0] == 240)
    assert not any(map(is_notice, seen))


@pytest.mark.parametrize("density", [(1, 1), (2, 1)], ids=["square", "wide"])
@pytest.mark.parametrize("large", [False, True])
def test_frames_of_a_stream_are_scaled_as_those_of_a_file(broadcast, monkeypatch, density, large):
    monkeypatch.setattr(decoding, "DOWNSCALE_ABOVE_PIXELS", 100_000)
    monkeypatch.setattr(decoding, "DOWNSCALE_TO_PIXELS", 50_000)
    height, width = (240, 520) if large else (120, 160)
    picture = numbered(9, height, width)
    at = picture.index(b"JFIF\0") + 7
    picture = picture[:at] + struct.pack(">BHH", 0, *density) + picture[at + 5 :]
    wide, parts = width * density[0], (3 if density[0] == 2 else 2) if large else 1
    with open_source(broadcast(lambda k: picture).address()) as source:
        (frame,) = filter(is_frame, until(source.watch(), is_frame))
    assert frame.image.shape == (height // parts, wide // parts, 3)


def test_a_stream_of_huge_frames_is_refused_when_it_is_opened(broadcast, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_VIDEO_PIXELS", 10_000)
    server = broadcast(numbered)
    with pytest.raises(UserError, match=r"\*\*\*@.* has 160x120 pixels per frame, more than"):
        open_source(server.address("me:pw@"))


def test_a_stream_whose_frames_are_too_large_to_decode_is_refused(broadcast, monkeypatch):
    monkeypatch.setitem(decoding.PIXEL_LIMIT, "max_pixels", "10000")
    monkeypatch.setitem(capture.TRANSPORT, "analyzeduration", "100000")
    with pytest.raises(UserError, match=r"holds no frame that can be decoded: .* 36 million"):
        open_source(broadcast(numbered).address(), timeouts=LiveTimeouts(read=0.5))


def test_frames_of_a_stream_that_become_huge_are_skipped(broadcast, monkeypatch):
    monkeypatch.setitem(decoding.PIXEL_LIMIT, "max_pixels", "100000")
    server = broadcast(lambda k: numbered(k, 480, 640) if k % 10 in (7, 8) else numbered(k))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.index == 20)
    assert {frame.image.shape for frame in seen if is_frame(frame)} == {(120, 160, 3)}

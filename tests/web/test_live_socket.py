"""The socket of the live page, spoken raw."""

import asyncio
import socket as sockets
import time

import aiohttp
import cv2
import numpy as np
import pytest

from demo.events import Event
from demo.options import Options
from tests.web.serving import message_of, served


def view(**widths):
    return {"type": "view", "widths": widths}


def decoded(picture):
    return cv2.imdecode(np.frombuffer(picture["picture"], np.uint8), cv2.IMREAD_COLOR)


def test_a_page_gets_the_newest_picture_with_the_data_of_the_same_frame():
    with served() as run:
        run.write(0)

        async def talk(socket):
            hello = await message_of(socket, "hello")
            await socket.send_json(view(cam=1280))
            first = await message_of(socket, "picture")
            for index in range(1, 10):
                run.write(index, count=index)
            await socket.send_json({"type": "ack", "source": "cam", "number": 1})
            return hello, first, await message_of(socket, "picture")

        hello, first, second = run.talk(talk)
    assert [source["name"] for source in hello["sources"]] == ["cam"]
    assert (hello["recording"], hello["history"], hello["cameras"]) == (None, False, False)
    assert (first["number"], first["frame"], len(first["faces"])) == (1, 0, 1)
    assert first["faces"][0] | {"score": None} == {
        "id": 1,
        "box": [0.0, 0.0, 30.0, 40.0],
        "score": None,
        "age": 34.0,
        "age_low": 25.0,
        "age_high": 43.0,
        "male": 0.1,
    }
    assert first["colours"] == {"1": "#3cb4e6"}
    assert (second["number"], second["frame"], len(second["faces"])) == (10, 9, 9)
    for picture, level in ((first, 40), (second, 49)):
        image = decoded(picture)
        assert image.shape == (120, 160, 3) == (picture["height"], picture["width"], 3)
        assert abs(int(image.mean()) - level) <= 1


def test_a_page_that_acknowledges_nothing_gets_one_picture():
    with served() as run:

        async def talk(socket):
            await socket.send_json(view(cam=640))
            for index in range(5):
                run.write(index)
                await asyncio.sleep(0.02)
            first = await message_of(socket, "picture")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(message_of(socket, "picture"), 0.3)
            return first

        assert run.talk(talk)["number"] >= 1


def test_what_is_not_wanted_is_not_sent_and_the_width_is_the_page_s():
    with served(names=("cam", "b")) as run:
        run.write(0, size=(1080, 1920))
        run.write(0, source="b", size=(1080, 1920))

        async def talk(socket):
            await socket.send_json(view(cam=600, b=0, nobody=100))
            picture = await message_of(socket, "picture")
            await socket.send_json({"type": "ack", "source": "cam", "number": 1})
            run.write(1, source="b")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(message_of(socket, "picture"), 0.3)
            return picture

        picture = run.talk(talk)
    assert picture["source"] == "cam"
    assert decoded(picture).shape == (360, 640, 3)
    assert (picture["width"], picture["height"]) == (1920, 1080)


def test_a_slow_page_gets_smaller_pictures_and_a_quick_one_larger_ones_again():
    with served() as run:

        async def talk(socket):
            await socket.send_json(view(cam=1920))
            widths = []
            for index in range(30):
                run.write(index, size=(270, 1920))
                picture = await message_of(socket, "picture")
                widths.append(decoded(picture).shape[1])
                await asyncio.sleep(0.25 if index < 3 else 0)
                await socket.send_json({"type": "ack", "source": "cam", "number": index + 1})
            return widths

        widths = run.talk(talk)
    assert widths[:4] == [1920, 1280, 960, 640]
    assert widths[-1] == 960


def test_events_and_the_state_of_the_run_are_told():
    with served() as run:
        run.write(0, count=2)
        run.write(1, count=2)

        async def talk(socket):
            first = await message_of(socket, "status")
            run.hub.notify(Event("lost", "cam: camera lost, reconnecting", "cam", 2.0))
            return first, await message_of(socket, "event")

        status, event = run.talk(talk)
    assert status["viewers"] == 1
    assert [(person["source"], person["id"]) for person in status["people"]] == [
        ("cam", 1),
        ("cam", 2),
    ]
    assert status["latency_ms"] == {"cam": 20.0}
    assert event == {
        "type": "event",
        "kind": "lost",
        "text": "cam: camera lost, reconnecting",
        "source": "cam",
        "time": 2.0,
    }
    assert run.hub.lost == {"cam"}


@pytest.mark.parametrize(
    "nonsense",
    [
        "no json",
        "[]",
        "{}",
        '{"type": "view"}',
        '{"type": "view", "widths": {"cam": "wide"}}',
        '{"type": "quit"}',
        '{"type": "view", "widths": {"cam": 1e999}}',
        "[" * 4000,
        "x" * 5000,
        b"\x00\x01",
    ],
)
def test_garbage_closes_its_own_socket_only(nonsense):
    with served() as run:

        async def talk(socket):
            await message_of(socket, "hello")
            send = socket.send_str if isinstance(nonsense, str) else socket.send_bytes
            await send(nonsense)
            with pytest.raises(ConnectionError):
                await message_of(socket, "picture")

        run.talk(talk)
        run.write(0)
        assert len(run.json("/api/sources")["sources"]) == 1


def test_a_client_that_never_reads_delays_nobody():
    with served() as run:
        request = (
            f"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{run.port}\r\n"
            "Connection: keep-alive\r\n\r\n"
        )
        with sockets.create_connection(("127.0.0.1", run.port)) as deaf:
            deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            deaf.sendall(request.encode())
            slowest = 0.0
            for index in range(60):
                start = time.perf_counter()
                run.write(index, size=(480, 640))
                slowest = max(slowest, time.perf_counter() - start)
                time.sleep(0.005)
            assert slowest < 0.5  # waiting for the client would take seconds

            async def talk(socket):
                await socket.send_json(view(cam=640))
                return await message_of(socket, "picture")

            assert run.talk(talk)["number"] == 60


def test_a_hundred_connections_are_bounded_and_leave_nothing_behind():
    with served() as run:
        run.write(0)

        async def many():
            async with aiohttp.ClientSession() as client:
                url = f"{run.server.url}api/live"
                tries = [client.ws_connect(url) for _ in range(100)]
                results = await asyncio.gather(*tries, return_exceptions=True)
                opened = [r for r in results if isinstance(r, aiohttp.ClientWebSocketResponse)]
                refused = [r for r in results if isinstance(r, aiohttp.WSServerHandshakeError)]
                for socket in opened[1:]:
                    await socket.close()
                opened[0]._response.connection.transport.abort()  # one leaves without a word
                return len(opened), {error.status for error in refused}

        opened, statuses = asyncio.run(many())
        assert (opened, statuses) == (32, {503})
        end = time.monotonic() + 5
        while run.hub.viewers and time.monotonic() < end:
            time.sleep(0.02)
        assert run.hub.viewers == 0


def test_passwords_of_sources_are_never_sent():
    name = "rtsp://…@camera/1"
    with served(Options(sources=("rtsp://user:secret@camera/1",)), names=(name,)) as run:
        run.write(0, source=name)
        for path in ("/api/sources", "/api/people", "/api/summary"):
            assert b"secret" not in run.get(path)[2]

        async def talk(socket):
            return await message_of(socket, "hello")

        assert "secret" not in str(run.talk(talk))

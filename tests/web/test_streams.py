"""MJPEG, server-sent events and the questions that programs ask."""

import asyncio
import json

import aiohttp
import cv2
import numpy as np
import pytest

from demo.display.overlay import annotate
from demo.events import Event
from demo.records import frame_record
from demo.web.hub import QUEUED_RECORDS, Listener
from tests.web.serving import served, some_faces


def read_pictures(run, count: int, query: str = "") -> list[np.ndarray]:
    """So many pictures of the MJPEG stream; a frame is written before each."""

    async def read():
        images = []
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{run.server.url}stream.mjpg{query}") as response,
        ):
            assert response.content_type == "multipart/x-mixed-replace"
            for index in range(count):
                run.write(index)
                assert await response.content.readline() == b"--frame\r\n"
                assert await response.content.readline() == b"Content-Type: image/jpeg\r\n"
                length = int((await response.content.readline()).split()[1])
                await response.content.readline()
                data = await response.content.readexactly(length + 2)
                images.append(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
        return images

    return asyncio.run(asyncio.wait_for(read(), 20))


def test_a_stream_shows_the_overlay():
    with served() as run:
        images = read_pictures(run, 3)
        frame = run.hub.newest["cam"].frame
    expected = annotate(frame.image, some_faces(1))
    assert images[2].shape == expected.shape
    assert np.abs(images[2].astype(int) - expected).mean() < 4
    assert np.abs(images[2].astype(int) - frame.image).mean() > 8


@pytest.mark.parametrize(
    ("query", "status"),
    [("?source=b", 404), ("?width=0", 400), ("?width=wide", 400), (f"?width={'9' * 5000}", 400)],
)
def test_a_stream_that_cannot_be(query, status):
    with served() as run:
        assert run.get(f"/stream.mjpg{query}")[0] == status


def test_events_are_the_records_of_the_log_and_what_goes_wrong():
    with served() as run:

        async def read():
            async with (
                aiohttp.ClientSession() as client,
                client.get(f"{run.server.url}api/events") as response,
            ):
                assert response.content_type == "text/event-stream"
                await response.content.readuntil(b"\n\n")
                run.write(7, count=2)
                first = await response.content.readuntil(b"\n\n")
                run.hub.notify(Event("back", "cam: back after 3 s", "cam", 9.0))
                return first, await response.content.readuntil(b"\n\n")

        first, second = asyncio.run(asyncio.wait_for(read(), 20))
        newest = run.hub.newest["cam"]
    kind, data = first.decode().strip().split("\n")
    assert kind == "event: frame"
    record = json.loads(data.removeprefix("data: "))
    assert record == json.loads(json.dumps(frame_record(newest.frame, newest.faces)))
    assert second.decode().startswith('event: back\ndata: {"kind": "back", "text": "cam: back')


def test_a_slow_listener_loses_the_oldest_and_is_told():
    async def listen():
        listener = Listener()
        for number in range(QUEUED_RECORDS + 3):
            listener.put("frame", {"number": number})
        return await listener.take()

    messages = asyncio.run(listen())
    assert messages[0] == ("dropped", {"count": 3})
    assert messages[1] == ("frame", {"number": 3})
    assert len(messages) == QUEUED_RECORDS + 1


def test_sources_people_and_summary():
    with served(names=("cam", "b")) as run:
        run.write(0, count=2)
        run.write(1, count=2)
        run.hub.notify(Event("lost", "b: camera lost", "b"))
        sources = run.json("/api/sources")["sources"]
        people = run.json("/api/people")
        summary = run.json("/api/summary")
    assert [(s["name"], s["frames"], s["lost"]) for s in sources] == [
        ("cam", 2, False),
        ("b", 0, True),
    ]
    assert (sources[0]["width"], sources[0]["height"], sources[0]["latency_ms"]) == (160, 120, 20.0)
    assert [(face["source"], face["id"]) for face in people["in_view"]] == [("cam", 1), ("cam", 2)]
    assert people["people_seen"] == summary["people_seen"] == 2
    assert summary == json.loads(json.dumps(run.summary.record()))

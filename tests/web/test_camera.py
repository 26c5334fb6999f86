import asyncio
import struct

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession
from PIL import Image

from demo.frames import Frame
from demo.options import Options
from demo.records import face_records
from demo.web import camera
from tests.web.uploads import Browser, decoded, jpeg, pipeline, serving


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield address


def talk(work) -> None:
    async def within_a_session() -> None:
        async with ClientSession() as session:
            await work(session)

    asyncio.run(within_a_session())


def test_every_answer_is_that_of_a_pipeline_on_the_same_pictures(url, two_people):
    pictures = [jpeg(two_people(k)) for k in range(15)]
    answers = []

    async def send(session):
        browser = await Browser.open(session, url)
        assert (await browser.hello())["anonymize"] is None
        answers.extend([await browser.ask(picture) for picture in pictures])

    talk(send)
    direct = pipeline(False)
    for k, answer in enumerate(answers):
        frame = Frame(decoded(pictures[k]), k, answer["time"], "camera")
        assert answer["faces"] == face_records(direct.process(frame).faces)
        assert (answer["type"], answer["number"]) == ("faces", k + 1)
        assert (answer["width"], answer["height"]) == (480, 270)
        assert answer["processing_ms"] > 0
    assert sorted(face["id"] for face in answers[-1]["faces"]) == [1, 2]
    assert all(face["age"] for face in answers[-1]["faces"])
    assert answers[-1]["colours"] == {"1": "#3cb4e6", "2": "#5acd6e"}


def test_the_pictures_of_a_camera_come_at_most_30_times_a_second(url, two_people):
    times = []

    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        await browser.send_all([jpeg(two_people(0))] * 8)  # without waiting for the answers
        times.extend([(await browser.answer())[0]["time"] for _ in range(8)])

    talk(send)
    assert times[-1] >= 7 / 30


def test_several_cameras_have_ids_of_their_own(url, two_people):
    async def send(session):
        browsers = [await Browser.open(session, url) for _ in range(3)]
        for browser in browsers:
            await browser.hello()
        for k in range(6):
            pictures = [two_people(k), two_people(k)[:, :240], np.zeros((90, 160, 3), np.uint8)]
            asked = zip(browsers, map(jpeg, pictures), strict=True)
            answers = await asyncio.gather(*(browser.ask(picture) for browser, picture in asked))
        assert [sorted(f["id"] for f in each["faces"]) for each in answers] == [[1, 2], [1], []]
        assert [each["number"] for each in answers] == [6, 6, 6]

    talk(send)


def test_a_camera_too_many_is_told_so_and_a_free_place_is_given_again(monkeypatch, two_people):
    monkeypatch.setattr(camera, "MAX_CAMERAS", 2)

    async def send(session):
        first, _ = [await Browser.open(session, address) for _ in range(2)]
        await first.hello()
        third = await Browser.open(session, address)
        assert await third.end() == (
            1013,
            "2 cameras are in use, which is the most: try again later",
        )
        await first.socket.close()
        again = await Browser.open(session, address)
        assert (await again.hello())["type"] == "hello"

    with serving() as address:
        talk(send)


def test_with_anonymize_the_covered_picture_comes_back(astronaut):
    content = jpeg(astronaut)

    async def send(session):
        browser = await Browser.open(session, address)
        assert (await browser.hello())["anonymize"] == "mask"
        await browser.send(content)
        header, picture = await browser.answer()
        assert (header["width"], header["height"], len(header["faces"])) == (512, 512, 1)
        covered = decoded(picture)
        left, top, right, bottom = np.rint(header["faces"][0]["box"]).astype(int)
        assert np.abs(covered[top:bottom, left:right] - np.array([52.0, 47, 43])).max() < 12
        same = np.abs(covered[400:].astype(int) - decoded(content)[400:]).mean()
        assert same < 3

    with serving(Options(serve_cameras=True, anonymize="mask")) as address:
        talk(send)


def bomb() -> bytes:
    """A JPEG of a few bytes whose header says 30000x30000 pixels."""
    content = bytearray(jpeg(np.zeros((8, 8, 3), np.uint8)))
    place = content.index(b"\xff\xc0")
    struct.pack_into(">HH", content, place + 5, 30_000, 30_000)
    return bytes(content)


def png() -> bytes:
    return cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def cut_off() -> bytes:
    rng = np.random.default_rng(0)
    content = jpeg(rng.integers(0, 255, (64, 64, 3), np.uint8))
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"no picture", 1007, "the picture is not a picture that can be read"),
        (b"", 1007, "a picture is empty"),
        (png(), 1007, "the picture is not a picture that can be read"),
        (cut_off(), 1007, "the picture is not a picture that can be read"),
        (bomb(), 1007, "the picture has 30000x30000 pixels, more than 2 million"),
        (jpeg(np.zeros((1001, 2000, 3), np.uint8)), 1007, "has 2000x1001 pixels, more than 2"),
    ],
    ids=["text", "nothing", "png", "cut off", "bomb", "pixels"],
)
def test_what_is_no_picture_ends_the_connection_with_a_reason(
    url, two_people, content, code, words
):
    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        await browser.ask(jpeg(two_people(0)))
        await browser.send(content)
        end = await browser.end()
        assert end[0] == code
        assert words in end[1]

    talk(send)


def test_a_message_of_too_many_bytes_ends_its_connection_alone(url, two_people):
    async def send(session):
        browser, other = [await Browser.open(session, url) for _ in range(2)]
        await browser.hello()
        await other.hello()
        with pytest.raises(ConnectionError):
            await browser.send_all([bytes(camera.MAX_MESSAGE)] * 3)
        assert (await other.ask(jpeg(two_people(0))))["number"] == 1

    talk(send)


def test_text_ends_the_connection_with_a_reason(url):
    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        await browser.socket.send_str('{"type": "view"}')
        assert await browser.end() == (1003, "text came in place of a picture")

    talk(send)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (12, 12)])
def test_tiny_and_narrow_pictures_are_answered(url, size):
    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        for _ in range(4):
            answer = await browser.ask(jpeg(np.full((*size, 3), 90, np.uint8)))
            assert (answer["height"], answer["width"], answer["faces"]) == (*size, [])

    talk(send)


def test_gray_and_changing_pictures_are_answered(url, astronaut):
    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        for width, height in ((512, 512), (320, 320), (256, 480)):
            gray = cv2.cvtColor(cv2.resize(astronaut, (width, height)), cv2.COLOR_BGR2GRAY)
            for _ in range(3):
                answer = await browser.ask(jpeg(gray))
            assert (answer["width"], answer["height"]) == (width, height)
            assert [face["id"] for face in answer["faces"]] == [1]

    talk(send)


def test_a_camera_without_pictures_is_closed_also_if_it_pings(monkeypatch):
    monkeypatch.setattr(camera, "IDLE_SECONDS", 0.6)

    async def send(session):
        browser = await Browser.open(session, address)
        await browser.hello()
        for _ in range(4):
            await browser.socket.ping()
            await asyncio.sleep(0.1)
        assert await browser.end() == (1008, "no picture came for 0.6 s")

    with serving() as address:
        talk(send)


def test_a_browser_that_leaves_in_the_middle_frees_its_place(monkeypatch, two_people):
    monkeypatch.setattr(camera, "MAX_CAMERAS", 1)

    async def send(session):
        for _ in range(4):
            browser = await Browser.open(session, address)
            assert (await browser.hello())["type"] == "hello"
            await browser.send(jpeg(two_people(0)))
            browser.socket._response.connection.transport.abort()
            await asyncio.sleep(0.2)

    with serving() as address:
        talk(send)


def test_without_the_option_there_is_no_camera():
    async def send(session):
        for path in ("camera", "api/camera"):
            async with session.get(f"{address}{path}") as response:
                assert response.status == 404

    with serving(Options()) as address:
        talk(send)


def test_exif_turns_a_picture_as_everywhere_else(url, tmp_path, astronaut):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(astronaut[:200, :300, ::-1]).save(tmp_path / "a.jpg", exif=exif)

    async def send(session):
        browser = await Browser.open(session, url)
        await browser.hello()
        answer = await browser.ask((tmp_path / "a.jpg").read_bytes())
        assert (answer["width"], answer["height"]) == (200, 300)

    talk(send)

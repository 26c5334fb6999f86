import asyncio
import gzip
import io
import socket
import struct
import threading
import time
import zlib
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession, FormData
from PIL import Image

from demo.frames import Frame
from demo.options import Options
from demo.records import face_records
from demo.web import analyze
from models.errors import ModelError
from tests.web.uploads import jpeg, pipeline, serving


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield f"{address}api/analyze"


def post(url, data, **headers):
    """Status, JSON and headers of the answer."""

    async def send():
        async with ClientSession() as session, session.post(url, data=data, headers=headers) as r:
            return r.status, await r.json(), r.headers

    return asyncio.run(send())


def form(**files) -> FormData:
    fields = FormData()
    for name, content in files.items():
        fields.add_field("photos", content, filename=name.replace("_", "."))
    return fields


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def direct(image) -> list[dict]:
    return face_records(pipeline(True).process(Frame(image, 0, 0.0, "a")).faces)


def test_each_photo_of_a_form_gets_the_faces_of_a_photo_pipeline(url, astronaut, two_people):
    both = two_people(0)
    status, answer, _ = post(url, form(first_png=png(astronaut), second_png=png(both)))
    assert status == 200
    blue, green = "#3cb4e6", "#5acd6e"
    assert answer["photos"] == [
        {
            "source": "first.png",
            "width": 512,
            "height": 512,
            "faces": direct(astronaut),
            "colours": {"1": blue},
        },
        {
            "source": "second.png",
            "width": 480,
            "height": 270,
            "faces": direct(both),
            "colours": {"1": blue, "2": green},
        },
    ]
    assert [len(photo["faces"]) for photo in answer["photos"]] == [1, 2]
    assert answer["photos"][0]["faces"][0]["age"] > 0


@pytest.mark.parametrize(("kind", "suffix"), [("jpeg", ".jpg"), ("png", ".png"), ("webp", ".webp")])
def test_a_photo_alone_is_the_body(url, astronaut, kind, suffix):
    content = cv2.imencode(suffix, astronaut)[1]
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    status, answer, _ = post(url, content.tobytes(), **{"Content-Type": f"image/{kind}"})
    assert (status, answer["photos"][0]["source"]) == (200, "photo")
    assert answer["photos"][0]["faces"] == direct(image)


def test_the_content_says_the_format_and_exif_turns_it(url, astronaut):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(astronaut)[:, :400, ::-1]).save(file, "JPEG", exif=exif, quality=95)
    status, answer, _ = post(url, form(photo_png=file.getvalue()))
    (photo,) = answer["photos"]
    assert (status, photo["width"], photo["height"]) == (200, 512, 400)
    upright = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert photo["faces"] == direct(upright)


def test_an_answer_of_covered_faces_holds_the_same_faces(astronaut):
    with serving(Options(anonymize="blur")) as url:
        status, answer, _ = post(f"{url}api/analyze", form(a_png=png(astronaut)))
    assert (status, len(answer["photos"][0]["faces"])) == (200, 1)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ("../../me.jpg", "me.jpg"),
        ("a\nb.jpg", "a\ufffdb.jpg"),
        ("x" * 300, "x" * 200),
        ("", "photo 1"),
        ("photos/", "photos"),
        ("名前.jpg", "名前.jpg"),
    ],
)
def test_the_name_of_a_photo_is_one_line_without_a_path(given, shown):
    assert analyze.file_name(given, 1) == shown


def huge_png() -> bytes:
    """A PNG whose header says 200 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(20_001))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def noise() -> bytes:
    return jpeg(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture at all", "a.jpg is not a picture that can be read"),
        (b"", "a.jpg is not a picture that can be read"),
        (noise()[:-500], "a.jpg is not a picture that can be read"),
        (cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), "a.jpg is not a pict"),
        (huge_png(), "a.jpg has 20000x10000 pixels, more than 40 million: make it smaller"),
    ],
    ids=["text", "empty", "cut off", "bmp", "bomb"],
)
def test_what_is_no_photo_is_one_clear_line(url, content, words):
    status, answer, _ = post(url, form(a_jpg=content))
    assert status == 422
    assert words in answer["error"]
    assert "\n" not in answer["error"]
    assert answer["photos"] == [{"source": "a.jpg", "error": answer["error"]}]


def test_a_photo_that_cannot_be_read_takes_nothing_from_the_others(url, astronaut):
    status, answer, _ = post(url, form(bad_jpg=b"text", good_png=png(astronaut)))
    bad, good = answer["photos"]
    assert (status, bad["source"], good["source"]) == (200, "bad.jpg", "good.png")
    assert "is not a picture" in bad["error"]
    assert good["faces"] == direct(astronaut)


@pytest.mark.parametrize(
    ("data", "kind", "status", "words"),
    [
        (b"/etc/passwd", "text/plain", 415, "the body is of type text/plain: send photos as mult"),
        (b"{}", "application/json", 415, "the body is of type application/json"),
        (b"", "multipart/form-data", 400, "the body is damaged: boundary missed"),
        (b"nonsense", "multipart/form-data; boundary=x", 400, "the body is damaged"),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400, "a part of the form is no file"),
        (
            b"--x\r\n\r\nabc",
            "multipart/form-data; boundary=x",
            400,
            "a part of the form is no file",
        ),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400, "the form holds no file"),
        (
            b'--x\r\nContent-Disposition: form-data; name="u"\r\n\r\nhttp://a/\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
            "a part of the form is no file: send files alone",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="u"; filename="a"\r\n\r\nabc',
            "multipart/form-data; boundary=x",
            400,
            "the body is damaged",
        ),
        (bytes(analyze.MAX_BODY + 1), "image/jpeg", 413, "the request has more than 20 MB"),
    ],
)
def test_requests_that_hold_no_photos_are_refused(url, data, kind, status, words):
    got, answer, _ = post(url, data, **{"Content-Type": kind})
    assert (got, list(answer)) == (status, ["error"])
    assert answer["error"].startswith(words)


def test_bodies_without_a_length_and_compressed_ones_are_bounded(url):
    async def endless():
        for _ in range(400):
            yield bytes(100_000)

    for kind in ("image/jpeg", "multipart/form-data; boundary=x"):
        status, answer, _ = post(url, endless(), **{"Content-Type": kind})
        assert status in (400, 413), answer
    bomb = gzip.compress(bytes(60_000_000))
    headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
    status, answer, _ = post(url, bomb, **headers)
    assert status == 413, answer


def test_a_form_holds_at_most_20_files_of_20_mb_together(url):
    status, answer, _ = post(url, form(**{f"{k}_jpg": b"a" for k in range(21)}))
    assert (status, answer["error"]) == (413, "more than 20 photos: send fewer at a time")
    halves = {f"{k}_jpg": bytes(7_000_000) for k in range(3)}
    status, answer, _ = post(url, form(**halves))
    assert (status, answer["error"]) == (413, analyze.TOO_MANY_BYTES)


def test_too_many_requests_are_told_when_to_come_again(astronaut):
    busy, done = threading.Semaphore(0), threading.Event()

    class Slow:
        def process(self, frame):
            busy.release()
            done.wait(20)
            return pipeline(True).process(frame)

    with serving(make=lambda photos: Slow()) as address:
        url, content = f"{address}api/analyze", png(astronaut)
        answers = []
        senders = [
            threading.Thread(target=lambda: answers.append(post(url, form(a_png=content))))
            for _ in range(analyze.MAX_REQUESTS)
        ]
        for sender in senders:
            sender.start()
        assert busy.acquire(timeout=20)
        deadline = time.monotonic() + 20
        while (refused := post(url, b"", **{"Content-Type": "image/png"}))[0] != 503:
            assert time.monotonic() < deadline
        assert refused[1] == {"error": "4 requests are being served: try again in 5 s"}
        assert refused[2]["Retry-After"] == "5"
        done.set()
        for sender in senders:
            sender.join()
        assert [(status, answer["photos"][0]["faces"]) for status, answer, _ in answers] == [
            (200, direct(astronaut))
        ] * analyze.MAX_REQUESTS
        assert post(url, form(a_png=content))[0] == 200


def test_a_body_that_does_not_arrive_gives_its_place_back(monkeypatch, astronaut):
    monkeypatch.setattr(analyze, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(analyze, "MAX_REQUESTS", 1)
    with serving() as address:
        place = urlsplit(address)
        head = (
            f"POST /api/analyze HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Content-Type: image/png\r\nContent-Length: 1000\r\n\r\nstart"
        )
        with socket.create_connection((place.hostname, place.port), timeout=20) as slow:
            slow.sendall(head.encode())
            answer = slow.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 408")
        assert "the photos took more than 0.4 s to arrive" in answer
        with socket.create_connection((place.hostname, place.port)) as leaver:
            leaver.sendall(head.encode())
        time.sleep(0.1)
        assert post(f"{address}api/analyze", form(a_png=png(astronaut)))[0] == 200


def test_networks_that_cannot_be_loaded_are_one_line(astronaut):
    def fail(photos):
        raise ModelError("weights.onnx is damaged: install it again")

    with serving(make=fail) as address:
        status, answer, _ = post(f"{address}api/analyze", form(a_png=png(astronaut)))
    assert (status, answer) == (500, {"error": "weights.onnx is damaged: install it again"})


def test_photos_are_analysed_while_cameras_and_others_are(url, astronaut):
    content, answers = png(astronaut), []
    senders = [
        threading.Thread(target=lambda: answers.append(post(url, form(a_png=content))))
        for _ in range(3)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [answer["photos"][0]["faces"] for _, answer, _ in answers] == [direct(astronaut)] * 3

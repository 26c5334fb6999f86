"""The camera page in Chromium, which takes the bundled clip for its camera."""

import base64
import json
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
import pytest

from demo.display.overlay import face_text
from demo.faces.anonymize import MASK
from demo.frames import Frame
from demo.options import Options
from demo.web import camera
from tests.web.browsing import another, chromium, findings, visit
from tests.web.uploads import decoded, pipeline, serving

pytestmark = pytest.mark.browser

CLIP = Path(__file__).resolve().parents[2] / "assets" / "demo.mp4"
CLIP_FRAMES = 60
DEVICE, GRANTED = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SENT_SIZE = (360, 640)  # height, width
WAIT = 20_000  # ms
NAME = "agestream.test"  # points to loopback, but is no local name for browsers
STATE = "state => document.querySelector('#state').textContent === state"
LABELLED = """() => [...document.querySelectorAll('#people tbody tr')]
  .filter((row) => row.cells[2].textContent).length >= 2"""


@pytest.fixture(scope="module")
def mjpeg(tmp_path_factory) -> Path:
    """The beginning of the bundled clip as Chromium's camera reads it."""
    path = tmp_path_factory.mktemp("camera") / "clip.mjpeg"
    quality = {"qmin": "2", "qmax": "4"}
    with av.open(str(CLIP)) as clip, av.open(str(path), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=25, options=quality)
        stream.width, stream.height, stream.pix_fmt = 960, 540, "yuvj420p"
        for k, frame in zip(range(CLIP_FRAMES), clip.decode(video=0), strict=False):
            image = frame.reformat(format="yuvj420p")
            image.pts, image.time_base = k, Fraction(1, 25)
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def browser(mjpeg) -> Iterator:
    with chromium(DEVICE, GRANTED, f"--use-file-for-fake-video-capture={mjpeg}") as started:
        yield started


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield f"{address}camera"


class Traffic:
    """What a page sends and receives over its socket."""

    def __init__(self, page) -> None:
        self.sent: dict[int, bytes] = {}  # JPEGs by number
        self.headers: dict[int, dict] = {}  # of answers, by number
        page.on("websocket", self.watch)

    def watch(self, socket) -> None:
        socket.on("framesent", self.send)
        socket.on("framereceived", self.receive)

    def send(self, content: bytes) -> None:
        (number,) = struct.unpack_from("<I", content)
        self.sent[number] = content[4:]

    def receive(self, content: str | bytes) -> None:
        if isinstance(content, bytes):
            (length,) = struct.unpack_from("<I", content)
            content = content[4 : 4 + length].decode()
        header = json.loads(content)
        self.headers[header.get("number", 0)] = header


def start(page, state: str = "live") -> None:
    page.click("#on")
    page.wait_for_function(STATE, arg=state, timeout=WAIT)


def pause(page) -> int:
    """Pause where two people are in view; the number of the picture that is shown."""
    page.wait_for_function(LABELLED, timeout=WAIT)
    two = "() => document.querySelector('.tile canvas').getAttribute('aria-label').includes('2 pe')"
    page.wait_for_function(two, timeout=WAIT)
    page.keyboard.press("Space")
    assert page.inner_text("#state") == "paused"
    page.wait_for_timeout(300)  # the last answer
    return int(page.locator(".tile canvas").get_attribute("data-frame"))


def shown(page) -> np.ndarray:
    """The pixels of the canvas (H, W, 3)."""
    data = page.evaluate("document.querySelector('.tile canvas').toDataURL()")
    return decoded(base64.b64decode(data.split(",")[1])).astype(int)


def drop(page, name: str, content: bytes) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([name, content]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
          for (const kind of ["dragenter", "drop"]) {
            const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
            document.querySelector("main").dispatchEvent(event);
          }
        }""",
        [name, base64.b64encode(content).decode()],
    )


def test_the_page_labels_the_faces_of_the_clip_and_lists_them(browser, url):
    with visit(browser, url) as visited:
        page = visited.page
        start(page)
        page.wait_for_function(LABELLED, timeout=WAIT)
        rows = page.locator("#people tbody tr").all_inner_texts()
        assert all("female" in row for row in rows if "–" in row)
        page.wait_for_function("() => Number(document.querySelector('#trip').textContent) > 0")
        page.click("#off")
        assert page.inner_text("#state") == "off"
        assert page.is_visible("#on")
        assert page.is_hidden("#people")
        assert page.inner_text("#trip") == "–"


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_picture_that_was_sent_is_drawn_with_its_own_answer(browser, url, mirrored):
    with visit(browser, url) as visited:
        page = visited.page
        traffic = Traffic(page)
        start(page)
        number = pause(page)
        if not mirrored:
            page.keyboard.press("m")
        with_boxes = shown(page)
        page.keyboard.press("b")
        page.keyboard.press("l")
        plain = shown(page)
    answer, (height, width) = traffic.headers[number], plain.shape[:2]
    sent = decoded(traffic.sent[number])
    assert sent.shape[:2] == SENT_SIZE == (answer["height"], answer["width"])
    expected = cv2.resize(sent[:, ::-1] if mirrored else sent, (width, height))
    assert np.abs(plain - expected).mean() < 2
    changed, scale = np.abs(with_boxes - plain).max(axis=2) > 40, width / SENT_SIZE[1]
    assert len(answer["faces"]) == 2
    for face in answer["faces"]:
        x1, _, x2, bottom = (round(v * scale) for v in face["box"])
        left, right = (width - x2, width - x1) if mirrored else (x1, x2)
        corner = changed[bottom - 12 : bottom]
        assert corner[:, left - 3 : left + 4].any(axis=1).all()
        assert corner[:, right - 3 : right + 4].any(axis=1).all()
        assert not changed[bottom - 40 : bottom - 10, left + 10 : right - 10].any()


def test_the_covered_picture_of_the_server_is_drawn(browser):
    covering = Options(serve_cameras=True, anonymize="mask")
    with serving(covering) as address, visit(browser, f"{address}camera") as visited:
        page = visited.page
        traffic = Traffic(page)
        start(page)
        number = pause(page)
        assert page.is_visible("#covered")
        page.keyboard.press("b")
        page.keyboard.press("l")
        picture = shown(page)
    width = picture.shape[1]
    faces = traffic.headers[number]["faces"]
    assert len(faces) == 2
    for face in faces:
        x1, y1, x2, y2 = (round(v * width / SENT_SIZE[1]) for v in face["box"])
        covered = picture[y1 + 2 : y2 - 2, width - x2 + 2 : width - x1 - 2]
        assert np.abs(covered - np.array(MASK)).max() < 16


def test_a_dropped_photo_is_shown_with_its_faces(browser, url, astronaut):
    faces = pipeline(True).process(Frame(astronaut, 0, 0.0, "a")).faces
    age, low, high = (float(x[0]) for x in (faces.ages, faces.age_low, faces.age_high))
    label = face_text(age, max(age - low, high - age), float(faces.male_probs[0]))
    with visit(browser, url) as visited:
        page = visited.page
        drop(page, "me.png", cv2.imencode(".png", astronaut)[1].tobytes())
        page.wait_for_selector(".photo canvas[data-faces='1']", timeout=WAIT)
        assert page.is_hidden("#drop")
        assert page.inner_text(".photo .name") == "me.png"
        assert page.inner_text(".photo .soft") == f"1 person: {label}"
        page.click(".photo button")
        assert page.is_hidden("#results")


def test_a_file_that_is_no_photo_is_said_to_be_none(browser, url):
    with visit(browser, url) as visited:
        page = visited.page
        drop(page, "notes.png", b"no photo")
        page.wait_for_selector(".photo .error", timeout=WAIT)
        assert page.inner_text(".photo .error").startswith("notes.png is not a picture")
        (error,) = visited.errors
        assert "422" in error
        visited.errors.clear()


@pytest.mark.parametrize(
    ("flags", "host", "words"),
    [
        ((DEVICE,), "127.0.0.1", "The camera was refused. Allow it"),
        ((GRANTED,), "127.0.0.1", "There is no camera on this device"),
        ((DEVICE, GRANTED), NAME, "Browsers give the camera only to pages over HTTPS"),
    ],
    ids=["refused", "absent", "plain http"],
)
def test_the_page_says_why_there_is_no_camera(browser, flags, host, words):
    resolve = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
    with ExitStack() as stack:
        own = stack.enter_context(another(browser, resolve, *flags))
        address = stack.enter_context(serving(names=(NAME,)))
        place = address.replace("127.0.0.1", host)
        visited = stack.enter_context(visit(own, f"{place}camera"))
        page = visited.page
        page.click("#on")
        page.wait_for_selector("#message:not([hidden])")
        assert page.inner_text("#message").startswith(words)
        assert page.is_enabled("#on")
        visited.errors.clear()  # of plain HTTP: headers that it does not take


def test_the_page_connects_again_when_the_server_is_back(browser):
    with ExitStack() as later:
        with serving() as address:
            visited = later.enter_context(visit(browser, f"{address}camera"))
            page = visited.page
            start(page)
        page.wait_for_function(STATE, arg="not connected, trying again")
        assert page.is_visible(".tile .note")
        with serving(port=urlsplit(address).port or 0):
            page.wait_for_function(STATE, arg="live", timeout=WAIT)
            assert page.is_hidden(".tile .note")
            page.click("#off")
        visited.errors.clear()  # of failed attempts


def test_a_hidden_page_sends_nothing_and_goes_on_when_it_is_seen(browser, url):
    with visit(browser, url) as visited:
        page = visited.page
        traffic = Traffic(page)
        start(page)
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away })")
        for away in (True, False):
            page.evaluate(
                """away => {
                  window.away = away;
                  document.dispatchEvent(new Event("visibilitychange"));
                }""",
                away,
            )
            page.wait_for_timeout(300)  # the picture on its way
            before = len(traffic.sent)
            page.wait_for_timeout(700)
            assert (len(traffic.sent) == before) is away


def test_a_page_too_many_shows_the_words_of_the_server(browser, monkeypatch):
    monkeypatch.setattr(camera, "MAX_CAMERAS", 0)
    with serving() as address, visit(browser, f"{address}camera") as visited:
        page = visited.page
        start(page, "not connected, trying again")
        assert page.inner_text(".tile .note").startswith("0 cameras are in use, which is the most")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits(browser, url, astronaut, scheme, size):
    with visit(browser, url, viewport=size, color_scheme=scheme) as visited:
        page = visited.page
        assert findings(page) == []
        start(page)
        drop(page, "me.png", cv2.imencode(".png", astronaut)[1].tobytes())
        page.wait_for_selector(".photo canvas", timeout=WAIT)
        assert findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_keyboard_is_enough(browser, url):
    with visit(browser, url) as visited:
        page = visited.page
        page.locator("#on").focus()
        page.keyboard.press("Enter")
        page.wait_for_function(STATE, arg="live")
        assert page.evaluate("document.activeElement.id") == "pause"
        with page.expect_download() as download:
            page.keyboard.press("s")
        assert download.value.suggested_filename.startswith("agestream-Your_camera-")
        page.keyboard.press(" ")
        page.wait_for_function(STATE, arg="paused")
        page.locator("#off").press("Enter")
        page.wait_for_function(STATE, arg="off")
        assert page.evaluate("document.activeElement.id") == "on"

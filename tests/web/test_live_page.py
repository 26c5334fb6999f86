"""The live page in Chromium, on a real run of two cameras that show the bundled clip."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from demo.display.overlay import face_text, id_colour
from demo.web.addresses import Address
from demo.web.server import Listening, WebServer
from tests.synthetic import Broadcast, jpeg
from tests.web.browsing import chromium, findings, visit
from tests.web.serving import served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "assets" / "demo.mp4"
CLIP_SIZE = (960, 540)
START_SECONDS = 40.0
DESKTOP: Any = {"width": 1100, "height": 700}
PHONE: Any = {"width": 390, "height": 844}


class Run:
    """stream.py on cameras, served at one port even after `stop` and `start`."""

    def __init__(self, cameras: list[Broadcast], folder: Path) -> None:
        self.cameras = cameras
        self.names = [camera.address() for camera in cameras]
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start, and wait for pictures of all cameras."""
        sources = [part for name in self.names for part in ("-s", name)]
        output = self._folder / f"{time.monotonic_ns()}.mp4"
        command = ["stream.py", *sources, "--no-display", "--quality", "small", "-o", str(output)]
        command += ["--serve", str(self.port)]
        with (self._folder / "stderr").open("w") as stderr:
            self.process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=stderr)
        end = time.monotonic() + START_SECONDS
        while not self._runs():
            assert time.monotonic() < end, (self._folder / "stderr").read_text()
            time.sleep(0.1)

    def stop(self, number: int) -> None:
        """End by a signal."""
        if self.process:
            self.process.send_signal(number)
            self.process.wait(20)

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events as they come: kind and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/api/events")
        kind = ""
        for line in connection.getresponse():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            if name == "data":
                yield kind, json.loads(value)

    def _runs(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/sources")
            sources = json.loads(connection.getresponse().read())["sources"]
            return all(source["frames"] for source in sources)
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(browser, tmp_path_factory):
    """A run of two cameras; the second is half a clip ahead."""
    pictures = clip_pictures()
    half = len(pictures) // 2
    cameras = [
        Broadcast(lambda k: pictures[k % len(pictures)]),
        Broadcast(lambda k: pictures[(k + half) % len(pictures)]),
    ]
    made = Run(cameras, tmp_path_factory.mktemp("run"))
    made.start()
    yield made
    made.stop(signal.SIGKILL)
    for camera in cameras:
        camera.kill()


def clip_pictures() -> list[bytes]:
    """The bundled clip forwards and backwards, so that nobody jumps."""
    capture, pictures = cv2.VideoCapture(str(CLIP)), []
    while (read := capture.read())[0]:
        pictures.append(jpeg(read[1]))
    return pictures + pictures[-2:0:-1]


class Records:
    """The records of a run by source and frame, from /api/events."""

    def __init__(self, run: Run) -> None:
        self.faces: dict[tuple[str, int], list[dict[str, Any]]] = {}
        threading.Thread(target=self._take, args=(run,), daemon=True).start()

    def _take(self, run: Run) -> None:
        for kind, record in run.events():
            if kind == "frame":
                self.faces[record["source"], record["frame"]] = record["faces"]

    def of(self, source: str, frame: int) -> list[dict[str, Any]]:
        """The confirmed faces of a frame."""
        return [face for face in self.faces[source, frame] if face["id"] >= 1]


def moves(page, tile: int = 0) -> None:
    """Wait until a tile shows a newer frame."""
    seen = page.locator("canvas").nth(tile).get_attribute("data-frame")
    page.wait_for_function(
        """([tile, seen]) => {
          const now = document.querySelectorAll("canvas")[tile].dataset.frame;
          return now !== undefined && now !== seen;
        }""",
        arg=[tile, seen],
    )


def frame_of(page, tile: int = 0) -> int:
    return int(page.locator("canvas").nth(tile).get_attribute("data-frame"))


def pixels_of(page, tile: int) -> np.ndarray:
    """The canvas of a tile, (H, W, 3) uint8 RGB."""
    data = page.evaluate("(tile) => document.querySelectorAll('canvas')[tile].toDataURL()", tile)
    encoded = BytesIO(b64decode(data.partition(",")[2]))
    return np.asarray(Image.open(encoded).convert("RGB"))


def coloured_corners(pixels: np.ndarray, face: dict[str, Any], colour: tuple[int, ...]) -> int:
    """How many corners of a face's box have the colour, to a pixel."""
    scale = np.array(pixels.shape[1::-1]) / CLIP_SIZE
    x1, y1, x2, y2 = np.rint(np.array(face["box"]) * np.tile(scale, 2)).astype(int)
    count = 0
    for x, y in ((x1, y1), (x2, y1), (x1, y2), (x2, y2)):
        near = pixels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        count += bool((near == colour).all(axis=2).any())
    return count


def colour_of(face: dict[str, Any]) -> tuple[int, ...]:
    """RGB."""
    return id_colour(face["id"])[::-1]


def pause_with_people(page, run: Run, records: Records) -> None:
    """Pause at frames that show somebody in each tile, whose records have arrived."""
    for _ in range(10):
        page.keyboard.press(" ")
        page.wait_for_timeout(200)  # a picture on its way
        shown = [(name, frame_of(page, tile)) for tile, name in enumerate(run.names)]
        end = time.monotonic() + 5
        while not all(key in records.faces for key in shown) and time.monotonic() < end:
            page.wait_for_timeout(50)
        if all(records.of(*key) for key in shown):
            return
        page.keyboard.press(" ")
        page.wait_for_timeout(200)
    raise AssertionError("nobody was in view")


def rows(page) -> list[list[str]]:
    """The people listed who have not left, without their times: id, gender and age, range."""
    return [
        row.locator("td").all_text_contents()[:3]
        for row in page.locator("#people tr[data-id]:not(.gone)").all()
    ]


def listed(face: dict[str, Any]) -> list[str]:
    """How the list names a face of the log."""
    nan = float("nan")
    age, male = (nan if face[k] is None else face[k] for k in ("age", "male"))
    low, high = face["age_low"], face["age_high"]
    return [
        str(face["id"]),
        face_text(age, nan, male),
        "" if low is None or high is None else f"{low:.0f}–{high:.0f}",
    ]


def test_boxes_labels_and_the_list_are_those_of_the_very_frame_that_is_shown(browser, run):
    records = Records(run)
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        page = visited.page
        for tile in (0, 1):
            moves(page, tile)
        pause_with_people(page, run, records)
        people = []
        for tile, source in enumerate(run.names):
            faces = records.of(source, frame_of(page, tile))
            people += [listed(face) for face in sorted(faces, key=lambda face: face["id"])]
            pixels = pixels_of(page, tile)
            assert all(coloured_corners(pixels, face, colour_of(face)) >= 3 for face in faces)
            count = "1 person" if len(faces) == 1 else f"{len(faces)} people"
            label = page.locator("canvas").nth(tile).get_attribute("aria-label")
            assert label == f"{source}: {count} in view"
        page.wait_for_timeout(2400)  # those who have left are gone
        assert rows(page) == people
        assert {words.split()[0] for _, words, _ in people} <= {"female", "male", "…"}

        shown = pixels_of(page, 0)
        first = records.of(run.names[0], frame_of(page, 0))
        page.keyboard.press("b")
        assert all(coloured_corners(pixels_of(page, 0), f, colour_of(f)) < 3 for f in first)
        page.keyboard.press("l")
        bare = pixels_of(page, 0)
        assert all((bare == colour_of(face)).all(axis=2).sum() < 20 for face in first)
        page.keyboard.press("b")
        page.keyboard.press("l")
        assert np.array_equal(pixels_of(page, 0), shown)


def test_keys_pause_enlarge_save_and_help(browser, run):
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        page = visited.page
        moves(page, 1)
        page.keyboard.press(" ")
        page.wait_for_timeout(200)
        before = frame_of(page)
        page.wait_for_timeout(300)
        assert frame_of(page) == before
        assert page.locator(".note").first.text_content() == "paused"
        page.keyboard.press(" ")
        moves(page)

        page.locator(".tile .cover").nth(1).focus()
        page.keyboard.press("Enter")
        assert page.locator(".tile.large").get_attribute("aria-label") == run.names[1]
        with page.expect_download() as download:
            page.keyboard.press("s")
        assert Image.open(download.value.path()).size == CLIP_SIZE
        page.keyboard.press("f")
        page.wait_for_function("() => document.fullscreenElement?.classList.contains('full')")
        moves(page, 1)
        page.keyboard.press("Escape")
        page.wait_for_function(
            "() => !document.fullscreenElement && !document.querySelector('.full')"
        )
        page.keyboard.press("Escape")
        assert page.locator(".tile.large").count() == 0
        with page.expect_download() as download:
            page.keyboard.press("s")
        width, height = CLIP_SIZE
        assert Image.open(download.value.path()).size == (2 * width, height)

        page.keyboard.press("?")
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0


def test_a_button_stops_and_starts_the_recording(browser, run):
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        button = visited.page.locator("#record")
        button.filter(has_text="Recording").wait_for()
        assert ".mp4" in str(button.text_content())
        button.click()
        visited.page.wait_for_function(
            "() => document.getElementById('record').getAttribute('aria-pressed') === 'false'"
        )
        button.click()
        button.filter(has_text="Recording").wait_for()


def test_a_hidden_tab_wants_no_pictures_until_it_is_back(browser, run):
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        page, views = visited.page, []
        page.on("websocket", lambda ws: ws.on("framesent", lambda sent: views.append(sent)))
        page.reload()
        moves(page)
        hide = """(now) => {
          Object.defineProperty(document, "hidden", { value: now, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
        page.evaluate(hide, True)
        page.wait_for_timeout(200)
        before = frame_of(page)
        page.wait_for_timeout(300)
        assert frame_of(page) == before
        sizes = [json.loads(sent)["widths"] for sent in views if '"view"' in sent]
        assert list(sizes[-1].values()) == [0, 0]
        page.evaluate(hide, False)
        moves(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_the_page_on_desktop_and_phone(browser, run, scheme):
    options = {"color_scheme": scheme, "device_scale_factor": 2}
    with visit(browser, run.url, viewport=PHONE, **options) as visited:
        page = visited.page
        moves(page)
        page.locator("#plot-ages svg").wait_for()
        assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
        shape = "[...document.querySelectorAll('canvas')].map((c) => [c.width, 2 * c.clientWidth])"
        for width, exact in page.evaluate(shape):
            assert abs(width - exact) <= 1
        assert findings(page) == []
        page.set_viewport_size(DESKTOP)
        moves(page)
        assert findings(page) == []


def test_a_camera_that_is_lost_is_named_and_comes_back(browser, run):
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        page, note = visited.page, visited.page.locator(".note").nth(1)
        moves(page, 1)
        run.cameras[1].kill()
        note.filter(has_text="camera lost, reconnecting").wait_for(timeout=10_000)
        assert f"{run.names[1]}: stream lost" in page.locator("#notice-list").inner_text()
        with visit(browser, run.url, viewport=PHONE) as later:
            later.page.locator(".note").nth(1).filter(has_text="camera lost").wait_for()
        page.wait_for_function("() => document.querySelectorAll('#people tbody')[1].hidden")
        moves(page, 0)
        run.cameras[1].start()
        note.wait_for(state="hidden", timeout=15_000)
        moves(page, 1)
        assert f"{run.names[1]}: back after" in page.locator("#notice-list").inner_text()


def test_without_the_token_the_page_says_what_to_do(browser):
    with served(token="a-token") as first:
        first.write(0)
        url = f"{first.server.url}?token=a-token"
        with visit(browser, url, viewport=DESKTOP) as visited:
            page = visited.page
            page.locator("canvas[data-frame]").wait_for()
            assert "token" not in page.url
            visited.context.clear_cookies()
            first.server.close()
            address = Address("127.0.0.1", first.port)
            again = WebServer(first.server._context, Listening(address, "a-token"))
            try:
                page.locator("#message").filter(has_text="?token=").wait_for(timeout=15_000)
            finally:
                again.close()
            visited.errors.clear()  # the browser notes refused requests


def test_the_page_comes_back_after_the_server_and_keeps_the_last_picture_of_a_run(browser, run):
    with visit(browser, run.url, viewport=DESKTOP) as visited:
        page, state = visited.page, visited.page.locator("#state")
        moves(page)
        page.evaluate("window.same = true")
        run.stop(signal.SIGKILL)
        state.filter(has_text="not connected, trying again").wait_for()
        run.start()
        state.filter(has_text="live").wait_for(timeout=15_000)
        moves(page)
        assert page.evaluate("window.same")
        run.stop(signal.SIGTERM)
        state.filter(has_text="ended").wait_for()
        assert page.locator(".note").first.text_content() == "the run has ended"
        assert pixels_of(page, 0).std() > 10
        visited.errors.clear()  # the browser notes refused connections

"""A real page in Chromium without a window, and what a script in it measures."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from demo.bench.web.code import READER
from demo.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # needed by root, as in CI; only our own pages are opened
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_BUTTON = "#on"  # of /camera
FULL_KEY = "f"  # of the live page
PATIENCE_MS = 20_000  # for a page to load
WARM_UP_SECONDS = 4.0  # of a camera: opening it, loading networks
COUNT = "[window.answers.length, Date.now()]"

# Date.now() and Python's time.time() are one clock on one machine.
DRAWN_SCRIPT = f"""
(() => {{
{READER}
window.drawn = [];
const page = CanvasRenderingContext2D.prototype, draw = page.drawImage;
page.drawImage = function (image, ...place) {{
  draw.call(this, image, ...place);
  if (image instanceof ImageBitmap) {{
    const moment = Date.now();
    window.drawn.push([window.numberOf(image), moment, image.width]);
  }}
}};
}})();
"""
ANSWERS_SCRIPT = """
window.answers = [];
window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.addEventListener("message", () => window.answers.push(Date.now()));
  }
};
"""


class Window(NamedTuple):
    """The window of a browser."""

    width: int  # pixels
    height: int
    full: bool = False  # the picture fills it


class Drawn(NamedTuple):
    """A picture that the page drew."""

    number: int | None  # of its code; None where it could not be read
    moment: float  # time.time() after it was drawn
    width: int  # pixels, as it was sent


def browser_path() -> str:
    """The program. Raises UserError where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise UserError("--serve measures in Chromium: install it, or name it chromium on the PATH")
    return path


@contextmanager
def opened(url: str, script: str, window: Window, flags: Sequence[str] = ()) -> "Iterator[Page]":
    """A page in a browser of its own, in which the script ran first. Raises UserError where it does
    not load."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path(), args=[*FLAGS, *flags])
        try:
            page = browser.new_page(viewport={"width": window.width, "height": window.height})
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(script)
            page.goto(url)
            if window.full:
                page.keyboard.press(FULL_KEY)
            yield page
        except Error as error:
            raise UserError(f"{url} in Chromium: {error.message.splitlines()[0]}") from None
        finally:
            browser.close()


def drawn(page: "Page") -> list[Drawn]:
    """The pictures that the page drew, each the first time."""
    pictures = page.evaluate("window.drawn")
    first: dict[int | None, Drawn] = {}
    for number, milliseconds, width in pictures:
        first.setdefault(number, Drawn(number, milliseconds / 1e3, width))
    return list(first.values())


def answers_per_second(page: "Page", seconds: float) -> float:
    """Start the camera of the page and count the answers to its pictures, after a while. Raises
    UserError where none come."""
    page.click(START_BUTTON)
    page.wait_for_timeout(WARM_UP_SECONDS * 1e3)
    before, start = page.evaluate(COUNT)
    page.wait_for_timeout(seconds * 1e3)
    after, end = page.evaluate(COUNT)
    if after == before:
        raise UserError(f"{page.url} in Chromium: no answers to the pictures of the camera")
    return float((after - before) / (end - start) * 1e3)

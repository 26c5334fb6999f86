"""The page of the API in Chromium."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from demo.options import Options
from demo.web.calls import CALLS
from tests.imports import ROOT
from tests.web.browsing import chromium, findings, visit
from tests.web.serving import served
from tests.web.uploads import serving

pytestmark = pytest.mark.browser

PHOTO = ROOT / "assets" / "screenshot.jpg"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as started:
        yield started


def form(page, path: str):
    return page.get_by_role("form", name=f"Try {path}", exact=True)


def attempt(page, path: str) -> tuple[str, str]:
    """Try a call; the state and the answer that are shown."""
    tried = form(page, path)
    tried.get_by_role("button", name="Try it").click()
    answer = tried.locator(".answer")
    answer.wait_for()
    return tried.get_by_role("status").inner_text(), answer.inner_text()


def test_every_call_is_shown_and_those_with_an_end_can_be_tried(browser) -> None:
    with served() as run, visit(browser, f"{run.server.url}api", viewport=DESKTOP) as visited:
        page = visited.page
        page.locator(".call").first.wait_for()
        shown = {tuple(text.split("\n")[:2]) for text in page.locator(".call h3").all_inner_texts()}
        calls = [call for call in CALLS if not call.needs]
        assert shown == {(call.method.upper(), call.path) for call in calls}
        buttons = page.locator("form:has(button)").evaluate_all(
            "(forms) => forms.map((form) => form.getAttribute('aria-label'))"
        )
        assert set(buttons) == {f"Try {call.path}" for call in calls if call.kind == "questions"}
        assert page.locator("#link-history").is_hidden()
        run.write(count=2)
        state, answer = attempt(page, "/api/people")
        assert state.startswith("200 OK, ")
        assert [face["id"] for face in json.loads(answer)["in_view"]] == [1, 2]
        assert attempt(page, "/metrics")[1].count("agestream_frames_total{") == 1


def test_the_command_has_the_parameters_and_works(browser) -> None:
    names = ("cam", "http://camera/it's&more")
    with served(names=names) as run, visit(browser, f"{run.server.url}api") as visited:
        stream = form(visited.page, "/stream.mjpg")
        stream.get_by_label("source").select_option(names[1])
        stream.get_by_label("width").fill("320")
        command = stream.locator(".example").inner_text()
        assert command.startswith("curl -N ")
        run.write(source=names[1])
        shell = ["bash", "-c", f"{command.replace('curl', 'curl -s -m 1', 1)} | head -c 7"]
        assert subprocess.run(shell, capture_output=True, check=False).stdout == b"--frame"


def test_a_photo_is_analyzed_and_a_form_without_one_is_not_sent(browser) -> None:
    with serving() as url, visit(browser, f"{url}api") as visited:
        tried = form(visited.page, "/api/analyze")
        tried.get_by_role("button", name="Try it").click()
        assert tried.get_by_role("status").inner_text() == ""
        tried.locator("input[type=file]").set_input_files(str(PHOTO))
        state, answer = attempt(visited.page, "/api/analyze")
        assert state.startswith("200 OK, ")
        (photo,) = json.loads(answer)["photos"]
        assert (photo["source"], len(photo["faces"])) == ("screenshot.jpg", 3)


def test_a_mistake_is_shown_as_the_server_says_it(browser, tmp_path) -> None:
    options = Options(store=tmp_path / "visits.db")
    with served(options) as run, visit(browser, f"{run.server.url}api") as visited:
        form(visited.page, "/api/history").get_by_label("since").fill("yesterday")
        state, answer = attempt(visited.page, "/api/history")
        assert state.startswith("400 Bad Request, ")
        assert "yesterday" in json.loads(answer)["error"]
        visited.errors.clear()  # Chromium reports every status of 400 and more


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")]
)
def test_the_page_fits_screens_and_readers(browser, size, scheme) -> None:
    options = {"viewport": size, "color_scheme": scheme}
    with served() as run, visit(browser, f"{run.server.url}api", **options) as visited:
        visited.page.locator(".call").first.wait_for()
        attempt(visited.page, "/api/openapi.json")
        assert visited.page.evaluate("document.documentElement.scrollWidth") == size["width"]
        assert findings(visited.page) == []

"""The history page in Chromium."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from demo.history.tally import Minute
from demo.options import Options
from tests.history.made import database, visit
from tests.web.serving import Served, served

CHROMIUM = which("chromium") or which("chromium-browser")
QUIET = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent"),
]


def today(hour: int, days: int = 0) -> str:
    day = datetime.now().replace(hour=hour, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=days)).isoformat()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """Visits of yesterday and of forty days ago."""
    seen = [
        visit(1, today(10, 1), 20.0, 34.0, 0.1),
        visit(2, today(11, 1), 90.0, 61.0, 0.9),
        visit(3, today(11, 1), 30.0, None, float("nan")),
        visit(4, today(10, 40), 20.0, 30.0, 0.9),
    ]
    seen[2].male, seen[2].source = None, "<b>door</b>"
    minute = Minute(int(seen[1].first_seen), "0", 1500, 4, 2, set(seen[1:3]))
    path = database(tmp_path / "visits.db", seen, [minute])
    with served(Options(store=path)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as tool:
        yield tool.chromium.launch(executable_path=CHROMIUM, args=QUIET)


@pytest.fixture
def opened(server: Served, browser: Any) -> Callable[..., AbstractContextManager[Any]]:
    """Opens the history page until it shows `ready`; it has no error but refusals of the server,
    and asks no other server."""

    @contextmanager
    def open_page(query: str = "", ready: str = "#totals tr", **options: Any) -> Iterator[Any]:
        faults: list[str] = []
        address = server.server.url
        with browser.new_context(**options) as context:
            page = context.new_page()
            page.on("console", lambda message: faults.append(message.text))
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", lambda each: each.url.startswith(address) or faults.append(each.url))
            page.goto(f"{address}history{query}")
            page.wait_for_selector(ready)
            yield page
        assert [fault for fault in faults if "400 (Bad Request)" not in fault] == []

    return open_page


def expect(page: Any, selector: str) -> Any:
    """Waits for what elements show; the page's policy allows no other way."""
    from playwright.sync_api import expect as expected

    return expected(page.locator(selector))


def cells(page: Any, table: str) -> list[list[str]]:
    """The text of a table by its rows."""
    rows = page.query_selector_all(f"#{table} tr")
    return [[cell.inner_text() for cell in row.query_selector_all("th, td")] for row in rows]


def test_the_page_shows_days_then_hours_and_weeks_of_the_source_asked_for(opened):
    with opened() as page:
        assert [row[1:] for row in cells(page, "totals")] == [
            ["3", "1", "1", "1", "0:46", "2", "4"]
        ]
        assert page.inner_text("#people") == "3"
        bars = "#plot-visits rect"
        titles = page.eval_on_selector_all(f"{bars} title", "all => all.map(e => e.textContent)")
        assert [title.split(",")[0] for title in titles] == ["female", "male", "unknown"]
        assert all(title.endswith(": 1") for title in titles)
        label = page.get_attribute("#plot-visits svg", "aria-label")
        assert label == "Visits by day: female 1, male 1, unknown 1"
        sources = [row[-1] for row in cells(page, "newest")]
        assert sorted(sources) == ["0", "0", "<b>door</b>"]

        page.check("input[value=hour]")
        expect(page, "#totals tr").to_have_count(2)
        assert [row[1] for row in cells(page, "totals")] == ["2", "1"]

        page.select_option("select[name=source]", "<b>door</b>")
        expect(page, "#totals tr").to_have_count(1)
        assert cells(page, "totals")[0][1] == "1"

        page.check("input[value=week]")
        page.select_option("select[name=source]", "")
        expect(page, "#people").to_have_text("4")
        assert len(cells(page, "totals")) == 2
        address = page.url
    with opened("?" + address.split("?")[1]) as page:
        assert page.inner_text("#people") == "4"
        assert page.is_checked("input[value=week]")


def test_the_tables_download_as_csv(opened, tmp_path):
    with opened("?by=week") as page:
        for link, name, rows in (
            ("#totals-csv", "by-week.csv", 2),
            ("#visits-csv", "visits.csv", 4),
        ):
            with page.expect_download() as started:
                page.click(link)
            assert started.value.suggested_filename == name
            started.value.save_as(tmp_path / name)
            assert (tmp_path / name).read_text().count("\n") == rows + 1


def test_the_choice_works_by_keyboard(opened):
    with opened() as page:
        page.focus("input[value=day]")
        page.keyboard.press("ArrowRight")
        expect(page, "#people").to_have_text("4")
        assert page.is_checked("input[value=week]")
        assert "by=week" in page.url


def test_a_mistake_in_the_address_is_told_until_it_is_mended(opened):
    query = "?by=hour&since=1000-01-01"
    with opened(query, "#message:not([hidden])") as page:
        assert page.inner_text("#message").startswith("more than 10000 periods of one hour")
        page.fill("input[name=since]", today(0, 1)[:10])
        expect(page, "#totals tr").to_have_count(2)
        expect(page, "#message").to_be_hidden()


def test_the_page_finds_its_way_back_when_the_server_was_gone(opened):
    with opened() as page:
        page.route("**/api/history?*", lambda route: route.fulfill(status=200, body="no JSON"))
        page.check("input[value=hour]")
        page.wait_for_selector("#state.bad")
        page.unroute("**/api/history?*")
        page.wait_for_selector("#state.good", timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_screen_and_everyone_can_use_it(opened, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    size = {"width": width, "height": 800}
    with opened(viewport=size, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["impact"]) for each in found] == []

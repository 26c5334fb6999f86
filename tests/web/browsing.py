"""Chromium, and pages that note what goes wrong in them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SERIOUS = ("serious", "critical")


@contextmanager
def chromium(*flags: str) -> "Iterator[Browser]":
    """A browser without a window, or a skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*QUIET, *flags])
        yield browser
        browser.close()


@contextmanager
def another(browser: "Browser", *flags: str) -> "Iterator[Browser]":
    """A second browser beside one, with other flags."""
    path = next(filter(None, map(shutil.which, NAMES)))
    second = browser.browser_type.launch(executable_path=path, args=[*QUIET, *flags])
    yield second
    second.close()


class Visit:
    """A page that was opened, with the errors in its console and its requests elsewhere."""

    def __init__(self, browser: "Browser", url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        own = (urljoin(url, "/"), "blob:", "data:")
        self.page.on(
            "request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url)
        )
        self.page.goto(url)


@contextmanager
def visit(browser: "Browser", url: str, **options: Any) -> Iterator[Visit]:
    """Open a page in a context of its own; nothing may have gone wrong in it at the end."""
    visited = Visit(browser, url, **options)
    try:
        yield visited
        assert (visited.errors, visited.foreign) == ([], [])
    finally:
        visited.context.close()


def findings(page: "Page") -> list[str]:
    """What the accessibility checker axe finds that is serious."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    violations = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}"
        for each in violations
        if each["impact"] in SERIOUS
    ]

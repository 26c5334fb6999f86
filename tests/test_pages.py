"""The pages for readers: their size, links, options and Python lines."""

import re
from pathlib import Path

import pytest

from demo.arguments import parser
from tests.imports import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", ".github/*.md", "demo/*.md", "models/*.md", "models/results/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.S)


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_front_page_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 7000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not anchor or anchor in headings(target), anchor


def test_the_page_for_use_names_every_option_of_the_command() -> None:
    text = (ROOT / "demo" / "README.md").read_text(encoding="utf-8")
    options = re.findall(r"--[a-z][a-z-]+", parser().format_help())
    missing = {option for option in options if option not in text}
    assert missing <= {"--help", "--version", "--source", "--output"}  # -s and -o are named


def test_the_python_lines_of_the_front_page_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = FENCED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (lines,) = [code for language, code in blocks if language == "python"]
    exec(lines, {})
    assert capsys.readouterr().out.startswith("0.0 [{'id': 1, 'box': [")

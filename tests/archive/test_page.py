"""The section about archives on the page for use."""

import re

import pytest

from demo.archive.__main__ import parser
from demo.archive.ledger import Ledger
from demo.archive.schema import FACES, PEOPLE, SCHEMA_VERSION
from demo.archive.work import work
from tests.archive.made import options, video
from tests.imports import ROOT


@pytest.fixture(scope="module")
def section() -> str:
    page = (ROOT / "demo" / "README.md").read_text("utf-8")
    return page.partition("\n## Archives\n")[2].partition("\n## ")[0]


def test_the_section_has_every_option_that_is_not_one_of_stream_py(section):
    options = set(re.findall(r"--[a-z][a-z-]+", parser().format_help()))
    page = (ROOT / "demo" / "README.md").read_text("utf-8")
    assert {option for option in options if option not in page} == {"--help"}
    assert {"--list", "--workers", "--retry-dead", "--json", "--status", "--out"} <= set(
        re.findall(r"--[a-z-]+", section)
    )


def test_the_table_of_columns_is_the_schema(section):
    assert f"version {SCHEMA_VERSION} " in section
    table = section.partition("| column | type |")[2].partition("\n\n")[0]
    found: tuple[dict, dict] = ({}, {})
    for line in table.splitlines()[2:]:
        names, kind, *meanings = (cell.strip() for cell in line.split("|")[1:-1])
        for columns, meaning in zip(found, meanings, strict=True):
            if meaning:
                columns.update(dict.fromkeys(re.findall(r"`(\w+)`", names), kind))
    assert found == (FACES, PEOPLE)


def test_the_example_runs(section, clip, tmp_path, monkeypatch, capsys):
    ledger = Ledger(tmp_path / "results")
    ledger.prepare()
    work(video(clip), options(ledger.out))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.S)
    exec(code, {})
    printed = capsys.readouterr().out
    assert re.search(r"^\w*male +\d", printed, re.M)
    assert re.search(rf"{re.escape(str(clip))} +0.0 +2", printed)

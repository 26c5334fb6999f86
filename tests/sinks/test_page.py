import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from demo.frames import Frame, Timing
from demo.sinks.summary import Summary
from tests.sinks.sessions import BLANK, FILE_TIMING, faces, summary_of, ten_seconds


def page_of(path: Path, rows: Iterable[tuple], timing: Timing = FILE_TIMING) -> str:
    """The page for rows of (seconds, faces[, source])."""
    summary_of(rows, path, timing=timing)
    return path.read_text()


@pytest.mark.parametrize(
    ("photos", "words"), [(True, ["person seen", "photo"]), (False, ["frame, none dropped"])]
)
def test_one_is_not_many_and_a_frame_no_photo(tmp_path, photos, words):
    summary_of([(0.0, faces((1, 8, 0.9)))], tmp_path / "s.html", photos)
    page = (tmp_path / "s.html").read_text()
    for word in words:
        assert f'<b>1</b><span class="soft">{word}</span>' in page


def test_each_of_two_sources_has_bars_and_a_table(tmp_path):
    rows = [(k / 10, faces((1, 20, 0.2)), source) for k in range(10) for source in "ab"]
    page = page_of(tmp_path / "s.html", rows)
    assert [page.count(f"· {source}</span>") for source in "ab"] == [2, 2]


def test_the_page_is_one_file_without_anything_from_outside(tmp_path):
    path = tmp_path / "s.html"
    with Summary(path, "rtsp://***@cam/<1>", False, lambda: 0) as summary:
        for seconds, found in ten_seconds():
            summary.write(Frame(BLANK, 0, seconds, "rtsp://***@cam/<1>"), found, FILE_TIMING)
    page = path.read_text()
    assert "rtsp://***@cam/&lt;1&gt;" in page
    assert not re.search(r"(src|href|url)\s*[=(]|<img|<script", page)
    plots = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.S)]
    bars, curve, ages = plots
    spans = [r for r in bars.iter("rect") if r.get("class") in ("female", "male")]
    lengths = [float(r.attrib["width"]) for r in spans]
    assert lengths[1] / lengths[0] == pytest.approx(0.2, abs=0.01)  # 2 of 10 seconds
    assert [r.get("class") for r in spans] == ["female", "male", "male"]
    assert len(list(curve.iter("polyline"))) == 1
    assert sum(float(r.attrib["height"]) > 0 for r in ages.iter("rect")) == 2


def test_the_page_lists_everyone_and_has_bars_for_the_sixty_longest_in_view(tmp_path):
    rows = [(k / 10, faces(*((i, 30, 0.2) for i in range(1, 71 - k)))) for k in range(3)]
    page = page_of(tmp_path / "s.html", rows)
    assert re.findall(r"<tr><td>(\d+)", page) == [str(i) for i in range(1, 71)]
    assert re.findall(r"<title>(\d+):", page) == [str(i) for i in range(1, 61)]
    assert page.count("the 60 longest in view") == 1
    assert "the 70 longest" not in page


def test_times_that_a_damaged_file_makes_up_make_no_large_page(tmp_path):
    path = tmp_path / "s.html"
    times = (-5.0, 0.0, 1e15, 2.0, 1e15)
    summary_of(((seconds, faces((1, 20, 0.2))) for seconds in times), path)
    assert path.stat().st_size < 50_000


def test_latency_has_a_card_where_a_source_is_live(tmp_path):
    rows = [(0.0, faces((1, 8, 0.9)))]
    words = r"<b>(\d+) ms</b><span class=\"soft\">(processing time|latency), 95&nbsp;% within"
    page = page_of(tmp_path / "s.html", rows, timing=Timing(8.0, 80.0))
    assert re.findall(words, page) == [("8", "processing time"), ("83", "latency")]
    page = page_of(tmp_path / "s.html", rows, timing=FILE_TIMING)
    assert [name for _, name in re.findall(words, page)] == ["processing time"]


@pytest.mark.parametrize(
    ("seconds", "length"), [(10, "second"), (700, "5 s"), (30_000, "1 min"), (200_000, "15 min")]
)
def test_the_length_of_a_piece_of_the_timeline_is_named(tmp_path, seconds, length):
    rows = [(0.0, faces((1, 20, 0.2))), (float(seconds), faces())]
    page = page_of(tmp_path / "s.html", rows)
    assert f"line: maximum, area: mean, per {length}<" in page

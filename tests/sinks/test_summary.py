import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from demo.errors import UserError
from demo.frames import Faces, Frame
from demo.sinks import presence
from demo.sinks.presence import Timeline
from demo.sinks.summary import STALL_SECONDS, Summary, clock

BLANK = np.zeros((4, 4, 3), np.uint8)


def faces(*rows: tuple[int, float, float]) -> Faces:
    """Faces of (id, age, male)."""
    ids, ages, male_probs = np.array(rows, float).reshape(-1, 3).T
    found = Faces.detected(np.zeros((len(ids), 4)), ids, np.zeros((len(ids), 5, 2)))
    return replace(found, ids=ids.astype(int), ages=ages, male_probs=male_probs)


def told(frames, path=None, photos=False, dropped=0) -> Summary:
    """The summary of (seconds, faces[, source])."""
    with Summary(path, "clip.mp4", photos, lambda: dropped) as summary:
        for index, (seconds, found, *source) in enumerate(frames):
            frame = Frame(BLANK, index, seconds, *(source or ["clip.mp4"]))
            summary.timed(lambda _, found=found: found)(frame)
            summary.write(frame, found)
    return summary


def session():
    """Ten seconds at 10 fps: 1 is there always, 2 from second 3 to 5 and 8 to 9, 3 unconfirmed."""
    for k in range(100):
        rows = [(1, 30 + k / 10, 0.1), (-1, np.nan, np.nan)]
        if 30 <= k < 50 or 80 <= k < 90:
            rows.append((2, 61, 0.9) if k % 2 else (2, np.nan, np.nan))
        yield k / 10, faces(*rows)


def test_time_in_view_ages_and_genders_are_those_of_the_frames(tmp_path):
    told(session(), tmp_path / "s.json", dropped=7)
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["people_seen"] == 2
    one, two = record["people"]
    assert one | {"male": 0} == {
        "id": 1,
        "source": "clip.mp4",
        "gender": "female",
        "male": 0,
        "age": 39.9,
        "seconds": 10.0,
        "spans": [[0.0, 10.0]],
    }
    assert (two["gender"], two["age"], two["seconds"]) == ("male", 61, 3.0)
    assert two["spans"] == [[3.0, 5.0], [8.0, 9.0]]
    assert (record["frames"], record["dropped"], record["seconds"]) == (100, 7, 10.0)
    assert record["ages"]["female"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert record["ages"]["male"] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert record["faces_over_time"] == {
        "width": 1,
        "most": [1, 1, 1, 2, 2, 1, 1, 1, 2, 1],
        "mean": [1, 1, 1, 2, 2, 1, 1, 1, 2, 1],
    }
    assert record["busiest"] == [{"from": k, "to": k + 1, "faces": 2} for k in (3, 4, 8)]


def test_the_screen_tells_the_same_in_a_few_lines():
    lines = told(session()).lines()
    assert lines[:-1] == [
        "2 people seen in 0:10",
        "  1: female, 40, in view 10.0 s",
        "  2: male, 61, in view 3.0 s",
        "busiest at 0:03 (2 faces), 0:04 (2 faces), 0:08 (2 faces)",
    ]
    assert re.fullmatch(r"delay \d+ ms, 95 % within \d+ ms; no frames dropped", lines[-1])
    assert told([]).lines()[0] == "no people seen in 0:00"


def test_a_stalled_source_adds_no_time_in_view():
    summary = told([(0.0, faces((1, 20, 0.2))), (0.1, faces((1, 20, 0.2))), (60.0, faces())])
    assert summary.people[0].seconds == pytest.approx(0.1 + STALL_SECONDS)


def test_in_photos_every_face_is_another_person(tmp_path):
    summary = told([(0.0, faces((1, 8, 0.9), (2, 33, 0.1)), "a"), (0.0, faces((1, 95, 0.2)), "b")],
                   tmp_path / "s.html", photos=True)  # fmt: skip
    assert summary.lines() == ["3 faces in 2 photos"]
    assert summary.ages().sum(axis=1).tolist() == [2, 1, 0]
    assert "photos" in (tmp_path / "s.html").read_text()


@pytest.mark.parametrize(
    ("photos", "words"), [(True, ["person seen", "photo"]), (False, ["frame, none dropped"])]
)
def test_one_is_not_many_and_a_frame_no_photo(tmp_path, photos, words):
    told([(0.0, faces((1, 8, 0.9)))], tmp_path / "s.html", photos)
    page = (tmp_path / "s.html").read_text()
    for word in words:
        assert f'<b>1</b><span class="soft">{word}</span>' in page


def test_equal_ids_of_two_sources_are_two_people_in_view_at_once(tmp_path):
    frames = [(k / 10, faces((1, 20, 0.2)), source) for k in range(10) for source in "ab"]
    summary = told(frames, tmp_path / "s.html")
    assert [(p.source, round(p.seconds, 6)) for p in summary.people] == [("a", 1.0), ("b", 1.0)]
    assert summary.means() == [2.0]
    assert summary.lines()[1:4] == [
        "  1 of a: female, 20, in view 1.0 s",
        "  1 of b: female, 20, in view 1.0 s",
        "busiest at 0:00 (2 faces)",
    ]
    page = (tmp_path / "s.html").read_text()
    assert [page.count(f"· {source}</span>") for source in "ab"] == [2, 2]  # bars and table


def test_a_source_that_has_ended_is_not_in_view_any_more():
    frames = [(0.0, faces((1, 20, 0.2)), "short")]
    frames += [(k / 10, faces((1, 50, 0.9)), "long") for k in range(50)]
    assert told(frames).record()["faces_over_time"]["most"] == [2, 1, 1, 1, 1]


def test_delays_are_told_within_four_percent(monkeypatch):
    now = iter(np.cumsum([0.0, 0.010] * 90 + [0.0, 0.200] * 10))
    monkeypatch.setattr("demo.sinks.summary.time.perf_counter", lambda: next(now))
    summary = told((k, faces()) for k in range(100))
    assert summary.delay(50) == pytest.approx(10, rel=0.04)
    assert summary.delay(95) == pytest.approx(200, rel=0.04)


def test_memory_does_not_grow_with_people_or_time(monkeypatch):
    monkeypatch.setattr("demo.sinks.summary.MOST_PEOPLE", 20)
    summary = told((60.0 * k, faces((k + 1, 25, 0.9))) for k in range(5000))
    assert len(summary.people) == 20
    assert summary.count == 5000
    assert summary.ages()[1].sum() == 5000
    assert summary.lines()[0].startswith("5000 people")
    assert len(summary.timeline.most) <= presence.MOST_PIECES
    assert sum(map(len, (p.spans for p in summary.people))) < 100


def test_of_more_people_than_are_listed_the_ones_longest_in_view_are(monkeypatch):
    monkeypatch.setattr("demo.sinks.summary.MOST_PEOPLE", 20)
    frames = [(k / 10, faces((1 + (k % 30 if k < 60 else k % 25), 25, 0.9))) for k in range(110)]
    summary = told(frames)  # 30 people for 0.2 s, and 25 of them for another 0.2 s
    assert len(summary.people) == 20
    assert {round(person.seconds, 1) for person in summary.people} == {0.4}
    assert summary.count == summary.ages()[1].sum() == 30


def test_a_long_timeline_keeps_its_sums_and_peaks():
    timeline = Timeline()
    for second in range(4000):
        faces = 3 if second == 2222 else 1
        timeline.add(second, second + 1, faces, faces)
    assert timeline.width == 15
    assert timeline.face_seconds.sum() == 4002
    assert timeline.busiest()[0] == {"from": 2220, "to": 2235, "faces": 3}


def test_times_that_a_damaged_file_makes_up_take_no_memory(tmp_path):
    path = tmp_path / "s.html"
    times = (-5.0, 0.0, 1e15, 2.0, 1e15)
    summary = told(((seconds, faces((1, 20, 0.2))) for seconds in times), path)
    assert len(summary.timeline.most) <= presence.MOST_PIECES
    assert path.stat().st_size < 50_000


def test_one_who_comes_and_goes_keeps_few_spans():
    summary = told((k, faces((1, 20, 0.2)) if k % 5 == 0 else faces()) for k in range(1000))
    assert len(summary.people[0].spans) == presence.MOST_SPANS
    assert summary.people[0].spans[-1][1] == 996


def test_the_page_is_one_file_without_anything_from_outside(tmp_path):
    path = tmp_path / "s.html"
    with Summary(path, "rtsp://***@cam/<1>", False, lambda: 0) as summary:
        for seconds, found in session():
            summary.write(Frame(BLANK, 0, seconds, "rtsp://***@cam/<1>"), found)
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
    frames = [(k / 10, faces(*((i, 30, 0.2) for i in range(1, 71 - k)))) for k in range(3)]
    told(frames, tmp_path / "s.html")
    page = (tmp_path / "s.html").read_text()
    assert re.findall(r"<tr><td>(\d+)", page) == [str(i) for i in range(1, 71)]
    assert re.findall(r"<title>(\d+):", page) == [str(i) for i in range(1, 61)]
    assert page.count("the 60 longest") == 1
    assert "the 70 longest" not in page


def test_it_is_written_however_the_session_ends(tmp_path):
    path = tmp_path / "s.json"
    with pytest.raises(RuntimeError), Summary(path, "clip", False, lambda: 0) as summary:  # noqa: PT012
        summary.write(Frame(BLANK, 0, 0.0, "clip"), faces((1, 30, 0.2)))
        raise RuntimeError
    assert json.loads(path.read_text())["people_seen"] == 1


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    for name, complaint in (("s.txt", "ends in .json or .html"), ("no/s.json", "no folder")):
        with pytest.raises(UserError, match=complaint):
            Summary(tmp_path / name, "clip", False, lambda: 0)


def test_times_are_told_as_on_a_clock():
    assert [clock(s) for s in (0, 59.9, 61, 3600, 36_062)] == [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "10:01:02",
    ]

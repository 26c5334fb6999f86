import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from demo.errors import UserError
from demo.frames import Timing
from demo.sinks.summary import Summary, summary_lines
from tests.sinks.sessions import FILE_TIMING, faces, frames_of, summary_of, ten_seconds


def test_time_in_view_ages_and_genders_are_those_of_the_frames(tmp_path):
    summary_of(ten_seconds(), tmp_path / "s.json", dropped=7)
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


def test_the_text_has_the_same_numbers_in_a_few_lines():
    lines = summary_of(ten_seconds()).lines()
    assert lines[:-1] == [
        "2 people seen in 0:10",
        "  1: female, 40, in view 10.0 s",
        "  2: male, 61, in view 3.0 s",
        "busiest at 0:03 (2 faces), 0:04 (2 faces), 0:08 (2 faces)",
    ]
    assert re.fullmatch(
        r"processing time \d+ ms per frame, 95 % within \d+ ms; no frames dropped", lines[-1]
    )
    assert summary_of([]).lines()[0] == "no people seen in 0:00"


def test_the_text_comes_from_the_record_alone(tmp_path):
    lines = summary_of(ten_seconds(), tmp_path / "s.json").lines()
    assert summary_lines(json.loads((tmp_path / "s.json").read_text())) == lines


def test_processing_time_and_latency_are_two_quantities():
    times = [Timing(8.0, 30.0)] * 90 + [Timing(46.0, 200.0)] * 10
    with Summary(None, "clip.mp4", False, lambda: 3) as summary:
        for (frame, found), timing in zip(
            frames_of((k / 25, faces()) for k in range(100)), times, strict=True
        ):
            summary.write(frame, found, timing)
    record = summary.record()
    assert record["processing_ms"] == {
        "p50": pytest.approx(8, rel=0.04),
        "p95": pytest.approx(46, rel=0.04),
    }
    assert record["latency_ms"] == {
        "p50": pytest.approx(30, rel=0.04),
        "p95": pytest.approx(200, rel=0.04),
    }
    assert record["delay_ms"] == record["processing_ms"]
    assert summary.lines()[-2:] == [
        "processing time 8 ms per frame, 95 % within 48 ms; 3 frames dropped",
        "latency 30 ms from capture to faces, 95 % within 203 ms",
    ]


def test_latency_is_null_for_files_and_counts_only_live_frames_beside_them(tmp_path):
    assert summary_of(ten_seconds(), tmp_path / "s.json").record()["latency_ms"] is None
    assert json.loads((tmp_path / "s.json").read_text())["latency_ms"] is None
    with Summary(None, "clip.mp4, 0", False, lambda: 0) as summary:
        for (frame, found), latency in zip(
            frames_of((k, faces()) for k in range(4)), [math.nan, 50.0, math.nan, 50.0], strict=True
        ):
            summary.write(frame, found, Timing(1.0, latency))
    assert summary.record()["latency_ms"]["p95"] == pytest.approx(50, rel=0.04)


def test_in_photos_every_face_is_another_person(tmp_path):
    rows = [
        (0.0, faces((1, 8, 0.9), (2, 33, 0.1)), "a"),
        (0.0, faces((1, 95, 0.2)), "b"),
    ]
    summary = summary_of(rows, tmp_path / "s.html", photos=True)
    assert summary.lines() == ["3 faces in 2 photos"]
    ages = summary.record()["ages"]
    assert [sum(ages[gender]) for gender in ("female", "male", "unknown")] == [2, 1, 0]
    assert "photos" in (tmp_path / "s.html").read_text()


def test_equal_ids_of_two_sources_are_two_people(tmp_path):
    rows = [(k / 10, faces((1, 20, 0.2)), source) for k in range(10) for source in "ab"]
    summary = summary_of(rows)
    assert summary.lines()[1:4] == [
        "  1 of a: female, 20, in view 1.0 s",
        "  1 of b: female, 20, in view 1.0 s",
        "busiest at 0:00 (2 faces)",
    ]


def test_all_people_are_counted_and_the_first_few_listed():
    rows = ((60.0 * k, faces((k + 1, 25, 0.9))) for k in range(5000))
    summary = summary_of(rows, max_people=20)
    assert summary.count == 5000
    assert sum(summary.record()["ages"]["male"]) == 5000
    assert len(summary.record()["people"]) == 20
    assert summary.lines()[0].startswith("5000 people")
    assert summary.lines()[6] == "  and 4995 more"


def test_it_is_written_however_the_session_ends(tmp_path):
    path = tmp_path / "s.json"
    with pytest.raises(RuntimeError), Summary(path, "clip", False, lambda: 0) as summary:  # noqa: PT012
        for frame, found in frames_of([(0.0, faces((1, 30, 0.2)))]):
            summary.write(frame, found, FILE_TIMING)
        raise RuntimeError
    assert json.loads(path.read_text())["people_seen"] == 1


def test_without_a_frame_no_file_is_written(tmp_path):
    path = tmp_path / "s.json"
    path.write_text("of another session")
    assert not summary_of([], path).written
    assert path.read_text() == "of another session"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["s.html", "s.json"])
def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_text("of another session")
    path.with_stem("s.unfinished").symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"cannot write .*{name}: No space left on device"):
        summary_of(ten_seconds(), path)
    assert path.read_text() == "of another session"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "complaint"), [("s.txt", r"must end in \.html, \.json"), ("no/s.json", "no folder")]
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, complaint):
    with pytest.raises(UserError, match=complaint):
        Summary(tmp_path / name, "clip", False, lambda: 0)


def test_unknown_ages_and_genders_are_null(tmp_path):
    summary_of([(0.0, faces((1, np.nan, np.nan)))], tmp_path / "s.json")
    (person,) = json.loads((tmp_path / "s.json").read_text())["people"]
    assert (person["gender"], person["male"], person["age"]) == ("unknown", None, None)

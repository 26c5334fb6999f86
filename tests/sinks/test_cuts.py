from demo.frames import Frame
from demo.sinks import cuts
from demo.sinks.cuts import Cuts
from demo.sinks.summary import Summary
from tests.sinks.sessions import BLANK, FILE_TIMING, faces


def shots(*rows: tuple[float, int, str]) -> list[Frame]:
    """Frames of (seconds, shot, source)."""
    return [Frame(BLANK, k, time, source, shot=shot) for k, (time, shot, source) in enumerate(rows)]


def test_every_change_of_the_shot_of_a_source_is_a_cut(monkeypatch):
    monkeypatch.setattr(cuts, "MAX_CUTS", 2)
    counted = Cuts()
    for frame in shots(
        (0, 1, "a"), (0, 1, "b"), (1, 2, "a"), (1, 1, "b"), (2, 2, "b"), (3, 3, "a")
    ):
        counted.add(frame)
    assert counted.count == 3
    assert counted.record() == [{"source": "a", "time": 1}, {"source": "b", "time": 2}]


def test_the_summary_counts_the_cuts_and_its_page_marks_them(tmp_path):
    path = tmp_path / "s.html"
    with Summary(path, "a", False, lambda: 0) as summary:
        for frame in shots((0.0, 1, "a"), (1.0, 1, "a"), (2.0, 2, "a"), (3.0, 2, "a")):
            summary.write(frame, faces((frame.shot, 30, 0.9)), FILE_TIMING)
    assert summary.record()["cuts"] == [{"source": "a", "time": 2.0}]
    assert summary.lines()[0] == "2 people seen in 0:04, with 1 cut"
    page = path.read_text()
    assert page.count('<line class="cut"') == 1
    assert "<title>cut at 0:02</title>" in page
    assert '<b>1</b><span class="soft">cut</span>' in page

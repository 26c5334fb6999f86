from demo.archive import report
from demo.archive.ledger import Ledger
from demo.archive.report import write_report
from demo.archive.work import work
from tests.archive.made import options, video


def test_the_page_sums_up_and_lists_what_failed(clip, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "<out>")
    ledger.prepare()
    work(video(clip), options(ledger.out))
    ledger.set_attempts(video(tmp_path), 3, "failed", "it is <damaged>")
    ledger.set_attempts(video(tmp_path.parent), 2, "failed", "not yet dead")
    write_report(ledger)
    text = (ledger.out / "summary.html").read_text()
    assert "<h1>&lt;out&gt;</h1>" in text
    assert "AgeStream archive" in text
    assert '<b>2</b><span class="soft">people seen</span>' in text
    assert f"<td>{tmp_path}</td><td>3</td><td>it is &lt;damaged&gt;</td>" in text
    assert "1 failure<" in text
    assert "not yet dead" not in text
    assert f"<td>{clip}</td><td>2</td><td>0:00</td><td>20</td>" in text
    monkeypatch.setattr(report, "LISTED_JOBS", 0)
    write_report(ledger)
    assert str(clip) not in (ledger.out / "summary.html").read_text()

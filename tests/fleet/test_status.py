import io
from pathlib import Path

import pytest

from demo.errors import UserError
from demo.fleet.screen import Screen
from demo.fleet.status import read_status, status_of, table, write_status

ROW = {
    **{"camera": "door", "state": "running", "fps": 24.96, "people": 7, "in_view": 2, "frames": 9},
    **{"restarts": 1, "error": "killed", "since": "2026-11-27T14:00:00.000+00:00", "link": ""},
    **{"part": 2, "pid": 1, "host": "here"},
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    status = status_of([ROW])
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status


def test_a_folder_without_a_fleet_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no fleet has run here: name its folder with --out"):
        read_status(tmp_path)


def test_the_table_fits_and_ends_in_links(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ROW, ROW | {"camera": "h" * 60, "error": "e" * 90, "link": "http://127.0.0.1:8101/"}]
    lines = table(status_of(rows), 90)
    assert lines[0].split() == "camera state fps people restarts since last error".split()
    assert lines[1].split()[:5] == ["door", "running", "25.0", "7", "1"]
    assert len(lines[2]) == 90
    assert lines[2].endswith("e…")
    assert lines[3:] == ["", f"{'h' * 23}…: http://127.0.0.1:8101/"]


def test_a_terminal_shows_one_table_and_a_pipe_a_line_for_each_change() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for file in (terminal, pipe):
        screen = Screen(file)
        for row in (ROW, ROW | {"fps": 3.0}, ROW | {"state": "waiting"}):
            screen.show(status_of([row]))
    assert terminal.getvalue().count("\x1b[2A") == 2
    assert pipe.getvalue().splitlines() == ["door: running", "door: waiting: killed"]

"""Files that are whole or as they were."""

from pathlib import Path

import pytest

from models.files import atomic_write


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with atomic_write(path) as unfinished:
        unfinished.write_text("new")
        assert (unfinished.suffix, path.read_text()) == (".csv", "old")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("table.csv", "new")]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def stopped() -> None:
        with atomic_write(path) as unfinished:
            unfinished.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("table.csv", "old")]

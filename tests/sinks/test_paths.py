import os

import pytest

from demo.errors import UserError
from demo.sinks.paths import check_file

SUFFIXES = {".b", ".a"}


def test_a_file_that_can_be_written_passes_and_is_not_touched(tmp_path):
    check_file(tmp_path / "x.A", SUFFIXES, "write")
    assert not list(tmp_path.iterdir())
    (tmp_path / "x.b").write_text("kept")
    check_file(tmp_path / "x.b", SUFFIXES, "write", replaced=True)
    assert (tmp_path / "x.b").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.c", "cannot log to {0}/x.c: the name must end in .a, .b"),
        ("x", "cannot log to {0}/x: the name must end in .a, .b"),
        ("none/x.a", "cannot write {0}/none/x.a: there is no folder {0}/none"),
        ("folder.a", "cannot write {0}/folder.a: it is a folder"),
    ],
)
def test_one_line_names_the_path_and_the_reason(tmp_path, name, message):
    (tmp_path / "folder.a").mkdir()
    with pytest.raises(UserError) as error:
        check_file(tmp_path / name, SUFFIXES, "log to")
    assert str(error.value) == message.format(tmp_path)


@pytest.mark.parametrize(
    ("locked", "replaced", "refused"),
    [("", False, False), ("", True, True), ("x.a", False, True), ("x.a", True, True)],
)
def test_a_file_that_is_replaced_needs_a_writable_folder_too(
    tmp_path, monkeypatch, locked, replaced, refused
):
    (tmp_path / "x.a").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / locked)  # root may all
    if refused:
        with pytest.raises(UserError, match=f"{tmp_path / locked} is not writable"):
            check_file(tmp_path / "x.a", SUFFIXES, "write", replaced)
    else:
        check_file(tmp_path / "x.a", SUFFIXES, "write", replaced)

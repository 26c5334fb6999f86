import subprocess
import sys
from pathlib import Path

import pytest

from models.commands import command_line, guarded
from models.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]


def refuse(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ModelError("no \udcfc\n here"), "no \ufffd\ufffd here"),
        (FileNotFoundError(2, "No such file", "a\x1b[31m"), "a\ufffd[31m: No such file"),
        (
            UnicodeEncodeError("utf-8", "M\udcfcller", 1, 2, "surrogates not allowed"),
            "M\ufffdller: TensorFlow takes UTF-8 names only: rename it",
        ),
    ],
)
def test_a_mistake_with_any_name_is_one_line(capsys, error, line):
    assert guarded("models.x", lambda: refuse(error)) == 2
    assert capsys.readouterr().err == f"models.x: {line}\n"


def test_text_that_an_encoding_lacks_is_our_bug():
    error = UnicodeEncodeError("ascii", "M\xfcller", 1, 2, "ordinal not in range")
    with pytest.raises(UnicodeEncodeError):
        guarded("models.x", lambda: refuse(error))


def test_a_report_with_any_name_is_printed():
    code = "from models.commands import guarded; guarded('m', lambda: print('M\\udcfcller'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "M\\udcfcller\n"


def test_a_command_is_stored_as_text():
    assert command_line("models.x", ["a b", "M\udcfc"]) == "python -m models.x 'a b' 'M\ufffd'"

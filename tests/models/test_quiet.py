"""The commands print nothing of TensorFlow's start-up, and errors still reach the user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.quiet import quiet_tensorflow, stderr_closed

ROOT = Path(__file__).resolve().parents[2]
EXPORT = """
from models import export
from models.exporting import parity
parity.FRAME_STEP, parity.best_seconds = 100, lambda work: 0.001
raise SystemExit(export.main(["ssrnet-joint", "--to", "tflite", "-o", {folder!r}]))
"""


def stderr_of(*arguments: str) -> list[str]:
    """Lines on standard error of a Python process that succeeds, run in the project's folder."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.replace("\r", "\n").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["convert", "crossval", "train"])
def test_a_command_starts_without_a_line_on_standard_error(command: str) -> None:
    assert stderr_of("-m", f"models.{command}", "-h") == []


@pytest.mark.slow
def test_an_export_prints_nothing_but_its_progress_bar(tmp_path: Path) -> None:
    lines = [line for line in stderr_of("-c", EXPORT.format(folder=str(tmp_path))) if line]
    assert lines
    assert [line for line in lines if not line.startswith("demo.mp4")] == []


def test_an_exception_while_tensorflow_is_quiet_is_raised_and_later_lines_are_printed(
    capfd: pytest.CaptureFixture,
) -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"), quiet_tensorflow():
        import nowhere  # type: ignore[import-not-found]  # noqa: F401
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_only_progress_is_printed_while_standard_error_is_closed(
    capfd: pytest.CaptureFixture,
) -> None:
    with stderr_closed() as stderr:
        os.write(2, b"start-up\n")
        print("progress", file=stderr)
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "progress\nlater\n"


def test_all_lines_are_printed_if_the_user_wants_them(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet_tensorflow():
        os.write(2, b"start-up\n")
    assert capfd.readouterr().err == "start-up\n"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"

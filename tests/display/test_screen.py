"""The size of the screen, from a real X server where one can be started."""

import os
import shutil
import subprocess
import sys

import pytest

from demo.display.screen import UNKNOWN_SCREEN, screen_size

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs X")


@needs_linux
def test_without_a_display_the_usual_screen_is_reckoned_with(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert screen_size() == UNKNOWN_SCREEN


@needs_linux
@pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb")
def test_the_size_of_the_screen_is_that_of_the_x_server(monkeypatch):
    readable, writable = os.pipe()
    command = ["Xvfb", "-displayfd", str(writable), "-screen", "0", "1024x600x24"]
    with subprocess.Popen(command, pass_fds=[writable], stderr=subprocess.DEVNULL) as server:
        os.close(writable)
        try:
            with os.fdopen(readable) as number:
                monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
            assert screen_size() == (1024, 600)
        finally:
            server.terminate()

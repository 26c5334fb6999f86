"""Names that are no text, or that would break a line or a terminal, in every option.

They run in a process of their own: what reaches a C++ library as half of a surrogate pair ends it.
"""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo import build, outputs
from demo.options import Options
from models.manifest import WEIGHTS, load_manifest
from models.printable import printable
from tests.synthetic import KeyWindow

ROOT = Path(__file__).resolve().parents[1]
NAMES = [
    "M\udcfcller",  # one byte, not UTF-8
    "\udced\udca0\udc80",  # a surrogate as three bytes
    "two\nlines\r\t\x1b[31mred\x07",
    "\u202egpj.\u2066x\u2069\u2028",  # turns the direction of what follows
    "e\u0301\u200b 日本 \U0001f600",
    "-=+@'\"&<b>$x^{",
    "%s%d{0}",
]
CODE = """
import json, sys, stream
lines = []
stream.print = lambda line, **_: lines.append(line)
for arguments in json.load(sys.stdin):
    lines.clear()
    code = stream.main(arguments)
    json.dump([code, lines], sys.stdout)
    print(flush=True)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="file systems of other systems take no such names"
)


def runs(commands: list[list[str]]) -> list[tuple[int, list[str]]]:
    """Exit code and lines of each command, all in one process that must live to the end."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        env=os.environ | {"DISPLAY": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def write_photo(path: Path, image: np.ndarray) -> None:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_on_one_line_and_can_be_encoded(name):
    shown = printable(name)
    assert len(shown) == len(name)
    assert "\n" not in shown
    assert "\x1b" not in shown
    shown.encode()


def test_text_of_all_languages_is_printable_as_it_is():
    text = "Müller e\u0301 نمی\u200cخواهم 日本 \U0001f468\u200d\U0001f469\u200d\U0001f467 a\u202fb"
    assert printable(text) == text


@pytest.mark.slow
def test_a_name_that_is_no_text_is_taken_in_every_option(astronaut, clip, tmp_path):
    manifest = load_manifest("ssrnet-joint")
    record = json.loads((WEIGHTS / "ssrnet-joint.json").read_text())
    commands = []
    for k, name in enumerate(NAMES):
        folder = tmp_path / str(k) / name
        folder.mkdir(parents=True)
        write_photo(folder / f"{name}.jpg", astronaut)
        write_photo(folder / f"{name}.png", astronaut)
        (tmp_path / str(k) / f"{name}.mkv").write_bytes(clip.read_bytes())
        weights = tmp_path / str(k) / f"{name}.onnx"
        weights.write_bytes(manifest.file("onnx").read_bytes())
        record["files"] = {"onnx": {**record["files"]["onnx"], "name": weights.name}}
        weights.with_suffix(".json").write_text(json.dumps({**record, "name": name}))
        out = tmp_path / str(k) / f"out{name}"
        photo = ["-s", str(folder), "-o", str(out), "--log", f"{out}.csv"]
        network = ["--weights", str(weights)] if k % 2 else ["--model", str(weights)[:-4] + "json"]
        commands += [
            [*photo, "--summary", f"{out}.html", *network],
            ["-s", str(folder / f"{name}.jpg"), "-o", f"{out}.png", "--log", f"{out}.jsonl"],
            ["-s", f"{folder}.mkv", "-o", f"{out}.mkv", "--summary", f"{out}.json"],
            ["-s", f"{folder}.mkv", f"--model={name}"],
        ]
    for (code, lines), command in zip(runs(commands), commands, strict=True):
        assert code == (2 if command[-1].startswith("--model=") else 0), lines
        assert all("\n" not in line and line == printable(line) for line in lines)
    for k, name in enumerate(NAMES):
        check_results(tmp_path / str(k), name, astronaut.shape)


def check_results(folder: Path, name: str, shape: tuple[int, ...]) -> None:
    out = folder / f"out{name}"
    for path in (*out.iterdir(), Path(f"{out}.png")):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == shape
    assert sorted(p.name for p in out.iterdir()) == sorted([f"{name}.jpg", f"{name}.png"])
    text = Path(f"{out}.csv").read_bytes().decode()
    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == 2
    logged = json.loads(Path(f"{out}.jsonl").read_text(encoding="utf-8"))
    assert logged["source"] == str(folder / name / f"{name}.jpg")
    assert json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))["people_seen"] == 2
    page = Path(f"{out}.html").read_text(encoding="utf-8")
    assert "<b>$" not in page
    assert "\\udc" not in page
    assert Path(f"{out}.mkv").stat().st_size > 10_000


def test_a_window_has_a_printable_title(astronaut, tmp_path, monkeypatch):
    titles: list[str] = []

    class Noted(KeyWindow):
        def __init__(self, title: str) -> None:
            super().__init__(lambda look: "quit")
            titles.append(title)

    monkeypatch.setattr(outputs, "Window", Noted)
    monkeypatch.setattr(outputs, "display_exists", lambda: True)
    path = tmp_path / f"{NAMES[0]}\n.png"
    write_photo(path, astronaut)
    with build.build_run(Options(sources=(str(path),), display=True)) as run:
        run.session.run()
    assert titles == [f"AgeStream - {tmp_path}/M\ufffdller\ufffd.png"]

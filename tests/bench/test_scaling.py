"""Time per frame by faces and frame size."""

import json

import cv2

from demo.bench import scaling
from models.machine import machine


def test_times_by_faces_and_by_height_are_kept_and_plotted(clip, tmp_path, capsys, monkeypatch):
    for name, value in {"FACES": (1, 2), "HEIGHTS": (135, 270), "FRAMES": 2}.items():
        monkeypatch.setattr(scaling, name, value)
    assert scaling.main([str(clip), "-o", str(tmp_path / "kept")]) == 0
    kept = json.loads((tmp_path / "kept" / "sweep.json").read_text())
    assert (list(kept["faces"]), list(kept["height"])) == (["1", "2"], ["135", "270"])
    assert kept["machine"] == machine()
    assert cv2.imread(str(tmp_path / "kept" / "sweep.png")).shape == (440, 1100, 3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("one more face costs ")


def test_a_missing_clip_is_one_line(tmp_path, capsys):
    assert scaling.main([str(tmp_path / "none.mp4"), "-o", str(tmp_path)]) == 2
    assert (
        capsys.readouterr().err
        == f"demo.bench.scaling: no such file or folder: {tmp_path}/none.mp4\n"
    )

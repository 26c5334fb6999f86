import json

import cv2

from demo.bench import scaling as sweep
from models.machine import machine


def test_a_clip_becomes_times_by_faces_and_by_height_and_a_plot(
    clip, tmp_path, capsys, monkeypatch
):
    for name, value in {"FACES": (1, 2), "HEIGHTS": (135, 270), "COUNT": 2}.items():
        monkeypatch.setattr(sweep, name, value)
    assert sweep.main([str(clip), "-o", str(tmp_path / "kept")]) == 0
    kept = json.loads((tmp_path / "kept" / "sweep.json").read_text())
    assert (list(kept["faces"]), list(kept["height"])) == (["1", "2"], ["135", "270"])
    assert kept["machine"] == machine()
    assert cv2.imread(str(tmp_path / "kept" / "sweep.png")).shape == (440, 1100, 3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("one more face costs ")


def test_a_clip_that_is_missing_is_one_line(tmp_path, capsys):
    assert sweep.main([str(tmp_path / "none.mp4"), "-o", str(tmp_path)]) == 2
    assert (
        capsys.readouterr().err
        == f"demo.bench.scaling: no such file or folder: {tmp_path}/none.mp4\n"
    )

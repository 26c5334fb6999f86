"""Labels of a clip frame by frame."""

import cv2
import numpy as np
import pytest

from demo.bench import flicker
from demo.bench.flicker import LabelHistory, flips, main, statistics
from demo.networks import Networks
from models.commands import INTERRUPTED


def test_a_flip_is_a_change_of_the_more_probable_gender():
    assert flips(np.array([0.4, 0.49, 0.5, 0.9, 0.1])) == 2
    assert flips(np.array([])) == 0


def test_raw_and_shown_are_compared_from_the_first_label_on():
    history = LabelHistory()
    history.rows = [
        (0.0, 90.0, 0.1, np.nan, np.nan),
        (0.1, 30.0, 0.9, 31.0, 0.8),
        (0.2, 34.0, 0.4, 31.0, 0.7),
    ]
    assert statistics(history) == {
        "frames": 3, "raw_flips": 1, "shown_flips": 0, "raw_years": 2.0, "shown_years": 0.0
    }  # fmt: skip


def test_a_network_without_gender_has_no_flips():
    history = LabelHistory()
    history.rows = [(k / 10, 30.0 + 4 * (k % 2), np.nan, 31.0, np.nan) for k in range(4)]
    assert statistics(history) == {
        "frames": 4, "raw_flips": 0, "shown_flips": 0, "raw_years": 2.0, "shown_years": 0.0
    }  # fmt: skip


def test_a_clip_is_plotted_and_its_flips_are_printed(clip, tmp_path, capsys):
    assert main([str(clip), "-o", str(tmp_path / "a.png")]) == 0
    *people, last = capsys.readouterr().out.splitlines()
    assert len(people) == 2
    assert last.endswith(" 0 shown")
    assert cv2.imread(str(tmp_path / "a.png")).shape == (715, 1100, 3)


def test_ctrl_c_is_one_line(clip, tmp_path, capsys, monkeypatch):
    def interrupted(clip: str, networks: Networks) -> dict:
        raise KeyboardInterrupt

    monkeypatch.setattr(flicker, "label_histories", interrupted)
    assert main([str(clip), "-o", str(tmp_path / "a.png")]) == INTERRUPTED
    assert capsys.readouterr().err == "\ndemo.bench.flicker: stopped\n"


def test_a_missing_clip_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.mp4"), "-o", str(tmp_path / "a.png")]) == 2
    assert (
        capsys.readouterr().err
        == f"demo.bench.flicker: no such file or folder: {tmp_path}/none.mp4\n"
    )


@pytest.mark.parametrize("name", ["a", "a.txt"])
def test_an_unknown_plot_format_is_refused_before_the_clip_is_read(tmp_path, capsys, name):
    assert main([str(tmp_path / "none.mp4"), "-o", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err == (
        f"demo.bench.flicker: cannot plot to {tmp_path / name}: "
        "the name must end in .jpg, .pdf, .png, .svg\n"
    )

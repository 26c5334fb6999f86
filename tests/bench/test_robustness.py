"""Labels under box jitter: the jitter and the statistics by hand, and the whole command."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.bench import robustness
from demo.bench.robustness import FRAMES, Predictions, jittered, statistics
from models.detection.mtcnn import Detections
from models.evaluation import results_table

FACE = Detections(
    np.array([[10, 20, 110, 140]], np.float32),  # side 110, middle (60, 80)
    np.array([0.9], np.float32),
    np.array([[[60, 80], [70, 80], [60, 90], [10, 20], [110, 140]]], np.float32),
)


class Outmost:
    """A generator that draws the lowest values for the upper left corner, else the highest."""

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        return np.tile([[low, low], [high, high]], (shape[0], 1, 1))


def test_box_and_points_move_together() -> None:
    moved = jittered(FACE, Outmost())  # type: ignore[arg-type]
    assert moved.boxes.shape == (FRAMES, 4)
    assert moved.boxes[5] == pytest.approx([6, 15.2, 114, 144.8])
    assert moved.points[5, 0] == pytest.approx([60, 80])
    assert moved.points[5, 1] == pytest.approx([70.8, 80])
    assert moved.points[5, 3:].ravel() == pytest.approx(moved.boxes[5])
    assert moved.scores.tolist() == [np.float32(0.9)] * FRAMES


def test_every_frame_has_a_jitter_of_its_own_and_a_seed_repeats_it() -> None:
    first, again = (jittered(FACE, np.random.default_rng(4)) for _ in range(2))
    assert len(np.unique(first.boxes, axis=0)) == FRAMES
    assert (first.boxes == again.boxes).all()


def predictions(
    ages: list[np.ndarray], male_probs: list[np.ndarray], weight: float = 1.0
) -> Predictions:
    years, chances = (np.array(column, np.float32) for column in (ages, male_probs))
    return Predictions(years, years, chances, np.full_like(years, weight))


def test_the_shown_age_is_the_running_mean_from_the_first_label_on() -> None:
    wavering = np.tile([30.0, 32.0], FRAMES // 2)
    still = np.full(FRAMES, 40.0)
    running = (np.cumsum(wavering) / np.arange(1, FRAMES + 1))[1:]
    sure = np.full(FRAMES, 0.9)
    found = statistics(predictions([wavering, still], [sure, sure]), {})
    assert (found["faces"], found["labelled"], found["flips"]) == (2, 2, 0)
    assert found["raw"] == 0.5
    assert found["shown"] == pytest.approx(running.std() / 2, abs=1e-4)


def test_a_face_whose_shown_gender_changes_is_a_flip() -> None:
    turning, doubtful = np.full(FRAMES, 0.0), np.tile([0.9, 0.45], FRAMES // 2)
    turning[:5] = 0.6
    ages = [np.full(FRAMES, 30.0)] * 2
    assert statistics(predictions(ages, [turning, doubtful]), {})["flips"] == 1


def test_faces_without_a_label_have_no_shown_deviation() -> None:
    ages, male_probs = [np.full(FRAMES, 30.0)], [np.full(FRAMES, 0.9)]
    found = statistics(predictions(ages, male_probs, weight=0.0), {})
    assert found == {"faces": 1, "labelled": 0, "raw": 0.0, "shown": None, "flips": 0}
    unknown = [np.full(FRAMES, np.nan)]
    found = statistics(predictions(unknown, male_probs), {})
    assert found == {"faces": 1, "labelled": 1, "raw": None, "shown": None, "flips": 0}
    report = {"model": "m", "data": "d", "split": "s", "rows": [{"jitter": "measured"} | found]}
    assert "measured box off: raw age - years, shown -;" in robustness.text(report)


@pytest.fixture
def folder(tmp_path: Path, astronaut: np.ndarray) -> Path:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "face.png"), astronaut[0:300, 80:380])
    cv2.imwrite(str(tmp_path / "images" / "blank.png"), np.full((90, 120, 3), 70, np.uint8))
    (tmp_path / "labels.csv").write_text(
        "file,split\nface.png,test\nblank.png,test\nmissing.png,test\nblank.png,val\n"
    )
    return tmp_path


def test_the_command_prints_and_saves_its_rows(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["ssrnet-joint", "--data", str(folder), "--save", str(tmp_path / "kept")]
    assert robustness.main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    live, worse = report["rows"]
    for row in (live, worse):
        assert (row["faces"], row["labelled"]) == (1, 1)
        assert row["shown"] < row["raw"]
    assert live["raw"] < worse["raw"]  # refinement undoes some of the jitter
    assert robustness.main(arguments) == 0
    assert f"expected box off: raw age {live['raw']:.3f} years" in capsys.readouterr().out
    kept = results_table.read(tmp_path / "kept" / "steadiness.csv")
    assert [row["jitter"] for row in kept] == ["expected", "measured"]
    assert [row["raw"] for row in kept] == [str(live["raw"]), str(worse["raw"])]
    assert kept[0]["command"] == f"python -m demo.bench.robustness {' '.join(arguments)}"


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--split", "val"], "no face found in 1 pictures"), (["--split", "dev"], "no split 'dev'")],
)
def test_a_mistake_is_one_line(
    options: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert robustness.main(["ssrnet-joint", "--data", str(folder), *options]) == 2
    lines = [
        line for line in capsys.readouterr().err.splitlines() if "demo.bench.robustness" in line
    ]
    assert len(lines) == 1
    assert words in lines[0]

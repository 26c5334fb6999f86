"""What people see of a training: a bar in a terminal, lines elsewhere, and a closing table."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from models.datasets.chips import Chips
from models.training import progress
from models.training.checkpoint import Checkpoint
from models.training.config import Training
from models.training.fit import Faces, fit
from models.training.progress import Progress
from models.training.recipes import Recipe

TRAIN, VAL = np.flatnonzero(np.arange(40) % 4), np.arange(0, 40, 4)
ROWS = [{"epoch": 0, "loss": 9.5, "val_age_years_outside": 5.25, "val_male_gender_accuracy": 0.875}]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_every_epoch_is_a_line(
    tiny: str, faces: Chips, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    recipe = Recipe(epochs=2, batch_size=8, precision="float32")
    for folder, title in (("a", ""), ("b", "fold 1 (2 of 5), ")):
        (tmp_path / folder).mkdir()
        fit(Training(tiny, recipe), Faces(faces, TRAIN, VAL), tmp_path / folder, title=title)
    out, err = capfd.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if "epoch" in line]
    numbers = r"loss \d+\.\d{3}, val age error \d+\.\d{3} years, gender accuracy 0\.\d{4}, \d+ s"
    heads = ("epoch 1/2", "epoch 2/2", *(f"fold 1 (2 of 5), epoch {k}/2" for k in (1, 2)))
    for line, head in zip(lines, heads, strict=True):
        assert re.fullmatch(f"{re.escape(head)}: {numbers}", line)


def test_in_a_terminal_there_is_one_bar_over_all_epochs_and_steps(tmp_path: Path) -> None:
    checkpoint, terminal = Checkpoint(tmp_path, "net", {}), Terminal()
    checkpoint.rows = list(ROWS)  # one of three epochs is done already
    with Progress("", 3, 4, checkpoint, terminal) as shown:
        for epoch in (1, 2):
            shown.on_epoch_begin(epoch)
            for step in range(4):
                shown.on_train_batch_end(step, {"loss": 8.0})
            shown.on_epoch_end(epoch)
    last = terminal.getvalue().split("\r")[-1]
    assert last.startswith("epoch 3/3: 100%")
    assert "12/12" in last
    assert "loss 9.500, val age error 5.250 years, gender accuracy 0.8750" in last
    assert "4/12" in terminal.getvalue()


def test_metrics_that_are_not_trained_are_not_shown() -> None:
    assert progress.val_text({"val_age_years_outside": 5.0}) == "val age error 5.000 years"
    assert progress.val_text({"val_gender_accuracy": 0.5}) == "val gender accuracy 0.5000"

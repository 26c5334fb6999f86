"""The plots of an evaluation."""

from pathlib import Path

import numpy as np
import pytest

from models.evaluation import plots
from tests.models.evaluation.test_metrics import results
from tests.synthetic import read_image

nan = float("nan")


def test_the_worst_are_the_largest_age_errors_and_the_most_confident_wrong_genders() -> None:
    rows = plots.worst(
        results([30, 30, nan, 30], [31, 70, 99, 25], [1, 1, 0, nan], [0.4, 0.1, 0.2, 0.9])
    )
    assert [part.tolist() for part in rows] == [[1, 3, 0], [1, 0]]


@pytest.mark.parametrize("known", [True, False])
def test_plots_are_drawn_of_what_is_known(known: bool, tmp_path: Path) -> None:
    ages, males = list(range(0, 90, 2)), [k % 2 for k in range(45)]
    low, high = ([a + d for a in ages] for d in (-3, 8))
    predictions = [a + k % 9 for k, a in enumerate(ages)]
    full = results(ages, predictions, males, [k / 45 for k in range(45)], low=low, high=high)
    some = full if known else results([nan], [nan])
    crops = {int(row): np.zeros((9, 9, 3), np.uint8) for part in plots.worst(some) for row in part}
    plots.save_plots(some, crops, "a title", tmp_path)
    shapes = {path.name: read_image(path).shape[:2] for path in tmp_path.glob("*")}
    assert shapes["age.png"] == (616, 726)  # 5.6 × 6.6 inches of 110 dots
    assert shapes["error.png"] == (660, 990)
    assert shapes["calibration.png"] == (528, 1155)
    # 24 ages and 12 genders, six in a row of 1.75 inches; nothing takes two rows
    assert shapes["worst.png"] == ((1221, 990) if known else (451, 990))

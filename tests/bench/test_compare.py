"""Two passes compared face by face."""

from dataclasses import replace

import numpy as np
import pytest

from demo.bench.compare import compare
from demo.frames import Faces


def faces(*rows: tuple[float, int, float, float]) -> Faces:
    """Boxes of 40 pixels from (left, id, age, male)."""
    left, ids, ages, male_probs = np.array(rows, float).reshape(-1, 4).T
    boxes = np.stack([left, 0 * left, left + 40, 0 * left + 40], axis=1).astype(np.float32)
    detected = Faces.detected(boxes, np.ones(len(boxes)), np.zeros((len(boxes), 5, 2)))
    return replace(detected, ids=ids.astype(np.int64), ages=ages, male_probs=male_probs)


def test_a_pass_is_the_same_as_itself():
    frames = [faces((0, 1, 30, 0.9), (100, 2, 50, 0.1)), faces((5, 1, 31, 0.8))]
    same = compare(frames, frames)
    assert (same.present, same.added, same.age_mean, same.male_p95) == (1, 0, 0, 0)
    assert same.ids == (2, 2)
    assert same.id_switches == same.gender_flips == (0, 0)


def test_differences_count_where_both_passes_have_a_label():
    found = [faces((0, 1, 30, 0.9), (300, 9, 5, 0.5)), faces((0, 1, 31, 0.6), (100, 2, np.nan, 1))]
    full = [faces((4, 1, 33, 0.8)), faces((0, 1, 30, 0.4), (100, 2, 40, 1), (200, 3, 20, 0.2))]
    result = compare(found, full)
    assert result.present == pytest.approx(3 / 4)
    assert result.added == pytest.approx(1 / 4)
    assert result.age_mean == pytest.approx((3 + 1) / 2)
    assert result.age_p95 == pytest.approx(1 + 0.95 * 2)
    assert (result.age_end_mean, result.age_end_max) == (1, 1)
    assert result.male_mean == pytest.approx((0.1 + 0.2 + 0) / 3)
    assert result.other_gender == pytest.approx(1 / 3)
    assert result.ids == (3, 3)


def test_another_id_for_a_person_is_a_switch_and_another_gender_a_flip():
    found = [faces((0, person, 30, male)) for person, male in ((1, 0.9), (2, 0.1), (2, 0.9))]
    full = [faces((0, 7, 30, male)) for male in (0.9, np.nan, 0.3)]
    result = compare(found, full)
    assert result.id_switches == (1, 0)
    assert result.gender_flips == (1, 1)


def test_clips_without_faces_compare():
    result = compare([faces()], [faces()])
    assert (result.present, result.added) == (1, 0)
    assert np.isnan([result.age_mean, result.age_end_max, result.other_gender]).all()

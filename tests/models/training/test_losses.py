"""Losses of training against values computed by hand."""

import math

import numpy as np
import pytest

from models.datasets.chips import Chips
from models.datasets.labels import OLDEST
from models.training.batches import label_in_bins, make_targets
from models.training.losses import (
    GenderAccuracy,
    age_bins_loss,
    age_loss,
    class_balance,
    gender_loss,
    two_points,
    years_outside,
)

DECADES = (0.0, 10.0, 20.0, 30.0)
BRACKETS = np.array([1, 5, 10, 17.5, 28.5, 40.5, 50.5, 70], np.float32)


def test_ages_cost_years_off_label_and_teachers_and_off_the_other_crop_of_the_face() -> None:
    target = np.array([[20, 20, 24], [20, 20, 24], [30, 39, 40], [30, 39, 40]], np.float32)
    ages = np.array([[21], [25], [35], [35]], np.float32)
    alone = [0.75 * 1 + 0.25 * 3, 0.75 * 5 + 0.25 * 1, 0.25 * 5, 0.25 * 5]
    assert np.asarray(age_loss(0.25)(target, ages)) == pytest.approx(alone)
    apart = [alone[0] + 0.5 * 2, alone[1] + 0.5 * 2, alone[2], alone[3]]  # 2 years off their mean
    assert np.asarray(age_loss(0.25, 0.5)(target, ages)) == pytest.approx(apart)


def test_two_points_share_an_age_so_that_their_mean_is_it() -> None:
    shares = np.asarray(two_points(np.array([0, 7, 20, 23.5, 99], np.float32), DECADES))
    expected = [[1.0, 0, 0, 0], [0.3, 0.7, 0, 0], [0, 0, 1, 0], [0, 0, 0.65, 0.35], [0, 0, 0, 1]]
    np.testing.assert_allclose(shares, np.array(expected), atol=1e-6)


def test_uneven_bins_share_by_their_own_gaps() -> None:
    shares = np.asarray(two_points(np.array([3, 23], np.float32), BRACKETS.tolist()))
    assert shares[0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    assert shares[1].tolist() == [0, 0, 0, 0.5, 0.5, 0, 0, 0]


def test_a_label_is_narrowed_to_the_bins_it_holds() -> None:
    low = np.array([25, 60, 0, 33, 30, 0], np.float32)
    high = np.array([33, 101, 3, 33, 39, OLDEST], np.float32)
    least, most = label_in_bins(low, high, BRACKETS)
    assert least.tolist() == [28.5, 70, 1, 33, 30, -1]  # 33 and 30-39 hold none, 0-116 is unknown
    assert most.tolist() == [28.5, 70, 1, 33, 39, -1]


def test_every_bracket_of_adience_is_one_class() -> None:
    ends = [(0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100)]
    low, high = np.array(ends, np.float32).T
    least, most = label_in_bins(low, high + 1, BRACKETS)
    assert least.tolist() == most.tolist() == BRACKETS.tolist()


def test_classes_cost_the_cross_entropy_of_their_two_points() -> None:
    shares = np.array([[0.1, 0.2, 0.3, 0.4]] * 3, np.float32)  # predicted age 20
    target = np.array([[7, 7, 0], [25, 30, 0], [-1, -1, 0]], np.float32)
    loss = np.asarray(age_bins_loss(DECADES, 0.0)(target, shares))
    exact = -0.3 * math.log(0.1) - 0.7 * math.log(0.2)
    nearest = -0.5 * math.log(0.3) - 0.5 * math.log(0.4)  # 25, the nearest end of the label
    assert loss == pytest.approx([exact, nearest, 0.0], rel=1e-6)


def test_a_prediction_inside_the_label_is_the_target() -> None:
    shares = np.array([[0.0, 0.5, 0.5, 0.0]], np.float32)
    loss = age_bins_loss(DECADES, 0.0)(np.array([[10, 20, 0]], np.float32), shares)
    assert np.asarray(loss) == pytest.approx([math.log(2)])


def test_teachers_move_the_target_age() -> None:
    shares = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    loss = age_bins_loss(DECADES, 0.25)(np.array([[20, 20, 0]], np.float32), shares)  # 15 years
    assert np.asarray(loss) == pytest.approx([-0.5 * math.log(0.2) - 0.5 * math.log(0.3)])


def test_the_focal_loss_counts_sure_and_frequent_classes_less() -> None:
    counts = np.array([1, 1, 1000, 1])
    weights = class_balance(counts)
    assert np.average(weights, weights=counts) == pytest.approx(1.0)
    assert weights[0] / weights[2] == pytest.approx((1 - 0.999**1000) / 0.001, rel=1e-4)
    shares = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    loss = age_bins_loss(DECADES, 0.0, 2.0, counts)(np.array([[20, 20, 0]], np.float32), shares)
    assert np.asarray(loss) == pytest.approx([-weights[2] * 0.7**2 * math.log(0.3)], rel=1e-5)


def test_genders_cost_by_the_kind_of_error() -> None:
    males = np.array([[1, 1], [0, 0], [-1, -1]], np.float32)
    predictions = np.array([0.5, 0.2, 0.9], np.float32)
    absolute = np.asarray(gender_loss(0.0, "absolute")(males, predictions))
    assert absolute == pytest.approx([0.5, 0.2, 0.0])
    entropy = np.asarray(gender_loss(0.0, "crossentropy")(males, predictions))
    assert entropy == pytest.approx([math.log(2), -math.log(0.8), 0.0], rel=1e-5)
    smooth = np.asarray(gender_loss(0.0, "absolute", label_smoothing=0.01)(males, predictions))
    assert smooth == pytest.approx([0.49, 0.19, 0.0], abs=1e-6)


def test_targets_hold_label_and_teachers(faces: Chips) -> None:
    soft = np.full(40, 33, np.float32), np.full(40, 0.7, np.float32)
    found = make_targets(faces, (0.0, 50.0, 100.0), soft)
    assert found["age"][4].tolist() == [10, 10, 33]
    assert found["nodes"][4].tolist() == [10, 10, 33]
    assert found["male"][4].tolist() == pytest.approx([1.0, 0.7])
    assert make_targets(faces, ())["male"][4].tolist() == [1, 1]


def test_an_age_inside_its_range_costs_nothing_and_outside_the_years_it_misses():
    ranges = np.array([[30, 30], [20, 30], [20, 30], [20, 30]], np.float32)
    loss = years_outside(ranges, np.array([[33.0], [25.0], [18.0], [31.5]], np.float32))
    assert np.asarray(loss).tolist() == [3.0, 0.0, 2.0, 1.5]


def test_the_age_loss_mixes_label_and_teachers_by_the_distill_weight():
    target = np.array([[30, 30, 40], [20, 30, 26]], np.float32)
    loss = age_loss(0.25)(target, np.array([[32.0], [32.0]], np.float32))
    assert np.asarray(loss).tolist() == [0.75 * 2 + 0.25 * 8, 0.75 * 2 + 0.25 * 6]


def test_an_unknown_gender_is_the_teachers_alone_and_they_soften_a_label():
    males = np.array([[1, 1], [0, 0], [-1, -1]], np.float32)
    probs = np.array([[0.5], [0.2], [0.9]], np.float32)
    assert np.asarray(gender_loss(0.0)(males, probs)) == pytest.approx([0.25, 0.04, 0.0])
    softened = np.array([[1, 0.6], [0, 0.4], [-1, 0.7]], np.float32)
    assert np.asarray(gender_loss(0.5)(softened, probs)) == pytest.approx([0.09, 0.0, 0.02])


def test_gender_accuracy_uses_the_teachers_where_the_label_is_unknown():
    males = np.array([[1, 0.2], [0, 0.9], [-1, 0.9], [-1, 0.1], [-1, -1]], np.float32)
    metric = GenderAccuracy()
    assert np.isnan(metric.result())
    metric.update_state(males, np.full((5, 1), 0.6, np.float32))
    assert metric.result() == 0.5  # of the four with a label or a teacher

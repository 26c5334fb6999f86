from itertools import count

import numpy as np
import pytest

from demo.faces.load import CROPS_PER_FRAME
from demo.faces.smoothing import (
    CORRELATED_CROPS,
    LABEL_WEIGHT,
    MAX_WEIGHT,
    REFRESH_FRAMES,
    SETTLED_CROPS,
    LabelSmoother,
)

FRAMES = count()


def feed(smoother: LabelSmoother, age: float, male: float, quality: float = 1.0, track: int = 1):
    ids = np.array([track])
    ages, male_probs, weights = (np.array([v], float) for v in (age, male, quality))
    smoother.add(ids, ages, male_probs, weights, next(FRAMES))
    ages, male_probs, *_ = smoother.labels(ids)
    return ages[0], male_probs[0]


def test_nothing_is_shown_before_two_good_crops():
    smoother = LabelSmoother()
    assert np.isnan(feed(smoother, 30, 0.9)).all()
    assert feed(smoother, 32, 0.9) == pytest.approx((31.0, 0.9))


def test_poor_crops_count_by_their_quality():
    smoother = LabelSmoother()
    for _ in range(3):
        assert np.isnan(feed(smoother, 30, 0.9, quality=0.5)).all()
    assert feed(smoother, 30, 0.9, quality=0.5) == pytest.approx((30.0, 0.9))
    feed(smoother, 90, 0.1, quality=0.0)
    assert feed(smoother, 30, 0.9, quality=0.5) == pytest.approx((30.0, 0.9))


def test_the_age_is_the_mean_of_the_whole_life_not_of_the_first_crops():
    smoother = LabelSmoother()
    samples = 40 + np.random.default_rng(0).uniform(-2, 2, 100)
    for age in samples:
        shown = feed(smoother, age, 0.9)
    assert shown[0] == pytest.approx(samples.mean(), abs=1e-3)


def test_a_crop_stands_for_the_frames_since_the_one_before():
    every, sparing = LabelSmoother(), LabelSmoother()
    ids, sure = np.array([1]), np.ones(1)
    for frame in range(40):
        age, male = np.array([40.0 if frame < 20 else 44.0]), np.array([0.9])
        every.add(ids, age, male, sure, frame)
        if frame < 20 or frame % REFRESH_FRAMES == REFRESH_FRAMES - 1:
            sparing.add(ids, age, male, sure, frame)
    assert sparing.labels(ids).ages == pytest.approx(every.labels(ids).ages, abs=0.2)
    sparing.add(ids, np.array([90.0]), np.array([0.9]), sure, 5000)
    assert sparing.labels(ids).ages < 44.0


def test_an_outlier_moves_the_age_little():
    smoother = LabelSmoother()
    for _ in range(50):
        feed(smoother, 30.0, 0.9)
    before = feed(smoother, 30.0, 0.9)[0]
    after = feed(smoother, 95.0, 0.9)[0]
    assert after - before < 2 * 10.0 / 50


def test_one_doubtful_crop_does_not_flip_the_gender():
    smoother = LabelSmoother()
    for _ in range(10):
        feed(smoother, 30, 0.7)
    for male in (0.0, 0.0, 0.0, 0.1, 0.2):
        assert feed(smoother, 30, male)[1] >= 0.5


def test_lasting_evidence_does_flip_it():
    smoother = LabelSmoother()
    for _ in range(5):
        feed(smoother, 30, 0.6)
    for _ in range(40):
        shown = feed(smoother, 30, 0.0)
    assert shown[1] < 0.5


def test_people_do_not_share_memory_and_an_unknown_id_has_no_label():
    smoother = LabelSmoother()
    for frame in range(int(LABEL_WEIGHT)):
        said = np.array([20.0, 70.0]), np.array([0.9, 0.1]), np.ones(2)
        smoother.add(np.array([2, 5]), *said, frame)
    ages, male_probs, *_ = smoother.labels(np.array([2, -1, 5]))
    assert ages[[0, 2]].tolist() == [20.0, 70.0]
    assert male_probs[[0, 2]] == pytest.approx([0.9, 0.1])
    assert np.isnan(ages[1])
    assert len(smoother) == 2


def test_settled_people_are_looked_at_less_often_and_not_all_at_once():
    smoother = LabelSmoother()
    ids = np.array([1, 2, -1])
    assert smoother.wants(ids, 0).tolist() == [True, True, False]
    for frame in range(SETTLED_CROPS):
        smoother.add(ids[:2], np.array([20.0, 70.0]), np.array([0.9, 0.1]), np.ones(2), frame)
    wanted = np.array([smoother.wants(ids, frame) for frame in range(2 * REFRESH_FRAMES)])
    assert wanted.sum(axis=0).tolist() == [2, 2, 0]
    assert wanted.sum(axis=1).max() == 1


def test_a_crowd_takes_turns():
    smoother = LabelSmoother()
    ids = np.arange(1, 2 * CROPS_PER_FRAME + 1)
    first = smoother.wants(ids, 0)
    assert first.sum() == CROPS_PER_FRAME
    some = np.ones(CROPS_PER_FRAME)
    smoother.add(ids[first], 30 * some, some, some, 0)
    assert (smoother.wants(ids, 1) == ~first).all()


def test_memory_is_dropped_with_the_track():
    smoother = LabelSmoother()
    feed(smoother, 30, 0.9, track=1)
    feed(smoother, 30, 0.9, track=2)
    smoother.forget([2, 3])
    assert len(smoother) == 1


def test_a_model_without_an_output_leaves_it_unknown():
    smoother = LabelSmoother()
    for _ in range(3):
        shown = feed(smoother, 30, np.nan)
    assert shown[0] == 30
    assert np.isnan(shown[1])


def test_an_old_start_is_forgotten():
    smoother = LabelSmoother()
    for _ in range(int(MAX_WEIGHT)):
        feed(smoother, 20, 0.9)
    for _ in range(int(MAX_WEIGHT) * 5):
        shown = feed(smoother, 22, 0.9)
    assert shown[0] == pytest.approx(22, abs=0.05)


def test_a_range_shrinks_as_a_track_gathers_evidence_but_never_below_what_was_earned():
    smoother = LabelSmoother(
        {"age": [0.0, 100.0], "age_low": [-8.0, 92.0], "age_high": [12.0, 112.0]}
    )
    samples = 40 + np.random.default_rng(0).normal(0, 4, 300)
    widths = []
    for age in samples:
        feed(smoother, age, 0.9)
        _, _, low, high = smoother.labels(np.array([1]))
        widths.append(float(high[0] - low[0]))
    assert np.isnan(widths[0])
    assert widths[1] > widths[20] > widths[100] > 20.0
    noise = 1.645 * 4 * (CORRELATED_CROPS / MAX_WEIGHT) ** 0.5
    assert widths[-1] == pytest.approx(np.hypot(8, noise) + np.hypot(12, noise), abs=0.1)


def test_someone_else_of_the_same_id_is_soon_within_the_range():
    smoother = LabelSmoother(
        {"age": [0.0, 100.0], "age_low": [-10.0, 90.0], "age_high": [10.0, 110.0]}
    )
    for frame in range(300):
        feed(smoother, 29.0 + 2 * (frame % 2), 0.9)
    assert smoother.labels(np.array([1])).age_high[0] < 41
    smoother.doubt([1])
    for _ in range(3):
        feed(smoother, 60.0, 0.9)
    age, _, low, high = (float(column[0]) for column in smoother.labels(np.array([1])))
    assert age < 40
    assert low < age - 15
    assert high > 60


def test_without_a_calibration_there_is_no_range():
    smoother = LabelSmoother()
    for _ in range(3):
        feed(smoother, 30.0, 0.9)
    assert np.isnan(smoother.labels(np.array([1])).age_low).all()


def test_the_last_labels_of_a_source_count_the_crops_that_there_are():
    smoother = LabelSmoother()
    one = np.array([1])
    smoother.add(one, np.array([30.0]), np.array([0.9]), np.array([0.8]), 0)
    assert np.isnan(smoother.labels(one).ages).all()
    final = smoother.labels(one, final=True)
    assert (final.ages[0], final.male_probs[0]) == (np.float32(30.0), np.float32(0.9))
    smoother.add(np.array([2]), np.array([30.0]), np.array([0.9]), np.array([0.0]), 0)
    assert np.isnan(smoother.labels(np.array([2]), final=True).ages).all()

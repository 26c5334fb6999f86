"""Batches: their crops, order and targets."""

from dataclasses import replace

import numpy as np
import pytest

from models.crops.align import central_crop
from models.crops.spec import CHIP, InputSpec
from models.datasets.chips import Chips
from models.datasets.labels import OLDEST
from models.training.augment import NONE, WEBCAM, random_crop
from models.training.batches import Batches, Sampling, make_targets, sampling_probs
from models.training.optimize import bin_counts
from models.zoo import NETWORKS, Network

TRAIN = np.flatnonzero(np.arange(40) % 4)


def test_without_augmentation_a_crop_is_the_central_one():
    rng = np.random.default_rng(0)
    chip = rng.integers(0, 256, (CHIP.size, CHIP.size, 3), np.uint8)
    for spec in {network.input for network in NETWORKS.values()}:
        central = central_crop(chip, spec)
        np.testing.assert_array_equal(random_crop(chip, spec, NONE, rng), central)
        assert (random_crop(chip, spec, WEBCAM, rng) != central).any()


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone(faces: Chips) -> None:
    def batches(seed: int, balance: float) -> Batches:
        return Batches(
            faces,
            TRAIN,
            InputSpec(size=8),
            8,
            make_targets(faces, ()),
            Sampling(seed, WEBCAM, balance),
        )

    one, other = batches(1, 0.0).stream(0), batches(1, 0.0).stream(2)
    later = [next(one)[0] for _ in range(3 * 4)][2 * 4 :]  # of the third epoch, four batches each
    for first, second in zip(later, other, strict=False):
        np.testing.assert_array_equal(first, second[0])
    order = batches(1, 0.0).order(0)
    assert sorted(order) == TRAIN.tolist()
    assert order.tolist() != batches(2, 0.0).order(0).tolist()
    assert order.tolist() != batches(1, 0.0).order(1).tolist()
    assert set(batches(1, 0.5).order(0)) < set(TRAIN.tolist())  # drawn with repetition


def test_faces_shown_twice_are_two_crops_one_after_the_other(faces: Chips) -> None:
    twice = Batches(
        faces,
        TRAIN,
        InputSpec(size=8),
        8,
        make_targets(faces, ()),
        Sampling(1, WEBCAM, balance=0.0, twice=True),
    )
    assert len(twice) == -(-len(TRAIN) // 4)
    pixels, targets = twice.make(twice.order(0), 0, 0)
    assert len(pixels) == 8
    np.testing.assert_array_equal(targets["age"][::2], targets["age"][1::2])
    assert (pixels[::2] != pixels[1::2]).any(axis=(1, 2, 3)).all()


def test_unknown_ages_are_no_band_of_their_own(faces: Chips) -> None:
    low = np.repeat([20.0, 57.0, 0.0], (8, 2, 30)).astype(np.float32)
    high = np.where(low == 0, np.float32(OLDEST), low)
    aged = replace(faces, age_low=low, age_high=high)
    probs = sampling_probs(aged, np.arange(40), 1.0)
    assert probs[:8].sum() == pytest.approx(probs[8:10].sum())
    assert probs[10:] == pytest.approx(probs[:10].mean())
    counts = bin_counts(Network("c3ae", {}, InputSpec(), (0.0, 50.0, 60.0)), aged, np.arange(40))
    assert counts is not None
    assert counts.tolist() == pytest.approx([8 * 0.6, 8 * 0.4 + 2 * 0.3, 2 * 0.7])

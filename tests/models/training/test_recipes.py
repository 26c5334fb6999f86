"""Recipes: our defaults, those of the papers, and the options."""

import argparse
import math

import numpy as np
import pytest

from models.crops.spec import CHIP, InputSpec
from models.errors import ModelError
from models.training.augment import AUGMENTATIONS, NONE, WEBCAM, random_crop
from models.training.fit import optimizer, rate
from models.training.recipes import PRESETS, Recipe, add_options, chosen, preset
from models.zoo import NETWORKS


def recipe(*arguments: str) -> Recipe:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    add_options(parser)
    return chosen(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("network", "precision"), [("ssrnet-joint", "mixed_bfloat16"), ("faceres", "float32")]
)
def test_ours_is_what_the_defaults_are(network: str, precision: str) -> None:
    ours = recipe(network)
    assert (ours.epochs, ours.batch, ours.rate, ours.balance) == (40, 128, 2e-3, 0.3)
    assert (ours.optimizer, ours.decay, ours.clip, ours.ema) == ("adamw", 1e-4, 5.0, 0.998)
    assert (ours.gender, ours.age_weight, ours.gender_weight) == ("brier", 1.0, 40.0)
    assert (AUGMENTATIONS[ours.augmentation], ours.trust) == (WEBCAM, 0.5)
    assert ours.precision == precision


def test_an_option_takes_the_place_of_the_presets() -> None:
    given = recipe("lmtcnn-1-1", "--preset", "lmtcnn", "--steps", "7", "--drops", "3", "5")
    assert (given.steps, given.drops) == (7, (3, 5))
    assert given.penalty == pytest.approx(5e-6)
    assert recipe("faceres", "--freeze", "pointwise3").freeze == ("pointwise3",)


def test_epochs_take_the_place_of_a_presets_steps() -> None:
    given = recipe("lmtcnn-1-1", "--preset", "lmtcnn", "--epochs", "3", "--drops", "2")
    assert (given.epochs, given.steps, given.drops) == (3, 0, (2,))
    assert recipe("ssrnet-joint", "--epochs", "3", "--steps", "0").epochs == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--preset lmtcnn --epochs 3", "the --drops of lmtcnn are steps: give them in epochs"),
        ("--preset ssrnet --steps 9000", "the --drops of ssrnet are epochs: give them in steps"),
        ("--epochs 3 --steps 9000", "--epochs and --steps both say how long: give one of them"),
        ("--preset lmtcnn --epochs 3 --steps 9", "--epochs and --steps both say how long"),
        ("--drops 5 10", "--drops are of one schedule: add --schedule drops"),
        ("--schedule drops", "--schedule drops: say where with --drops"),
        ("--schedule drops --drops 60 30", "--drops: give them in ascending order, from 1 on"),
        ("--schedule drops --drops 30 30", "--drops: give them in ascending order, from 1 on"),
        ("--schedule drops --drops 0 30", "--drops: give them in ascending order, from 1 on"),
        ("--focal 2", "--focal: ssrnet-joint has no classes of ages"),
        ("--augmentation none --strength 2", "--strength is of an augmentation"),
    ],
)
def test_options_that_contradict_are_refused(options: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        recipe("ssrnet-joint", *options.split())


def test_where_there_are_no_drops_it_does_not_matter_how_the_presets_count() -> None:
    epochs = recipe("ssrnet-joint", *"--preset lmtcnn --epochs 5 --schedule constant".split())
    assert (epochs.epochs, epochs.steps, epochs.schedule) == (5, 0, "constant")
    steps = recipe("ssrnet-joint", *"--preset ssrnet --steps 100 --schedule cosine".split())
    assert (steps.steps, steps.schedule) == (100, "cosine")


@pytest.mark.parametrize("option", ["--trust 2", "--ema 1.5", "--smoothing 1"])
def test_what_is_a_share_is_one(option: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        recipe("ssrnet-joint", *option.split())
    assert "is not a number from 0 to" in capsys.readouterr().err


def test_every_preset_suits_every_network() -> None:
    for name in PRESETS:
        for network, zoo in NETWORKS.items():
            assert zoo.age_bins or preset(name, network).age_weight > 0


AUTHORS = {  # specs of the papers and their code: what a preset must not lose
    ("ssrnet", "ssrnet"): {
        "optimizer": "adam",
        "rate": 1e-3,
        "epochs": 90,
        "batch": 128,
        "schedule": "drops",
        "drops": (30, 60),
        "age_weight": 1.0,
        "gender_weight": 1.0,
        "gender": "absolute",
        "dropout": 0.2,
        "augmentation": "ssrnet",
    },
    ("lmtcnn", "lmtcnn-1-1"): {
        "optimizer": "sgd",
        "rate": 0.01,
        "steps": 50_000,
        "batch": 128,
        "schedule": "drops",
        "drops": (10_000, 20_000, 30_000, 40_000),
        "clip": 4.0,
        "clip_of": "all",
        "age_weight": 0.0,
        "nodes_weight": 1.0,
        "gender_weight": 1.0,
        "gender": "crossentropy",
        "augmentation": "lmtcnn",
    },
    ("c3ae-v1", "c3ae"): {
        "optimizer": "adam",
        "rate": 2e-3,
        "epochs": 250,
        "batch": 50,
        "schedule": "constant",
        "age_weight": 1.0,
        "nodes_weight": 10.0,
        "gender_weight": 30.0,
        "gender": "crossentropy",
        "focal": 2.0,
        "smoothing": 0.0,
        "augmentation": "c3ae",
    },
    ("agendernet", "mobilenetv2"): {
        "optimizer": "adam",
        "rate": 1e-3,
        "epochs": 50,
        "batch": 64,
        "schedule": "constant",
        "age_weight": 0.0,
        "nodes_weight": 1.0,
        "gender_weight": 1.0,
        "gender": "crossentropy",
        "augmentation": "none",
    },
}
AUTHORS["c3ae-v2", "c3ae"] = AUTHORS["c3ae-v1", "c3ae"] | {
    "epochs": 160,
    "batch": 128,
    "schedule": "cosine",
    "smoothing": 0.01,
}
AUTHORS["agendernet", "ssrnet-joint"] = AUTHORS["ssrnet", "ssrnet"] | {
    "epochs": 70,
    "batch": 64,
    "augmentation": "none",
}


@pytest.mark.parametrize(("name", "network"), list(AUTHORS))
def test_a_preset_is_what_the_authors_did(name: str, network: str) -> None:
    wanted = AUTHORS[name, network]
    made = vars(preset(name, network))
    assert {field: made[field] for field in wanted} == wanted
    ours = ("decay", "ema", "balance", "blends", "agreement")
    assert not any(made[field] for field in ours)


def test_phases_and_drops_are_those_of_agendernet() -> None:
    assert preset("agendernet", "mobilenetv2").freeze == ("130", "78")
    assert preset("agendernet", "inceptionv3").freeze == ("311", "165")
    joint = preset("agendernet", "ssrnet-joint")
    assert (joint.epochs, joint.drops, joint.gender) == (70, (30, 60), "absolute")


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    cosine = rate(Recipe(rate=2e-3), (0, 100), 10)
    steps = [0, 100, 550, 1000]
    expected = [1e-4, 2e-3, 1e-3 * (1 + 0.01), 2e-5]
    assert [float(cosine(step)) for step in steps] == pytest.approx(expected, rel=1e-5)


def test_the_rate_drops_at_epochs_or_at_steps() -> None:
    by_epoch = rate(PRESETS["ssrnet"], (0, 90), 10)  # ten steps an epoch
    rates = [float(by_epoch(step)) for step in (0, 300, 301, 601)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
    by_step = rate(PRESETS["lmtcnn"], (0, 500), 100)
    assert float(by_step(40_001)) == pytest.approx(1e-6)
    second = rate(PRESETS["ssrnet"], (45, 90), 10)  # a phase that begins after the first drop
    assert [float(second(step)) for step in (0, 150, 151)] == pytest.approx([1e-4, 1e-4, 1e-5])
    assert rate(PRESETS["ssrnet"], (70, 90), 10) == pytest.approx(1e-5)


def test_lmtcnn_clips_all_gradients_together_and_has_momentum() -> None:
    made = optimizer(PRESETS["lmtcnn"], 0.01)
    assert (made.global_clipnorm, made.clipnorm, made.momentum) == (4.0, None, 0.9)
    assert (made.use_ema, made.weight_decay) == (False, None)


def test_contrast_and_brightness_lie_in_their_ranges() -> None:
    chip = np.full((CHIP.size, CHIP.size, 3), 100, np.uint8)
    amount, rng = AUGMENTATIONS["c3ae"], np.random.default_rng(0)
    crops = [random_crop(chip, InputSpec(size=16), amount, rng) for _ in range(200)]
    middles = np.array([np.median(crop) for crop in crops])
    assert (middles.min() >= 0) & (middles.min() < 60)  # 100 · 0.5 - 50 at least
    assert middles.max() == 255
    assert AUGMENTATIONS["c3ae"].scaled(0.0).contrast == (1.0, 1.0)


def test_the_hidden_patch_has_six_to_ten_per_cent_of_the_area() -> None:
    low, high = AUGMENTATIONS["c3ae"].patch
    assert [low**2, high**2] == pytest.approx([0.06, 0.1])


def test_ssrnets_changes_come_each_with_a_chance_of_a_quarter() -> None:
    chip = np.random.default_rng(1).integers(0, 256, (CHIP.size, CHIP.size, 3), np.uint8)
    amount, rng = AUGMENTATIONS["ssrnet"], np.random.default_rng(0)
    plain = random_crop(chip, InputSpec(), NONE, rng)
    kept = [
        np.abs(random_crop(chip, InputSpec(), amount, rng).astype(int) - plain).max() <= 1
        for _ in range(600)
    ]
    expected = 0.5 * 0.75**4  # not mirrored, turned, zoomed, sheared, shifted
    assert abs(np.mean(kept) - expected) < 4 * math.sqrt(expected * (1 - expected) / 600)

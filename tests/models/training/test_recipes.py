"""Recipes: our defaults, those of the papers, and the options."""

import argparse
import math

import numpy as np
import pytest

from models.crops.spec import CHIP, InputSpec
from models.errors import ModelError
from models.training.augment import AUGMENTATIONS, NONE, WEBCAM, random_crop
from models.training.optimize import learning_rate, make_optimizer
from models.training.options import add_recipe, recipe_from
from models.training.recipes import PRESETS, Recipe, preset
from models.zoo import NETWORKS


def recipe(*arguments: str) -> Recipe:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    add_recipe(parser)
    return recipe_from(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("network", "precision"), [("ssrnet-joint", "mixed_bfloat16"), ("faceres", "float32")]
)
def test_ours_is_what_the_defaults_are(network: str, precision: str) -> None:
    ours = recipe(network)
    assert (ours.epochs, ours.batch_size, ours.lr, ours.balance) == (40, 128, 2e-3, 0.3)
    assert (ours.optimizer, ours.weight_decay, ours.clip_norm, ours.ema) == (
        "adamw",
        1e-4,
        5.0,
        0.998,
    )
    assert (ours.gender_loss, ours.age_weight, ours.gender_weight) == ("brier", 1.0, 40.0)
    assert (AUGMENTATIONS[ours.augmentation], ours.distill_weight) == (WEBCAM, 0.5)
    assert ours.precision == precision


def test_an_option_takes_the_place_of_the_presets() -> None:
    given = recipe("lmtcnn-1-1", "--preset", "lmtcnn", "--steps", "7", "--drops", "3", "5")
    assert (given.steps, given.drops) == (7, (3, 5))
    assert given.l2 == pytest.approx(5e-6)
    assert recipe("faceres", "--freeze", "pointwise3").freeze == ("pointwise3",)


@pytest.mark.parametrize(
    ("options", "drops"),
    [
        ("--preset ssrnet", (30, 60)),
        ("--preset ssrnet --epochs 90", (30, 60)),
        ("--preset ssrnet --epochs 45", (15, 30)),
        ("--preset ssrnet --epochs 180", (60, 120)),
        ("--preset ssrnet --epochs 10", (3, 7)),
        ("--preset ssrnet --epochs 2", (1,)),  # both fall on the first epoch's end
        ("--preset ssrnet --epochs 1", ()),
        ("--preset ssrnet --steps 9000", (3000, 6000)),
        ("--preset lmtcnn --epochs 10", (2, 4, 6, 8)),
        ("--preset lmtcnn --steps 5000", (1000, 2000, 3000, 4000)),
        ("--preset lmtcnn --epochs 10 --drops 9", (9,)),
        ("--preset agendernet --epochs 35", (15, 30)),
    ],
)
def test_a_presets_drops_move_in_proportion_to_the_length(
    options: str, drops: tuple[int, ...]
) -> None:
    assert recipe("ssrnet-joint", *options.split()).drops == drops


def test_without_drops_left_the_rate_is_constant() -> None:
    short = recipe("ssrnet-joint", "--preset", "ssrnet", "--epochs", "1")
    assert learning_rate(short, (0, 1), 10) == 1e-3


@pytest.mark.parametrize(("steps", "warmup"), [(50, 5), (1000, 100), (5000, 500), (80_000, 500)])
def test_the_warm_up_is_a_tenth_of_the_steps_500_at_most(steps: int, warmup: int) -> None:
    cosine = learning_rate(Recipe(lr=2e-3), (0, 1), steps)
    assert float(cosine(warmup)) == pytest.approx(2e-3)
    assert float(cosine(warmup // 2)) < 2e-3 > float(cosine(warmup + steps // 10))


def test_older_names_of_options_stay_valid() -> None:
    older = (
        "--batch 7 --rate 0.1 --decay 0.2 --penalty 0.3 --clip 4 --clip-of all --nodes-weight 3 "
        "--gender absolute --smoothing 0.1 --trust 0.6 --agreement 0.7 --blends 0.8 --strength 0.9"
    )
    newer = (
        "--batch-size 7 --lr 0.1 --weight-decay 0.2 --l2 0.3 --clip-norm 4 --clip-mode all "
        "--age-bins-weight 3 --gender-loss absolute --label-smoothing 0.1 --distill-weight 0.6 "
        "--consistency 0.7 --mixup 0.8 --magnitude 0.9"
    )
    assert recipe("c3ae", *older.split()) == recipe("c3ae", *newer.split())


def test_settings_are_stored_by_their_older_names() -> None:
    assert list(Recipe().stored()) == [
        "epochs", "steps", "batch", "optimizer", "rate", "schedule", "drops", "decay", "penalty",
        "clip", "clip_of", "ema", "age_weight", "nodes_weight", "gender_weight", "gender",
        "smoothing", "focal", "trust", "agreement", "blends", "dropout", "balance", "augmentation",
        "strength", "freeze", "precision",
    ]  # fmt: skip
    assert Recipe.current_names()["rate"] == "lr"


def test_epochs_take_the_place_of_a_presets_steps() -> None:
    given = recipe("lmtcnn-1-1", "--preset", "lmtcnn", "--epochs", "3", "--drops", "2")
    assert (given.epochs, given.steps, given.drops) == (3, 0, (2,))
    assert recipe("ssrnet-joint", "--epochs", "3", "--steps", "0").epochs == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--epochs 3 --steps 9000", "--epochs and --steps both set the length: remove one of them"),
        ("--preset lmtcnn --epochs 3 --steps 9", "--epochs and --steps both set the length"),
        ("--drops 5 10", "--drops works with --schedule drops alone: add that or remove --drops"),
        ("--schedule drops", "--schedule drops needs --drops"),
        ("--preset ssrnet --drops", "--schedule drops needs --drops"),
        ("--schedule drops --drops 60 30", "--drops must be ascending and at least 1"),
        ("--schedule drops --drops 30 30", "--drops must be ascending and at least 1"),
        ("--schedule drops --drops 0 30", "--drops must be ascending and at least 1"),
        ("--focal 2", "--focal: ssrnet-joint has no age bins: remove the option"),
        ("--nodes-weight 2", "--age-bins-weight: ssrnet-joint has no age bins: remove the option"),
        ("--augmentation none --strength 2", "--magnitude has no effect with --augmentation none"),
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
        "lr": 1e-3,
        "epochs": 90,
        "batch_size": 128,
        "schedule": "drops",
        "drops": (30, 60),
        "age_weight": 1.0,
        "gender_weight": 1.0,
        "gender_loss": "absolute",
        "dropout": 0.2,
        "augmentation": "ssrnet",
    },
    ("lmtcnn", "lmtcnn-1-1"): {
        "optimizer": "sgd",
        "lr": 0.01,
        "steps": 50_000,
        "batch_size": 128,
        "schedule": "drops",
        "drops": (10_000, 20_000, 30_000, 40_000),
        "clip_norm": 4.0,
        "clip_mode": "all",
        "age_weight": 0.0,
        "age_bins_weight": 1.0,
        "gender_weight": 1.0,
        "gender_loss": "crossentropy",
        "augmentation": "lmtcnn",
    },
    ("c3ae-v1", "c3ae"): {
        "optimizer": "adam",
        "lr": 2e-3,
        "epochs": 250,
        "batch_size": 50,
        "schedule": "constant",
        "age_weight": 1.0,
        "age_bins_weight": 10.0,
        "gender_weight": 30.0,
        "gender_loss": "crossentropy",
        "focal": 2.0,
        "label_smoothing": 0.0,
        "augmentation": "c3ae",
    },
    ("agendernet", "mobilenetv2"): {
        "optimizer": "adam",
        "lr": 1e-3,
        "epochs": 50,
        "batch_size": 64,
        "schedule": "constant",
        "age_weight": 0.0,
        "age_bins_weight": 1.0,
        "gender_weight": 1.0,
        "gender_loss": "crossentropy",
        "augmentation": "none",
    },
}
AUTHORS["c3ae-v2", "c3ae"] = AUTHORS["c3ae-v1", "c3ae"] | {
    "epochs": 160,
    "batch_size": 128,
    "schedule": "cosine",
    "label_smoothing": 0.01,
}
AUTHORS["agendernet", "ssrnet-joint"] = AUTHORS["ssrnet", "ssrnet"] | {
    "epochs": 70,
    "batch_size": 64,
    "augmentation": "none",
}


@pytest.mark.parametrize(("name", "network"), list(AUTHORS))
def test_a_preset_is_what_the_authors_did(name: str, network: str) -> None:
    theirs = AUTHORS[name, network]
    made = vars(preset(name, network))
    assert {field: made[field] for field in theirs} == theirs
    ours = ("weight_decay", "ema", "balance", "mixup", "consistency")
    assert not any(made[field] for field in ours)


def test_phases_and_drops_are_those_of_agendernet() -> None:
    assert preset("agendernet", "mobilenetv2").freeze == ("130", "78")
    assert preset("agendernet", "inceptionv3").freeze == ("311", "165")
    joint = preset("agendernet", "ssrnet-joint")
    assert (joint.epochs, joint.drops, joint.gender_loss) == (70, (30, 60), "absolute")


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    cosine = learning_rate(Recipe(lr=2e-3), (0, 100), 10)
    steps = [0, 100, 550, 1000]
    expected = [1e-4, 2e-3, 1e-3 * (1 + 0.01), 2e-5]
    assert [float(cosine(step)) for step in steps] == pytest.approx(expected, rel=1e-5)


def test_the_rate_drops_at_epochs_or_at_steps() -> None:
    by_epoch = learning_rate(PRESETS["ssrnet"], (0, 90), 10)  # ten steps an epoch
    rates = [float(by_epoch(step)) for step in (0, 300, 301, 601)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
    by_step = learning_rate(PRESETS["lmtcnn"], (0, 500), 100)
    assert float(by_step(40_001)) == pytest.approx(1e-6)
    second = learning_rate(
        PRESETS["ssrnet"], (45, 90), 10
    )  # a phase that begins after the first drop
    assert [float(second(step)) for step in (0, 150, 151)] == pytest.approx([1e-4, 1e-4, 1e-5])
    assert learning_rate(PRESETS["ssrnet"], (70, 90), 10) == pytest.approx(1e-5)


def test_lmtcnn_clips_all_gradients_together_and_has_momentum() -> None:
    made = make_optimizer(PRESETS["lmtcnn"], 0.01)
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

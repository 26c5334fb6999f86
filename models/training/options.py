"""The command-line options of every command that trains, and the training that they describe."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from models.commands import number, seed
from models.errors import ModelError
from models.training.config import Training
from models.training.pretrained import load_pretrained, load_teacher
from models.training.recipes import PRESETS, Recipe, preset
from models.zoo import NETWORKS


def add_training(parser: argparse.ArgumentParser) -> None:
    """NETWORK, --data, --out, --seed, --init, --teachers, and the options of `add_recipe`."""
    names = sorted(NETWORKS)
    parser.add_argument("network", choices=names, metavar="NETWORK", help=", ".join(names))
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        required=True,
        help="zips or folders; give one twice to train on its faces twice as often",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for the results (%(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=1, help="of all random numbers (%(default)s)")
    parser.add_argument(
        "--crop-fraction",
        "--view",
        type=number(0.1, 1),
        metavar="F",
        help="central part of the chip's side that the network sees (the network's own)",
    )
    parser.add_argument(
        "--init",
        metavar="NAME",
        help="start from the weights of this model, or of a trunk's file (.h5)",
    )
    parser.add_argument(
        "--teachers",
        nargs="+",
        metavar="NAME",
        default=[],
        help="models whose predictions are distilled into the network",
    )
    add_recipe(parser)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """--preset, and one option for each field of Recipe, None unless given."""
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="ours", help="the recipe (ours)"
    )
    group = parser.add_argument_group("changes to the preset (default of ours in brackets)")
    for each in fields(Recipe):
        many = isinstance(each.default, tuple)
        kind: Any = {"drops": int, "freeze": str}[each.name] if many else type(each.default)
        if kind in (int, float):
            kind = number(each.metadata["least"], each.metadata["most"], kind)
        default = "" if each.default == () else f" ({each.default})"
        names = filter(None, (each.name, each.metadata["alias"]))
        group.add_argument(
            *(_flag(name) for name in names),
            dest=each.name,
            type=kind,
            nargs="*" if many else None,
            choices=each.metadata["choices"] or None,
            metavar=None if each.metadata["choices"] else each.name.upper(),
            help=each.metadata["meaning"] + default,
        )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The preset with the options of `add_recipe` that were given. Raises ModelError if options
    contradict each other or the network."""
    given = {each.name: getattr(args, each.name) for each in fields(Recipe)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    base = preset(args.preset, args.network)
    if "epochs" in given and given.get("steps"):
        raise ModelError("--epochs and --steps both set the length: remove one of them")
    if "epochs" in given and base.steps:
        given = {"steps": 0, **given}
    recipe = replace(base, **given)
    if recipe.schedule == "drops" and "drops" not in given:
        recipe = replace(recipe, drops=base.with_drops_for(recipe.length))
    _check_schedule(recipe, base, given)
    _check_network(recipe, given, args.network)
    return recipe


def _check_schedule(recipe: Recipe, base: Recipe, given: dict[str, Any]) -> None:
    if recipe.schedule == "drops" and not (given.get("drops", base.drops)):
        raise ModelError("--schedule drops needs --drops, the epochs at which the rate drops")
    if recipe.schedule != "drops" and given.get("drops"):
        raise ModelError("--drops works with --schedule drops alone: add that or remove --drops")
    if list(recipe.drops) != sorted(set(recipe.drops)) or min(recipe.drops, default=1) < 1:
        raise ModelError("--drops must be ascending and at least 1")


def _check_network(recipe: Recipe, given: dict[str, Any], network: str) -> None:
    for name in ("age_bins_weight", "focal"):
        if given.get(name) and not NETWORKS[network].age_bins:
            raise ModelError(f"{_flag(name)}: {network} has no age bins: remove the option")
    if given.get("dropout") and "dropout" not in NETWORKS[network].config:
        raise ModelError(f"--dropout works with SSR-Net alone: remove it for {network}")
    if "magnitude" in given and recipe.augmentation == "none":
        raise ModelError("--magnitude has no effect with --augmentation none: remove one of them")


def training_from(args: argparse.Namespace) -> Training:
    """The training that the options of `add_training` describe, with its start and its teachers
    loaded. Raises ModelError if options contradict each other or a model cannot be used."""
    return Training(
        args.network,
        checked_recipe(args),
        args.seed,
        args.crop_fraction,
        None if args.init is None else load_pretrained(args.init),
        tuple(load_teacher(name) for name in args.teachers),
    )


def checked_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe, checked against the other options of `add_training`. Raises ModelError if options
    contradict each other."""
    recipe = recipe_from(args)
    _check_teachers(recipe, args)
    if set(recipe.freeze) - {"0"} and args.init is None:
        raise ModelError(
            f"the first layers of {args.network} are random and would stay so: give their weights "
            "with --init (a model, or the trunk's .h5 that Keras publishes), or train all layers "
            "with --freeze 0"
        )
    if recipe.consistency and recipe.batch_size % 2:
        raise ModelError(
            "--consistency puts two crops of each face into a batch: --batch-size "
            f"{recipe.batch_size} must be even"
        )
    if recipe.consistency and not recipe.age_weight:
        raise ModelError("--consistency compares ages in years: give a positive --age-weight")
    if args.crop_fraction is not None and NETWORKS[args.network].input.align == "context":
        raise ModelError(
            f"--crop-fraction: the crops of {args.network} are fixed parts of the chip: remove it"
        )
    return recipe


def _check_teachers(recipe: Recipe, args: argparse.Namespace) -> None:
    if recipe.mixup and not args.teachers:
        raise ModelError("--mixup: the age of a mixed face comes from teachers: add --teachers")
    if args.distill_weight is not None and not args.teachers:
        raise ModelError("--distill-weight works with teachers alone: add --teachers")

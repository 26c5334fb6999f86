"""How networks are trained: everything beside the network and the data, and the recipes of the
papers and authors by name."""

import argparse
import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

from models.commands import number
from models.errors import ModelError
from models.training.augment import AUGMENTATIONS
from models.zoo import NETWORKS


def option(
    default: Any,
    meaning: str,
    choices: tuple[str, ...] = (),
    least: float = 0,
    most: float = math.inf,
) -> Any:
    """A field of Recipe that is an option of the commands too; numbers are from `least` to
    `most`."""
    said = {"meaning": meaning, "choices": choices, "least": least, "most": most}
    return field(default=default, metadata=said)


@dataclass(frozen=True)
class Recipe:
    """One way to train; the defaults are ours."""

    epochs: int = option(40, "how often the faces are seen", least=1)
    steps: int = option(0, "batches in all instead of epochs, rounded up to whole epochs")
    batch: int = option(128, "faces a step", least=1)
    optimizer: str = option("adamw", "sgd has a momentum of 0.9", ("adamw", "adam", "sgd"))
    rate: float = option(2e-3, "highest learning rate")
    schedule: str = option(
        "cosine",
        "cosine: a tenth of all steps, 500 at most, up, then down towards a hundredth; drops: a "
        "tenth of the rate from each of --drops on",
        ("cosine", "drops", "constant"),
    )
    drops: tuple[int, ...] = option((), "epochs, or steps with --steps")
    decay: float = option(1e-4, "decoupled weight decay")
    penalty: float = option(0.0, "λ of λ/2·Σw² over all kernels in the loss")
    clip: float = option(5.0, "greatest norm of a gradient, 0: any")
    clip_of: str = option("variable", "of each gradient, or of all together", ("variable", "all"))
    ema: float = option(0.998, "momentum of the averaged weights, 0: no average", most=0.99999)
    age_weight: float = option(1.0, "of the age error in years")
    nodes_weight: float = option(2.0, "of the cross-entropy of the classes of ages")
    gender_weight: float = option(40.0, "of the gender's loss")
    gender: str = option(
        "brier", "loss of the probability of male", ("brier", "absolute", "crossentropy")
    )
    smoothing: float = option(0.0, "taken from the true gender for the other one", most=0.5)
    focal: float = option(0.0, "γ of a class-balanced focal loss of the classes, 0: none")
    trust: float = option(0.5, "weight of the teachers against the labels", most=1)
    agreement: float = option(
        0.0,
        "weight of the years off the mean of two crops of a face; above 0 every face is shown "
        "twice in a batch, so that an epoch is twice as long",
    )
    blends: float = option(0.0, "blends of two faces, for each face, that the teachers answer for")
    dropout: float = option(0.0, "in SSR-Net, whose authors drop 0.2", most=0.9)
    balance: float = option(0.3, "0: every face once an epoch, 1: all ages equally often")
    augmentation: str = option("webcam", "random changes", tuple(AUGMENTATIONS))
    strength: float = option(1.0, "of the augmentation")
    freeze: tuple[str, ...] = option(
        (), "phases of equal length: layers up to this one, or so many, are not trained"
    )
    precision: str = option(
        "float32",
        "of the network's trunk; for crops of 64 pixels ours is mixed_bfloat16",
        ("float32", "mixed_float16", "mixed_bfloat16"),
    )


SEED = Recipe(schedule="constant", decay=0.0, clip=0.0, ema=0.0, balance=0.0, gender_weight=1.0)
C3AE = replace(
    SEED,
    optimizer="adam",
    rate=2e-3,
    nodes_weight=10.0,
    gender_weight=30.0,
    gender="crossentropy",
    focal=2.0,
    augmentation="c3ae",
)
PRESETS = {
    "ours": Recipe(),
    # SSR-Net: rate of the authors' code; from the paper's 0.002 on the net may collapse to age 0
    "ssrnet": replace(
        SEED,
        epochs=90,
        optimizer="adam",
        rate=1e-3,
        schedule="drops",
        drops=(30, 60),
        gender="absolute",
        dropout=0.2,
        augmentation="ssrnet",
    ),
    # LMTCNN: brightness and contrast are left out, the standardisation of the net undoes them
    "lmtcnn": replace(
        SEED,
        steps=50_000,
        optimizer="sgd",
        rate=0.01,
        schedule="drops",
        drops=(10_000, 20_000, 30_000, 40_000),
        penalty=0.01 * 5e-4,
        clip=4.0,
        clip_of="all",
        age_weight=0.0,
        nodes_weight=1.0,
        gender="crossentropy",
        augmentation="lmtcnn",
    ),
    "c3ae-v1": replace(C3AE, epochs=250, batch=50),
    "c3ae-v2": replace(C3AE, epochs=160, schedule="cosine", smoothing=0.01),
    "agendernet": replace(
        SEED,
        epochs=50,
        batch=64,
        optimizer="adam",
        rate=1e-3,
        age_weight=0.0,
        nodes_weight=1.0,
        gender="crossentropy",
        augmentation="none",
    ),
}
AGENDERNET_SSRNET = {
    "epochs": 70,
    "schedule": "drops",
    "drops": (30, 60),
    "gender": "absolute",
    "dropout": 0.2,
}
OF_NETWORK: dict[tuple[str, str], dict[str, Any]] = {  # (preset, network) -> what differs
    ("agendernet", "mobilenetv2"): {"freeze": ("130", "78")},
    ("agendernet", "inceptionv3"): {"freeze": ("311", "165")},
    ("agendernet", "ssrnet"): AGENDERNET_SSRNET,
    ("agendernet", "ssrnet-joint"): AGENDERNET_SSRNET,
    ("lmtcnn", "levi-hassner"): {"gender_weight": 0.1},  # the authors' rate for it is a tenth
}


def preset(name: str, network: str) -> Recipe:
    """The recipe of this name for a network. Networks without classes of ages learn years."""
    recipe = replace(PRESETS[name], **OF_NETWORK.get((name, network), {}))
    if name == "ours" and NETWORKS[network].input.size == 64:
        recipe = replace(recipe, precision="mixed_bfloat16")  # half the time of a step
    if not NETWORKS[network].age_bins:
        recipe = replace(recipe, age_weight=1.0, nodes_weight=0.0, focal=0.0)
    if "dropout" not in NETWORKS[network].config:
        recipe = replace(recipe, dropout=0.0)
    return recipe


def add_options(parser: argparse.ArgumentParser) -> None:
    """--preset, and an option for every field of Recipe, None where it is not given."""
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="ours", help="the recipe (ours)"
    )
    group = parser.add_argument_group("what differs from the preset (in brackets: ours)")
    for each in fields(Recipe):
        many = isinstance(each.default, tuple)
        kind: Any = {"drops": int, "freeze": str}[each.name] if many else type(each.default)
        if kind in (int, float):
            kind = number(each.metadata["least"], each.metadata["most"], kind)
        default = "" if each.default == () else f" ({each.default})"
        group.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=kind,
            nargs="*" if many else None,
            choices=each.metadata["choices"] or None,
            metavar=None if each.metadata["choices"] else each.name.upper(),
            help=each.metadata["meaning"] + default,
        )


def chosen(args: argparse.Namespace) -> Recipe:
    """The preset with the options that were given. Raises ModelError where they contradict."""
    given = {each.name: getattr(args, each.name) for each in fields(Recipe)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    recipe = preset(args.preset, args.network)
    if "epochs" in given and given.get("steps"):
        raise ModelError("--epochs and --steps both say how long: give one of them")
    if "epochs" in given and recipe.steps:
        given = {"steps": 0, **given}
    made = replace(recipe, **given)
    for name in ("nodes_weight", "focal"):
        if given.get(name) and not NETWORKS[args.network].age_bins:
            raise ModelError(f"--{name.replace('_', '-')}: {args.network} has no classes of ages")
    if given.get("dropout") and "dropout" not in NETWORKS[args.network].config:
        raise ModelError(f"--dropout is of SSR-Net: {args.network} has its own")
    if "strength" in given and made.augmentation == "none":
        raise ModelError("--strength is of an augmentation: leave it away, or --augmentation none")
    if made.schedule == "drops" and not made.drops:
        raise ModelError("--schedule drops: say where with --drops")
    if made.schedule != "drops" and given.get("drops"):
        raise ModelError("--drops are of one schedule: add --schedule drops")
    if list(made.drops) != sorted(set(made.drops)) or min(made.drops, default=1) < 1:
        raise ModelError("--drops: give them in ascending order, from 1 on")
    counted_anew = bool(made.steps) != bool(recipe.steps)
    if made.schedule == "drops" and made.drops == recipe.drops and counted_anew:
        was, now = ("steps", "epochs") if recipe.steps else ("epochs", "steps")
        raise ModelError(f"the --drops of {args.preset} are {was}: give them in {now} as well")
    return made

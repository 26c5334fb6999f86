"""Training recipes: all settings except the network and the data. Presets are our own recipe and
those of the papers' authors."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

from models.training.augment import AUGMENTATIONS
from models.zoo import NETWORKS


def option(
    default: Any,
    meaning: str,
    choices: tuple[str, ...] = (),
    least: float = 0,
    most: float = math.inf,
    alias: str = "",
) -> Any:
    """A field of Recipe that is a command-line option too. Numbers are from `least` to `most`.
    `alias` is the field's older name: it stays a valid option, and stored settings keep it."""
    metadata = {"meaning": meaning, "choices": choices, "least": least, "most": most}
    return field(default=default, metadata={**metadata, "alias": alias})


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; the defaults are ours."""

    epochs: int = option(
        40, "passes over the training faces; a preset's drops move in proportion", least=1
    )
    steps: int = option(
        0, "batches in all, instead of --epochs; rounded up to whole epochs, drops move likewise"
    )
    batch_size: int = option(128, "crops per step", least=1, alias="batch")
    optimizer: str = option("adamw", "sgd has momentum 0.9", ("adamw", "adam", "sgd"))
    lr: float = option(2e-3, "peak learning rate", alias="rate")
    schedule: str = option(
        "cosine",
        "of the learning rate. cosine: linear warm-up over a tenth of all steps, at most 500, then "
        "decay to a hundredth; drops: divide by 10 at each of --drops",
        ("cosine", "drops", "constant"),
    )
    drops: tuple[int, ...] = option(
        (), "epochs, or steps with --steps, at which the rate drops; a preset's fit any length"
    )
    weight_decay: float = option(1e-4, "decoupled weight decay", alias="decay")
    l2: float = option(0.0, "λ of the penalty λ/2·Σw² over all kernels", alias="penalty")
    clip_norm: float = option(5.0, "maximum gradient norm, 0: no clipping", alias="clip")
    clip_mode: str = option(
        "variable", "norm per variable, or of all together", ("variable", "all"), alias="clip_of"
    )
    ema: float = option(
        0.998, "momentum of the moving average of the weights, 0: no average", most=0.99999
    )
    age_weight: float = option(1.0, "weight of the age loss, in years")
    age_bins_weight: float = option(
        2.0, "weight of the cross-entropy of the age bins", alias="nodes_weight"
    )
    gender_weight: float = option(40.0, "weight of the gender loss")
    gender_loss: str = option(
        "brier",
        "loss of the probability of male",
        ("brier", "absolute", "crossentropy"),
        alias="gender",
    )
    label_smoothing: float = option(
        0.0, "probability moved from the labelled gender to the other", most=0.5, alias="smoothing"
    )
    focal: float = option(0.0, "γ of a class-balanced focal loss of the age bins, 0: none")
    distill_weight: float = option(
        0.5, "weight of the teachers' predictions against the labels", most=1, alias="trust"
    )
    consistency: float = option(
        0.0,
        "weight of the years between two crops of a face and their mean; if above 0, each face is "
        "in a batch twice and an epoch has twice as many steps",
        alias="agreement",
    )
    mixup: float = option(
        0.0, "mixed pairs of faces per training face; needs --teachers for labels", alias="blends"
    )
    dropout: float = option(0.0, "of SSR-Net; its authors use 0.2", most=0.9)
    balance: float = option(0.3, "0: each face once per epoch, 1: all ages equally often")
    augmentation: str = option("webcam", "set of random changes", tuple(AUGMENTATIONS))
    magnitude: float = option(1.0, "factor on the augmentation's ranges", alias="strength")
    freeze: tuple[str, ...] = option(
        (),
        "phases of equal length: each freezes the layers up to this name, or the first N layers",
    )
    precision: str = option(
        "float32",
        "of the network's trunk; our preset uses mixed_bfloat16 for crops of 64 pixels",
        ("float32", "mixed_float16", "mixed_bfloat16"),
    )

    def stored(self) -> dict[str, Any]:
        """The settings by the names that checkpoints and tables of results keep."""
        return {f.metadata["alias"] or f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def current_names(cls) -> dict[str, str]:
        """The field of each stored name that differs from it."""
        aliases = {f.metadata["alias"]: f.name for f in fields(cls)}
        return {alias: name for alias, name in aliases.items() if alias}

    @property
    def length(self) -> int:
        """Steps of the training if `steps` is set, otherwise epochs: the unit of `drops`."""
        return self.steps or self.epochs

    def with_drops_for(self, length: int) -> tuple[int, ...]:
        """The drops, moved in proportion to another length and rounded; those that then fall before
        1 or behind the end are left out."""
        moved = (round(drop * length / self.length) for drop in self.drops)
        return tuple(sorted({drop for drop in moved if 1 <= drop < length}))


AUTHORS = Recipe(  # without our own additions; the authors' presets change it
    schedule="constant", weight_decay=0.0, clip_norm=0.0, ema=0.0, balance=0.0, gender_weight=1.0
)
C3AE = replace(
    AUTHORS,
    optimizer="adam",
    lr=2e-3,
    age_bins_weight=10.0,
    gender_weight=30.0,
    gender_loss="crossentropy",
    focal=2.0,
    augmentation="c3ae",
)
PRESETS = {
    "ours": Recipe(),
    # SSR-Net: learning rate of the authors' code; with the paper's 0.002 it can collapse to age 0
    "ssrnet": replace(
        AUTHORS,
        epochs=90,
        optimizer="adam",
        lr=1e-3,
        schedule="drops",
        drops=(30, 60),
        gender_loss="absolute",
        dropout=0.2,
        augmentation="ssrnet",
    ),
    # LMTCNN: no brightness and contrast, which the network's standardisation would undo
    "lmtcnn": replace(
        AUTHORS,
        steps=50_000,
        optimizer="sgd",
        lr=0.01,
        schedule="drops",
        drops=(10_000, 20_000, 30_000, 40_000),
        l2=0.01 * 5e-4,
        clip_norm=4.0,
        clip_mode="all",
        age_weight=0.0,
        age_bins_weight=1.0,
        gender_loss="crossentropy",
        augmentation="lmtcnn",
    ),
    "c3ae-v1": replace(C3AE, epochs=250, batch_size=50),
    "c3ae-v2": replace(C3AE, epochs=160, schedule="cosine", label_smoothing=0.01),
    "agendernet": replace(
        AUTHORS,
        epochs=50,
        batch_size=64,
        optimizer="adam",
        lr=1e-3,
        age_weight=0.0,
        age_bins_weight=1.0,
        gender_loss="crossentropy",
        augmentation="none",
    ),
}
AGENDERNET_SSRNET = {
    "epochs": 70,
    "schedule": "drops",
    "drops": (30, 60),
    "gender_loss": "absolute",
    "dropout": 0.2,
}
OF_NETWORK: dict[tuple[str, str], dict[str, Any]] = {  # (preset, network) -> changed fields
    ("agendernet", "mobilenetv2"): {"freeze": ("130", "78")},
    ("agendernet", "inceptionv3"): {"freeze": ("311", "165")},
    ("agendernet", "ssrnet"): AGENDERNET_SSRNET,
    ("agendernet", "ssrnet-joint"): AGENDERNET_SSRNET,
    ("lmtcnn", "levi-hassner"): {"gender_weight": 0.1},  # the authors' learning rate is a tenth
}


def preset(name: str, network: str) -> Recipe:
    """The recipe of a preset (key of PRESETS) for a network (key of NETWORKS), without what the
    network lacks: a network without age bins trains its age in years."""
    recipe = replace(PRESETS[name], **OF_NETWORK.get((name, network), {}))
    if name == "ours" and NETWORKS[network].input.size == 64:
        recipe = replace(recipe, precision="mixed_bfloat16")  # halves the time of a step
    if not NETWORKS[network].age_bins:
        recipe = replace(recipe, age_weight=1.0, age_bins_weight=0.0, focal=0.0)
    if "dropout" not in NETWORKS[network].config:
        recipe = replace(recipe, dropout=0.0)
    return recipe

"""The configuration of one training."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from models.crops.spec import InputSpec
from models.training.pretrained import Pretrained
from models.training.recipes import Recipe
from models.zoo import ARCHITECTURES, NETWORKS, Network


@dataclass(frozen=True)
class Training:
    """A network, its recipe, and the models that it starts from or distils; all but the faces."""

    network: str  # key of models.zoo.NETWORKS
    recipe: Recipe
    seed: int = 1
    crop_fraction: float | None = None  # None: the network's own
    init: Pretrained | None = None  # weights to start from
    teachers: tuple[Pretrained, ...] = ()  # models whose predictions are distilled

    @property
    def network_spec(self) -> Network:
        """The network's entry in the zoo."""
        return NETWORKS[self.network]

    @property
    def pretrained(self) -> tuple[Pretrained, ...]:
        """The start, if there is one, and the teachers."""
        return (*(() if self.init is None else (self.init,)), *self.teachers)

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of the network's `build`."""
        config = self.network_spec.config
        return {**config, "dropout": self.recipe.dropout} if "dropout" in config else config

    @property
    def input(self) -> InputSpec:
        """The crops that the network is trained on."""
        spec = self.network_spec.input
        if self.crop_fraction is None:
            return spec
        return replace(spec, crop_fraction=self.crop_fraction)

    def build(self, weights: list[np.ndarray] | None = None) -> keras.Model:
        """The network, random or with these weights in the order of `keras.Model.get_weights`."""
        model = ARCHITECTURES[self.network_spec.architecture](**self.config)
        if weights is not None:
            model.set_weights(weights)
        return model

    def stored(self) -> dict[str, Any]:
        """The settings by the names that checkpoints and tables of results keep."""
        return {
            "network": self.network,
            "recipe": self.recipe.stored(),
            "seed": self.seed,
            "view": self.crop_fraction,
            "init": None if self.init is None else self.init.name,
            "teachers": tuple(teacher.name for teacher in self.teachers),
        }

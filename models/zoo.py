"""The networks that can be trained, by name, and their weights as Keras models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.manifest import Manifest
from models.networks import (
    c3ae,
    densenet,
    faceres,
    inceptionv3,
    levi_hassner,
    lmtcnn,
    mobilenet,
    mobilenetv2,
    ssrnet,
)

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "c3ae": c3ae.build,
    "densenet": densenet.build,
    "faceres": faceres.build,
    "inceptionv3": inceptionv3.build,
    "levi_hassner": levi_hassner.build,
    "lmtcnn": lmtcnn.build,
    "mobilenet": mobilenet.build,
    "mobilenetv2": mobilenetv2.build,
    "ssrnet": ssrnet.build,
}


@dataclass(frozen=True)
class Network:
    """An architecture with its arguments and crops."""

    architecture: str  # module of models.networks
    config: dict[str, Any]  # keyword arguments of its `build`
    input: InputSpec
    age_bins: tuple[float, ...] = ()  # years, ascending: classes of the output "nodes", if any


SMALL = InputSpec(size=64, crop_fraction=0.75)
CONTEXT = InputSpec(  # scale and offset are C3AE's white-norm
    size=64, align="context", border="constant", scale=1 / 128, offset=-127.5 / 128
)
ADIENCE = InputSpec(size=227, crop_fraction=0.8, channels="rgb")
FACERES = InputSpec(size=128, crop_fraction=0.8, offset=faceres.OFFSET)
AGENDERNET = InputSpec(size=96, crop_fraction=0.8, scale=1 / 128, offset=-1.0)
INCEPTION = InputSpec(size=140, crop_fraction=0.8, scale=1 / 127.5, offset=-1.0)
YEARS = tuple(map(float, mobilenetv2.YEARS))
DECADES = tuple(map(float, c3ae.AGE_BINS))
BRACKETS = lmtcnn.BRACKET_CENTRES

NETWORKS: dict[str, Network] = {
    "ssrnet": Network("ssrnet", {"joint": False, "dropout": 0.0}, SMALL),
    "ssrnet-joint": Network("ssrnet", {"joint": True, "dropout": 0.0}, SMALL),
    "faceres": Network("faceres", {"size": 128}, FACERES),
    "c3ae": Network("c3ae", {"se": True}, CONTEXT, DECADES),
    "c3ae-plain": Network("c3ae", {"se": False}, CONTEXT, DECADES),
    "lmtcnn-1-1": Network("lmtcnn", {"multiplier": 1}, ADIENCE, BRACKETS),
    "lmtcnn-2-1": Network("lmtcnn", {"multiplier": 2}, ADIENCE, BRACKETS),
    "lmtcnn-gap": Network("lmtcnn", {"multiplier": 1, "head": "gap"}, ADIENCE, BRACKETS),
    "levi-hassner": Network("levi_hassner", {}, ADIENCE, BRACKETS),
    "mobilenet-025": Network("mobilenet", {"alpha": 0.25}, SMALL),
    "mobilenet-050": Network("mobilenet", {"alpha": 0.5}, SMALL),
    "densenet-13": Network("densenet", {"depth": 13}, SMALL),
    "densenet-19": Network("densenet", {"depth": 19}, SMALL),
    "mobilenetv2": Network("mobilenetv2", {}, AGENDERNET, YEARS),
    "inceptionv3": Network("inceptionv3", {}, INCEPTION, YEARS),
}


def load_keras(manifest: Manifest) -> keras.Model:
    """The Keras model with the manifest's weights, on any Keras back end. Raises ModelError if the
    architecture or its arguments are unknown, or the weights file is missing or damaged."""
    build = ARCHITECTURES.get(manifest.architecture)
    if build is None:
        raise ModelError(
            f"model {manifest.name} is not a network of models.zoo: its architecture is "
            f"{manifest.architecture!r}, not {', '.join(ARCHITECTURES)}"
        )
    try:
        model = build(**manifest.config)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"model {manifest.name} cannot be built of its config: {reason}") from None
    model.load_weights(manifest.file("keras"))
    return model

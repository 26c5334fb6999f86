"""`python -m models.export NAME --to onnx|tflite|saved_model`: write a model for other programs.

A manifest is written beside the file, and `stream.py --weights FILE` runs both. The file's outputs
are compared with Keras' on real faces: those of the val splits of --data, or of the bundled clip. A
file that deviates too much is not written. --int8 takes the ranges of its activations from --data.
"""

import argparse
import sys
from pathlib import Path

from models.commands import add_model, guarded
from models.manifest import load_manifest
from models.printable import printable
from models.quiet import quiet_tensorflow

FORMATS = ("onnx", "tflite", "saved_model")


def main(argv: list[str] | None = None) -> int:
    """Parse, export, print the comparison; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.export", description=__doc__)
    add_model(parser)
    parser.add_argument("--to", choices=FORMATS, required=True, help="file format")
    bits = parser.add_mutually_exclusive_group()
    for precision, meaning in (("int8", "compute in 8 bits"), ("fp16", "store float16 weights")):
        bits.add_argument(
            f"--{precision}",
            dest="precision",
            action="store_const",
            const=precision,
            default="float32",
            help=meaning,
        )
    parser.add_argument(
        "-o",
        dest="folder",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="output folder (%(default)s)",
    )
    parser.add_argument(
        "--data", nargs="+", type=Path, default=[], help="data sets, zips or folders"
    )
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = load_manifest(args.name)
        with quiet_tensorflow():
            from models.exporting.run import export
        exported, lines = export(manifest, args.to, args.precision, args.folder, args.data)
        print("\n".join(lines))
        path = exported.folder / exported.files[args.to]["name"]
        print(f"wrote {printable(str(path))} and {exported.name}.json")

    return guarded("models.export", work)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m models.export NAME --to onnx|tflite|saved_model`: a model as a file for elsewhere.

Beside the file lies its manifest: `stream.py --weights FILE` runs it. Nothing is written that
answers otherwise than Keras on real faces (models.exporting.parity), those of the val splits of
--data or of the bundled clip. --int8 takes the ranges of its activations from the val splits.
"""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from models.commands import add_model, guarded
from models.crops.preprocess import network_input
from models.errors import ModelError
from models.exporting.graphs import write_graph
from models.exporting.parity import (
    CPU,
    SeenFaces,
    answers,
    check,
    clip_faces,
    figures,
    held_out_faces,
)
from models.exporting.quantize import write_int8
from models.exporting.weights import keras_network
from models.files import make_folder
from models.inference.engines import stderr_closed
from models.inference.estimator import open_network
from models.manifest import SUFFIXES, Manifest, file_entry, load_manifest
from models.zoo import load_keras

FORMATS = ("onnx", "tflite", "saved_model")
COLUMNS = {  # of models.exporting.parity.figures -> heading, width, format
    "megabytes": ("MB", 8, ".2f"),
    "ms_1_face": ("1 face, ms", 12, ".2f"),
    "ms_8_faces": ("8 faces, ms", 13, ".2f"),
    "age_error": ("age error", 11, ".3f"),
    "gender": ("gender", 10, ".2%"),
}


def export(
    manifest: Manifest, kind: str, precision: str, folder: Path, data: list[Path]
) -> tuple[Manifest, list[str]]:
    """Write the model as NAME[-PRECISION] of a kind of FORMATS, with its manifest, and tell how it
    does beside the one of 32 bits. `precision`: "float32", "fp16" or "int8"."""
    if kind == "saved_model" and precision != "float32":
        raise ModelError(f"saved_model has 32 bits: leave out --{precision}, or use --to tflite")
    if manifest.input.align == "box" and (data or precision == "int8"):
        instead = "use --fp16" if precision == "int8" else "leave --data away"
        raise ModelError(f"{manifest.name} sees crops by the box, not chips of --data: {instead}")
    if precision == "int8" and not data:
        raise ModelError("--int8 needs --data: the faces of its val split give the ranges")
    name = manifest.name if precision == "float32" else f"{manifest.name}-{precision}"
    make_folder(folder)
    exported = _joined(replace(manifest, name=name, files={}, folder=folder))
    model = load_keras(manifest)
    faces = held_out_faces(data, manifest.input) if data else clip_faces(manifest.input)
    expected = answers(keras_network(model), faces.crops, manifest)
    rows = {}
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as place:
        for bits in dict.fromkeys(("float32", precision)):
            made = _written(model, replace(exported, folder=Path(place) / bits), kind, bits, faces)
            found = answers(open_network(made, CPU)[0], faces.crops, made)
            deviation = check(found, expected, bits, made.files[kind]["name"])
            rows[bits] = figures(made, faces)
        file = folder / made.files[kind]["name"]
        if file.is_dir():
            shutil.rmtree(file)
        (made.folder / file.name).replace(file)
    exported = replace(exported, files={**exported.files, **made.files})
    exported.save()
    return exported, [*_table(rows), f"beside Keras on {len(faces.crops)} faces: {deviation}"]


def _joined(manifest: Manifest) -> Manifest:
    """The manifest with the files of other kinds that it already has in its folder. Raises
    ModelError where another model of this name lies there."""
    path = manifest.folder / f"{manifest.name}.json"
    if not path.is_file():
        return manifest
    before = load_manifest(str(path))
    if replace(before, files={}, folder=manifest.folder) != manifest:
        raise ModelError(f"{path} is the manifest of another model: name another folder with -o")
    return before


def _written(
    model: keras.Model, exported: Manifest, kind: str, precision: str, faces: SeenFaces
) -> Manifest:
    """Write the graph into the manifest's folder, which is made; the manifest has it alone."""
    exported.folder.mkdir()
    path = exported.folder / f"{exported.name}{SUFFIXES[kind]}"
    with stderr_closed():  # the converters tell at length what they do
        if precision == "int8":
            write_int8(model, path, kind, network_input(faces.crops, exported.input))
        else:
            write_graph(model, path, kind, half=precision == "fp16")
    return replace(exported, files={kind: file_entry(path)})


def _table(rows: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a table, one row a precision, of the figures that there are."""
    columns = {name: COLUMNS[name] for name in COLUMNS if name in rows["float32"]}
    heads = [f"{head:>{width}}" for head, width, _ in columns.values()]
    lines = [f"{'':8}" + "".join(heads)]
    for precision, row in rows.items():
        cells = [f"{row[name]:{width}{kind}}" for name, (_, width, kind) in columns.items()]
        lines.append(f"{precision:8}" + "".join(cells))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Parse, export, tell."""
    parser = argparse.ArgumentParser(prog="python -m models.export", description=__doc__)
    add_model(parser)
    parser.add_argument("--to", choices=FORMATS, required=True, help="the kind of file")
    bits = parser.add_mutually_exclusive_group()
    for precision, meaning in (("int8", "compute in 8 bits"), ("fp16", "weights of 16 bits")):
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
        help="folder for the result (%(default)s)",
    )
    parser.add_argument("--data", nargs="+", type=Path, default=[], help="zips or folders")
    args = parser.parse_args(argv)

    def work() -> None:
        manifest = load_manifest(args.name)
        exported, lines = export(manifest, args.to, args.precision, args.folder, args.data)
        print("\n".join(lines))
        print(f"wrote {exported.folder / exported.files[args.to]['name']} and {exported.name}.json")

    return guarded("models.export", work)


if __name__ == "__main__":
    sys.exit(main())

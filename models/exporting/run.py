"""Export a model: write it as a file of another kind, and compare the file with Keras."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import keras

from models.crops.preprocess import network_input
from models.errors import ModelError
from models.exporting.graphs import write_graph
from models.exporting.parity import (
    CPU,
    FaceCrops,
    check_parity,
    clip_faces,
    measurements,
    network_outputs,
    val_faces,
)
from models.exporting.quantize import write_int8
from models.exporting.weights import keras_network
from models.files import make_folder
from models.inference.devices import open_network
from models.manifest import SUFFIXES, Manifest, file_entry, load_manifest
from models.zoo import load_keras

COLUMNS = {  # of models.exporting.parity.measurements -> heading, width, format
    "megabytes": ("MB", 8, ".2f"),
    "ms_1_face": ("1 face, ms", 12, ".2f"),
    "ms_8_faces": ("8 faces, ms", 13, ".2f"),
    "age_error": ("age error", 11, ".3f"),
    "gender": ("gender", 10, ".2%"),
}


def export(
    manifest: Manifest, kind: str, precision: str, folder: Path, data: list[Path]
) -> tuple[Manifest, list[str]]:
    """Write the model as NAME[-PRECISION] with its manifest; return the manifest and lines that
    compare it with float32 and with Keras.

    `kind`: "onnx", "tflite" or "saved_model". `precision`: "float32", "fp16" or "int8". `data`:
    data sets whose val splits give the faces for the comparison, else the bundled clip does. Raises
    ModelError if the model cannot be written so or deviates from Keras, or if another model has
    this name in the folder.
    """
    _check(manifest, kind, precision, data)
    name = manifest.name if precision == "float32" else f"{manifest.name}-{precision}"
    make_folder(folder)
    exported = _with_existing_files(replace(manifest, name=name, files={}, folder=folder))
    model = load_keras(manifest)
    faces = val_faces(data, manifest.input) if data else clip_faces(manifest.input)
    expected = network_outputs(keras_network(model), faces.crops, manifest.input)
    rows = {}
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as place:
        for bits in dict.fromkeys(("float32", precision)):
            made = _written(model, replace(exported, folder=Path(place) / bits), kind, bits, faces)
            found = network_outputs(open_network(made, CPU)[0], faces.crops, made.input)
            deviation = check_parity(found, expected, bits, made.files[kind]["name"])
            rows[bits] = measurements(made, faces)
        file = folder / made.files[kind]["name"]
        if file.is_dir():
            shutil.rmtree(file)
        (made.folder / file.name).replace(file)
    exported = replace(exported, files={**exported.files, **made.files})
    exported.save()
    return exported, [*_table(rows), f"beside Keras on {len(faces.crops)} faces: {deviation}"]


def _check(manifest: Manifest, kind: str, precision: str, data: list[Path]) -> None:
    """Raise ModelError if these options contradict each other or the model."""
    if kind == "saved_model" and precision != "float32":
        raise ModelError(
            f"a saved_model has float32 weights only: remove --{precision}, or use --to tflite"
        )
    if manifest.input.align == "box" and (data or precision == "int8"):
        instead = "use --fp16" if precision == "int8" else "remove --data"
        raise ModelError(
            f"{manifest.name} takes crops by the box, and --data gives aligned chips: {instead}"
        )
    if precision == "int8" and not data:
        raise ModelError("--int8 needs --data: the faces of its val split give the ranges")


def _with_existing_files(manifest: Manifest) -> Manifest:
    """The manifest with the files of other kinds that the folder already has. Raises ModelError if
    another model has this name there."""
    path = manifest.folder / f"{manifest.name}.json"
    if not path.is_file():
        return manifest
    before = load_manifest(str(path))
    if replace(before, files={}, folder=manifest.folder) != manifest:
        raise ModelError(f"{path} is the manifest of another model: name another folder with -o")
    return before


def _written(
    model: keras.Model, exported: Manifest, kind: str, precision: str, faces: FaceCrops
) -> Manifest:
    """Create the manifest's folder, write the graph, return the manifest with that file only."""
    exported.folder.mkdir()
    path = exported.folder / f"{exported.name}{SUFFIXES[kind]}"
    if precision == "int8":
        write_int8(model, path, kind, network_input(faces.crops, exported.input))
    else:
        write_graph(model, path, kind, half=precision == "fp16")
    return replace(exported, files={kind: file_entry(path)})


def _table(rows: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a table: one row per precision, one column per measurement."""
    columns = {name: COLUMNS[name] for name in COLUMNS if name in rows["float32"]}
    heads = [f"{head:>{width}}" for head, width, _ in columns.values()]
    lines = [f"{'':8}" + "".join(heads)]
    for precision, row in rows.items():
        cells = [f"{row[name]:{width}{form}}" for name, (_, width, form) in columns.items()]
        lines.append(f"{precision:8}" + "".join(cells))
    return lines

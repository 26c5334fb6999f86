"""A trained or converted network as the files that a model has: weights, graph and manifest."""

import tempfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.exporting.graphs import write_graph
from models.exporting.parity import check
from models.files import make_folder
from models.inference.engines import Network, OnnxNetwork
from models.manifest import MEANINGS, Manifest, file_entry

HALF_FROM = 1_000_000  # parameters: weights of larger networks are kept in 16 bits


def write_model(
    model: keras.Model,
    name: str,
    architecture: str,
    config: dict[str, Any],
    spec: InputSpec,
    folder: Path,
    origin: str,
    licence: str = "",
    data: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    mirror: bool = False,
    untold: Container[str] = (),
) -> Manifest:
    """Write NAME.weights.h5, NAME.onnx and NAME.json; refuse a graph that answers otherwise, and
    leave what was there before. Only TensorFlow's back end writes the graph: elsewhere the weights
    are alone until `models.export --to onnx`.

    `untold` outputs are left out of the manifest: nothing ever trained them.

    The weights of a network of HALF_FROM parameters or more are rounded to 16 bits and stored so;
    it still computes in 32.
    """
    make_folder(folder)
    bare = type(model).from_config(model.get_config())  # without the optimizer's state
    half = model.count_params() >= HALF_FROM
    kept = np.float16 if half else np.float32
    bare.set_weights([w.astype(kept).astype(np.float32) for w in model.get_weights()])
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as place:
        files = {"keras": Path(place) / f"{name}.weights.h5"}
        bare.save_weights(files["keras"])
        if keras.backend.backend() == "tensorflow":
            files = {"onnx": Path(place) / f"{name}.onnx", **files}
            export_onnx(bare, files["onnx"], half, spec)
        if half:
            _halve(files["keras"])
        entries = {kind: file_entry(file) for kind, file in files.items()}
        for file in files.values():
            file.replace(folder / file.name)
    manifest = Manifest(
        name=name,
        architecture=architecture,
        config=config,
        input=spec,
        files=entries,
        outputs={name: MEANINGS[name] for name in sorted(model.output) if name not in untold},
        mirror=mirror,
        licence=licence,
        origin=origin,
        data=data or {},
        metrics=metrics or {},
        folder=folder,
    )
    manifest.save()
    return manifest


def export_onnx(model: keras.Model, path: Path, half: bool, spec: InputSpec) -> None:
    """Write the graph, after Keras answered for random pixels; then let the graph answer. Raises
    ModelError where the two differ."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, *model.input_shape[1:]), np.uint8)
    crops = network_input(pixels, spec)
    expected = keras_network(model)(crops)
    write_graph(model, path, "onnx", half)
    found = OnnxNetwork(path, "cpu")(crops)
    check(found, expected, "fp16" if half else "float32", path.name)  # folded kernels are rounded


def keras_network(model: keras.Model) -> Network:
    """What the model answers, on any back end."""

    def network(batch: np.ndarray) -> dict[str, np.ndarray]:
        with keras.device("cpu"):  # GPUs multiply in fewer bits
            answers = model(batch, training=False)
        return {name: keras.ops.convert_to_numpy(values) for name, values in answers.items()}

    return network


def _halve(path: Path) -> None:
    """Store the arrays of a Keras weights file as float16."""
    whole = path.with_suffix(".whole")
    path.rename(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                half = item.dtype == np.float32
                made = target.create_dataset(name, data=item[()].astype("f2") if half else item[()])
            else:
                made = target.require_group(name)
            made.attrs.update(item.attrs)

        source.visititems(copy)
        target.attrs.update(source.attrs)
    whole.unlink()

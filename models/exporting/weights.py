"""Write a trained or converted network as a model: weights, graph and manifest."""

import tempfile
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.exporting.graphs import write_graph
from models.exporting.parity import check_parity
from models.files import make_folder
from models.inference.engines import Network, OnnxNetwork
from models.manifest import MEANINGS, Manifest, file_entry

HALF_FROM = 1_000_000  # parameters: larger networks store their weights as float16


@dataclass(frozen=True)
class Description:
    """A model in words and settings: the fields of `models.manifest.Manifest` that are known before
    its files are written."""

    name: str
    architecture: str  # module of models.networks
    config: dict[str, Any]  # keyword arguments of its `build`
    input: InputSpec
    origin: str
    licence: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    flip_tta: bool = False


def write_model(
    model: keras.Model,
    description: Description,
    folder: Path,
    untrained_outputs: Container[str] = (),
) -> Manifest:
    """Write NAME.weights.h5, NAME.onnx and NAME.json to the folder and return the manifest, which
    leaves out the `untrained_outputs`.

    Networks of HALF_FROM parameters or more have their weights rounded to float16 and stored so;
    they still compute in float32. Only Keras on TensorFlow writes the graph; on other back ends the
    weights are alone until `models.export --to onnx`. Raises ModelError, and leaves older files as
    they were, if the graph's outputs differ from Keras' or the folder is not writable.
    """
    make_folder(folder)
    half = model.count_params() >= HALF_FROM
    with tempfile.TemporaryDirectory(prefix=f".{description.name}-", dir=folder) as place:
        files = _write_files(_rounded(model, half), description, Path(place), half)
        entries = {kind: file_entry(file) for kind, file in files.items()}
        for file in files.values():
            file.replace(folder / file.name)
    trained = [name for name in sorted(model.output) if name not in untrained_outputs]
    outputs = {name: MEANINGS[name] for name in trained}
    manifest = Manifest(**vars(description), files=entries, outputs=outputs, folder=folder)
    manifest.save()
    return manifest


def _rounded(model: keras.Model, half: bool) -> keras.Model:
    """A copy without the optimizer's state, its weights rounded to float16 if `half`."""
    copy = type(model).from_config(model.get_config())
    stored = np.float16 if half else np.float32
    copy.set_weights([w.astype(stored).astype(np.float32) for w in model.get_weights()])
    return copy


def _write_files(
    model: keras.Model, description: Description, folder: Path, half: bool
) -> dict[str, Path]:
    """Write the graph, if this back end can, and the weights; their paths by kind."""
    files = {"keras": folder / f"{description.name}.weights.h5"}
    model.save_weights(files["keras"])
    if keras.backend.backend() == "tensorflow":
        files = {"onnx": folder / f"{description.name}.onnx", **files}
        export_onnx(model, files["onnx"], half, description.input)
    if half:
        _store_as_float16(files["keras"])
    return files


def export_onnx(model: keras.Model, path: Path, half: bool, spec: InputSpec) -> None:
    """Write the graph as ONNX, with float16 weights if `half`. Raises ModelError if its outputs for
    random pixels differ from Keras'."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, *model.input_shape[1:]), np.uint8)
    crops = network_input(pixels, spec)
    expected = keras_network(model)(crops)
    write_graph(model, path, "onnx", half)
    found = OnnxNetwork(path, "cpu")(crops)
    # with float16 weights, kernels that were folded are rounded a second time
    check_parity(found, expected, "fp16" if half else "float32", path.name)


def keras_network(model: keras.Model) -> Network:
    """The Keras model as a function from an array (N, …) to an array per output, on any back end.
    It runs on the CPU, since GPUs multiply with fewer bits."""

    def network(batch: np.ndarray) -> dict[str, np.ndarray]:
        with keras.device("cpu"):
            outputs = model(batch, training=False)
        return {name: keras.ops.convert_to_numpy(values) for name, values in outputs.items()}

    return network


def _store_as_float16(path: Path) -> None:
    """Rewrite a Keras weights file with its float32 arrays as float16."""
    original = path.with_suffix(".float32")
    path.rename(original)
    with h5py.File(original) as source, h5py.File(path, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                half = item.dtype == np.float32
                made = target.create_dataset(name, data=item[()].astype("f2") if half else item[()])
            else:
                made = target.require_group(name)
            made.attrs.update(item.attrs)

        source.visititems(copy)
        target.attrs.update(source.attrs)
    original.unlink()

"""A Keras model as files that run elsewhere, beside its manifest."""

import contextlib
import io
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime as ort

from models.spec import MEANINGS, InputSpec, Manifest, ModelError, sha256

HALF_FROM = 1_000_000  # parameters: weights of larger networks are kept in 16 bits
TOLERANCE = {"age": 1e-3, "male": 1e-4, "nodes": 1e-4}  # years, probabilities: against Keras


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
) -> Manifest:
    """Write NAME.weights.h5, NAME.onnx and NAME.json; refuse a graph that answers otherwise.

    The weights of a network of HALF_FROM parameters or more are rounded to 16 bits and stored so;
    it still computes in 32.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write weights to {folder}: {error.strerror}") from None
    weights, graph = folder / f"{name}.weights.h5", folder / f"{name}.onnx"
    bare = type(model).from_config(model.get_config())  # without the optimizer's state
    half = model.count_params() >= HALF_FROM
    kept = np.float16 if half else np.float32
    bare.set_weights([w.astype(kept).astype(np.float32) for w in model.get_weights()])
    bare.save_weights(weights)
    export_onnx(bare, graph)
    if half:
        _halve_keras(weights)
        _halve_onnx(graph)
    manifest = Manifest(
        name=name,
        architecture=architecture,
        config=config,
        input=spec,
        files={
            "onnx": {"name": graph.name, "sha256": sha256(graph)},
            "keras": {"name": weights.name, "sha256": sha256(weights)},
        },
        outputs={output: MEANINGS[output] for output in sorted(model.output)},
        mirror=mirror,
        licence=licence,
        origin=origin,
        data=data or {},
        metrics=metrics or {},
        folder=folder,
    )
    manifest.save()
    return manifest


def export_onnx(model: keras.Model, path: Path) -> None:
    """Write the graph, after Keras answered for random pixels; then let the graph answer."""
    shape = model.input_shape[1:]
    crops = np.random.default_rng(0).integers(0, 256, (8, *shape)).astype(np.float32)
    expected = {k: np.asarray(v) for k, v in model(crops, training=False).items()}
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(path, format="onnx", verbose=False)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = session.run(names, {session.get_inputs()[0].name: crops})
    values = dict(zip(names, answers, strict=True))
    for output, value in expected.items():
        difference = float(np.abs(values[output] - value).max())
        if difference > TOLERANCE[output]:
            path.unlink()
            raise ModelError(
                f"{path.name}: {output} differs from Keras by {difference:.2g}; removed"
            )


def _halve_keras(path: Path) -> None:
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


def _halve_onnx(path: Path) -> None:
    """Store the weights of a graph as float16; a cast, which engines fold, makes them whole."""
    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            name, stored = tensor.name, f"{tensor.name}_half"
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, stored))
            cast = onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT)
            casts.append(cast)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)

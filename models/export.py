"""A Keras model as files that run elsewhere, beside its manifest."""

import contextlib
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime as ort

from models.spec import MEANINGS, InputSpec, Manifest, ModelError, sha256

TOLERANCE = {"age": 1e-3, "male": 1e-4}  # years, probability: the graph against Keras


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
) -> Manifest:
    """Write NAME.weights.h5, NAME.onnx and NAME.json; refuse a graph that answers otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write weights to {folder}: {error.strerror}") from None
    weights, graph = folder / f"{name}.weights.h5", folder / f"{name}.onnx"
    bare = type(model).from_config(model.get_config())  # without the optimizer's state
    bare.set_weights(model.get_weights())
    bare.save_weights(weights)
    export_onnx(bare, graph)
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

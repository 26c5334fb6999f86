"""Write a Keras model as a graph: ONNX, TensorFlow Lite or SavedModel, with float32 or float16
weights. Either way the graph computes in float32."""

import contextlib
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnx.numpy_helper

from models.errors import ModelError
from models.quiet import stderr_closed


def write_graph(model: keras.Model, path: Path, kind: str, half: bool = False) -> None:
    """Write the graph of a kind of models.inference.devices.KINDS except "keras", with float16
    weights if `half` (not for "saved_model"). Raises ModelError if the Keras back end cannot write
    this kind."""
    with stderr_closed():  # the converters print each of their steps
        if kind == "onnx":
            _write_onnx(model, path, half)
        elif kind == "tflite":
            _write_tflite(model, path, half)
        else:
            _write_saved_model(model, path)


def _write_onnx(model: keras.Model, path: Path, half: bool) -> None:
    model(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras exports only a called model
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(path, format="onnx", verbose=False)
    if half:
        _store_as_float16(path)


def _write_tflite(model: keras.Model, path: Path, half: bool) -> None:
    import tensorflow as tf

    converter = tflite_converter(model)
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())


def _write_saved_model(model: keras.Model, path: Path) -> None:
    import tensorflow as tf

    module = frozen(model)
    tf.saved_model.save(module, str(path), module.serve.get_concrete_function())


def tflite_converter(model: keras.Model) -> Any:
    """TensorFlow Lite's converter of a model, for batches of any size and outputs by name. Raises
    ModelError on another back end than TensorFlow."""
    module = frozen(model)
    import tensorflow as tf

    graph = module.serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([graph], module)


def frozen(model: keras.Model) -> Any:
    """A tf.Module whose `serve` computes the model's outputs for crops (N, size, size, depth)
    float32. Its weights are constants, since TensorFlow Lite silently loses the variables of
    Keras 3. Raises ModelError on another back end than TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ModelError("tflite and saved_model are written with KERAS_BACKEND=tensorflow only")
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    crops = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, "image")]
    traced = tf.function(lambda image: model(image, training=False), input_signature=crops)
    constant = convert_variables_to_constants_v2(traced.get_concrete_function())
    names = sorted(model.output)  # the order in which TensorFlow flattens a dict
    module = tf.Module()
    module.serve = tf.function(
        lambda image: dict(zip(names, constant(image), strict=True)), input_signature=crops
    )
    return module


def _store_as_float16(path: Path) -> None:
    """Rewrite an ONNX file with its weights as float16, each followed by a cast to float32, which
    engines fold into the weight when they load the graph."""
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

"""A Keras model as a graph in a file: ONNX, TensorFlow Lite or SavedModel, with weights of 32 or 16
bits. Either way the graph computes in 32."""

import contextlib
import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnx.numpy_helper

from models.errors import ModelError


def write_graph(model: keras.Model, path: Path, kind: str, half: bool = False) -> None:
    """Write the graph of a kind of models.inference.estimator.KINDS but "keras". Raises ModelError
    where the back end of Keras has no way to it."""
    if kind == "onnx":
        model(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras exports what was called
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="onnx", verbose=False)
        if half:
            _halve_onnx(path)
        return
    import tensorflow as tf

    if kind == "saved_model":
        module = frozen(model)
        tf.saved_model.save(module, str(path), module.serve.get_concrete_function())
        return
    converter = tflite_converter(model)
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())


def tflite_converter(model: keras.Model) -> Any:
    """TensorFlow Lite's converter of a model, for batches of any size and outputs by name."""
    import tensorflow as tf

    module = frozen(model)
    graph = module.serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([graph], module)


def frozen(model: keras.Model) -> Any:
    """A tf.Module whose `serve` answers for crops (N, size, size, depth) as the model does. Its
    weights are constants: TensorFlow Lite loses the variables of Keras 3 without a word."""
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

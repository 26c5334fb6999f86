"""Graphs that compute in 8 bits: weights by channel, activations by the range that real faces gave.

What stays in 32 bits was found on UTKFace's val split (1,850 faces). With every layer in 8 bits,
SSR-Net's stages and merge, whose bins are divided by products of small numbers, move ages by 1.3
years in the mean, and in TensorFlow Lite do not run at all; FaceRes' heads move them by 0.4. With
the convolutions and their activations alone it is 0.2 years for both, in both formats, at the same
speed: the heads have few operations.
"""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from models.exporting.graphs import tflite_converter, write_graph

ONNX_IN_8_BITS = ("Conv", "Relu", "Clip")  # a Clip left out would stretch the range before it
TFLITE_IN_32_BITS = (
    *("FULLY_CONNECTED", "SOFTMAX", "LOGISTIC", "TANH", "RESHAPE", "CONCATENATION"),
    *("ADD", "SUB", "MUL", "DIV", "SUM", "MAXIMUM", "MINIMUM"),
)
CALIBRATION = 256  # faces whose activations give the ranges
BATCH = 32  # of them that run together


def write_int8(model: keras.Model, path: Path, kind: str, pixels: np.ndarray) -> None:
    """Write an int8 graph, "onnx" or "tflite", that takes and gives float32; `pixels` (N, size,
    size, depth) are the network inputs of faces that give the ranges."""
    pixels = pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), CALIBRATION)).astype(int)]
    if kind == "onnx":
        _write_onnx(model, path, pixels)
    else:
        path.write_bytes(_tflite(model, pixels))


def _write_onnx(model: keras.Model, path: Path, pixels: np.ndarray) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    whole, folded = path.with_suffix(".whole"), path.with_suffix(".folded")
    write_graph(model, whole, "onnx")
    quant_pre_process(str(whole), str(folded), skip_symbolic_shape=True)
    quantize_static(
        str(folded),
        str(path),
        _Faces(pixels, model.input.name),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=list(ONNX_IN_8_BITS),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


class _Faces:
    """Batches for ONNX Runtime, which asks for one after the other until there is none."""

    def __init__(self, pixels: np.ndarray, name: str) -> None:
        self._batches = (
            {name: pixels[start : start + BATCH]} for start in range(0, len(pixels), BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _tflite(model: keras.Model, pixels: np.ndarray) -> bytes:
    import tensorflow as tf

    def faces() -> Iterator[list[np.ndarray]]:
        for face in pixels:
            yield [face[None]]

    converter = tflite_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = faces
    # the debugger is TensorFlow Lite's only way to leave operations in 32 bits
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=[*TFLITE_IN_32_BITS])
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=faces, debug_options=options
    )
    graph: bytes = debugger.get_nondebug_quantized_model()
    return graph

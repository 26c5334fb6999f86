"""Write graphs that compute in 8 bits: weights per channel, activations by their ranges on faces.

Some layers stay in float32, by measurement on UTKFace's val split (1,850 faces). With every layer
in 8 bits, SSR-Net's stages and merge, whose bins are divided by products of small numbers, move
ages by 1.3 years in the mean, and TensorFlow Lite cannot run them; FaceRes' heads move ages by 0.4.
With the convolutions and their activations alone in 8 bits it is 0.2 years for both, in both
formats, at the same speed: the heads have few operations.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import keras
import numpy as np
from tqdm import tqdm

from models.exporting.graphs import tflite_converter, write_graph
from models.inference.engines import prepare_engines
from models.quiet import stderr_closed

ONNX_IN_8_BITS = ("Conv", "Relu", "Clip")  # a Clip left out would widen the range before it
TFLITE_IN_32_BITS = (
    *("FULLY_CONNECTED", "SOFTMAX", "LOGISTIC", "TANH", "RESHAPE", "CONCATENATION"),
    *("ADD", "SUB", "MUL", "DIV", "SUM", "MAXIMUM", "MINIMUM"),
)
CALIBRATION_FACES = 256  # at most so many, evenly spaced, give the ranges
CALIBRATION_BATCH = 32  # faces that run together


def write_int8(model: keras.Model, path: Path, kind: str, pixels: np.ndarray) -> None:
    """Write an int8 graph, "onnx" or "tflite", with float32 input and outputs. `pixels` (N, size,
    size, depth) float32 are the network inputs of the faces that give the activations' ranges.
    Raises ModelError if the Keras back end cannot write "tflite"."""
    chosen = np.linspace(0, len(pixels) - 1, min(len(pixels), CALIBRATION_FACES)).astype(int)
    with stderr_closed() as stderr:  # the converters print each of their steps
        if kind == "onnx":
            _write_onnx(model, path, pixels[chosen], stderr)
        else:
            path.write_bytes(_tflite(model, pixels[chosen], stderr))


def _write_onnx(model: keras.Model, path: Path, pixels: np.ndarray, stderr: TextIO) -> None:
    prepare_engines()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    exported, folded = path.with_suffix(".float32"), path.with_suffix(".folded")
    write_graph(model, exported, "onnx")
    quant_pre_process(str(exported), str(folded), skip_symbolic_shape=True)
    starts = range(0, len(pixels), CALIBRATION_BATCH)
    batches = (
        {model.input.name: pixels[start : start + CALIBRATION_BATCH]}
        for start in tqdm(starts, "int8 ranges", unit="batch", file=stderr)
    )
    quantize_static(
        str(folded),
        str(path),
        _DataReader(batches),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=list(ONNX_IN_8_BITS),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


class _DataReader:
    """ONNX Runtime's CalibrationDataReader: one batch per call, None at the end."""

    def __init__(self, batches: Iterable[dict[str, np.ndarray]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _tflite(model: keras.Model, pixels: np.ndarray, stderr: TextIO) -> bytes:
    converter = tflite_converter(model)
    import tensorflow as tf

    def faces() -> Iterator[list[np.ndarray]]:
        for face in tqdm(pixels, "int8 ranges", unit="face", file=stderr):
            yield [face[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = faces
    # the debugger is TensorFlow Lite's only way to keep operations in float32
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=[*TFLITE_IN_32_BITS])
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=faces, debug_options=options
    )
    graph: bytes = debugger.get_nondebug_quantized_model()
    return graph

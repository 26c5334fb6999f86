"""The engines that run weights files: ONNX Runtime, OpenVINO, TensorFlow Lite and TensorFlow.

Each engine is imported when a network first needs it.
"""

import os
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.manifest import Manifest
from models.printable import UNPRINTABLE
from models.quiet import stderr_closed

GPU_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
THREADS_VARIABLE = "AGESTREAM_THREADS"  # of a process that shares the cores with others like it
THREADS = int(os.environ.get(THREADS_VARIABLE) or min(4, os.cpu_count() or 1))  # more: not faster
ONE_THREAD = 1_000_000  # bytes of a graph: smaller graphs run faster on one thread
MAX_BATCH = 64  # rows per call; larger batches are split
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MAX_BATCH)


class Network(Protocol):
    """A graph with one input: an array (N, …) in, one array (N, …) per output name out."""

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]: ...


def prepare_engines() -> None:
    """Call before the first import of onnxruntime or openvino in a process. They then send no
    telemetry and keep no files for it in the user's home. More calls do no harm."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)  # its import fails: OpenVINO does without


def import_onnxruntime() -> Any:
    """The module onnxruntime, imported after `prepare_engines`."""
    prepare_engines()
    import onnxruntime

    return onnxruntime


def import_openvino() -> Any:
    """The module openvino, imported after `prepare_engines`."""
    prepare_engines()
    import openvino

    return openvino


@cache
def _openvino_core() -> Any:
    """The one `openvino.Core` that all networks share."""
    return import_openvino().Core()


def threads_for(path: Path) -> int:
    """Number of threads for a graph file of this size."""
    return THREADS if path.stat().st_size > ONE_THREAD else 1


class OpenvinoNetwork:
    """An ONNX file in OpenVINO, on one core of the CPU. Several threads may call it."""

    def __init__(self, path: Path) -> None:
        core = _openvino_core()
        graph = core.read_model(path)
        self._names = [output.any_name for output in graph.outputs]
        self._model = core.compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",  # moves a point by 0.1 pixels at most
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": 1,
                "ENABLE_CPU_PINNING": False,  # reader and writer may use any core
            },
        )
        self._tensor = import_openvino().Tensor
        self._local = threading.local()  # an inference request serves one call at a time

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        if not hasattr(self._local, "request"):
            self._local.request = self._model.create_infer_request()
        parts = [batch[k : k + MAX_BATCH] for k in range(0, len(batch), MAX_BATCH)]
        columns = zip(*(self._run(part) for part in parts), strict=True)
        return dict(zip(self._names, map(np.concatenate, columns), strict=True))

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        """Run a batch padded to one of BATCH_SIZES, since OpenVINO compiles every new shape."""
        size = next(size for size in BATCH_SIZES if size >= len(batch))
        padded = np.zeros((size, *batch.shape[1:]), batch.dtype)
        padded[: len(batch)] = batch
        request = self._local.request
        # an array given to `infer` would pass checks that cost as much as a small network
        request.set_input_tensor(self._tensor(padded, shared_memory=True))
        return [value[: len(batch)] for value in request.infer().to_tuple()]


class OnnxNetwork:
    """An ONNX file in ONNX Runtime, on the CPU or a GPU. Several threads may call it."""

    def __init__(
        self, path: Path, kind: str, threads: int | None = None, rows: int = MAX_BATCH
    ) -> None:
        """`kind`: "cpu" or "gpu". `threads` None: `threads_for` the file. `rows`: at most so many
        per call of the engine."""
        self._rows = rows
        self._session = onnx_session(path, kind, threads or threads_for(path))
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        starts = range(0, max(len(batch), 1), self._rows)
        parts = [self._run(batch[start : start + self._rows]) for start in starts]
        return dict(zip(self._outputs, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        values: list[np.ndarray] = self._session.run(self._outputs, {self._input: batch})
        return values


def onnx_session(path: Path, kind: str, threads: int = 1) -> Any:
    """An ONNX Runtime session whose threads sleep between calls instead of spinning."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # it would keep 10 MB for every batch size
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if kind == "gpu":
        available = ort.get_available_providers()
        providers = [p for p in GPU_PROVIDERS if p in available] + providers
    graph = path.read_bytes() if UNPRINTABLE.search(str(path)) else str(path)
    return ort.InferenceSession(graph, options, providers=providers, enable_fallback=0)


class TfliteNetwork:
    """The signature of a TensorFlow Lite file, on the CPU. One thread may call it at a time."""

    def __init__(self, path: Path) -> None:
        if find_spec("ai_edge_litert"):
            from ai_edge_litert.interpreter import Interpreter
        else:
            import tensorflow as tf

            Interpreter = tf.lite.Interpreter  # noqa: N806
        content = path.read_bytes()  # its C++ takes no name that is no text
        interpreter = Interpreter(model_content=content, num_threads=threads_for(path))
        self._run = interpreter.get_signature_runner()
        ((self._input, details),) = self._run.get_input_details().items()
        with stderr_closed():  # the first call prints which delegate runs the graph
            self(np.zeros(details["shape"], details["dtype"]))

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        outputs: dict[str, np.ndarray] = self._run(**{self._input: batch})
        return outputs


class SavedModelNetwork:
    """The serving signature of a SavedModel folder, in TensorFlow on the CPU or a GPU."""

    def __init__(self, path: Path, kind: str) -> None:
        import tensorflow as tf

        self._device = _tensorflow_device(kind)
        with tf.device(self._device):
            self._model = tf.saved_model.load(str(path))  # the signature does not keep it alive
        self._call = self._model.signatures["serving_default"]
        (self._input,) = self._call.structured_input_signature[1]

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        import tensorflow as tf

        with tf.device(self._device):
            outputs = self._call(**{self._input: tf.constant(batch)})
        return {name: value.numpy() for name, value in outputs.items()}


def _tensorflow_device(kind: str) -> str | None:
    """TensorFlow's name of the CPU; None lets TensorFlow choose, a GPU if it sees one."""
    return "/CPU:0" if kind == "cpu" else None


class KerasNetwork:
    """A traced Keras model. It pads batches to a power of two, so that it traces few shapes."""

    def __init__(self, manifest: Manifest, kind: str) -> None:
        import tensorflow as tf

        from models.zoo import load_keras

        self._device = _tensorflow_device(kind)
        with tf.device(self._device):
            self._model = load_keras(manifest)
        self._call = tf.function(lambda crops: self._model(crops, training=False))

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        import tensorflow as tf

        bucket = 1 << (len(batch) - 1).bit_length()
        padded = np.zeros((bucket, *batch.shape[1:]), np.float32)
        padded[: len(batch)] = batch
        with tf.device(self._device):
            outputs = self._call(padded)
        return {name: value.numpy()[: len(batch)] for name, value in outputs.items()}

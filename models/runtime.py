"""Run weights on the device at hand. Detectors run in OpenVINO on the CPU, age and gender networks
in ONNX Runtime on CPU or GPU, or in TensorFlow on a GPU that only it can use."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.spec import Manifest, ModelError, load_manifest

GPU_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
THREADS = min(4, os.cpu_count() or 1)  # these networks gain nothing from more
ONE_THREAD = 1_000_000  # bytes of a graph: smaller ones lose more by sharing than they gain
MAX_BATCH = 64  # rows a call; more are run in turns
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MAX_BATCH)


class Network(Protocol):
    """A graph with one input: an array (N, …) in, one array (N, …) per output name out."""

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Device:
    """Where networks run, and why: `kind` "cpu" or "gpu", `engine` and a reason in words."""

    kind: str
    engine: str
    reason: str


def choose_device(wanted: str) -> Device:
    """The device for "auto", "cpu" or "gpu". Raises ModelError where there is no GPU to be had."""
    if wanted == "cpu":
        return Device("cpu", "onnxruntime", "as asked")
    import onnxruntime as ort

    for provider in GPU_PROVIDERS:
        if provider in ort.get_available_providers() and starts(provider):
            return Device("gpu", "onnxruntime", f"ONNX Runtime runs {provider}")
    if wanted == "auto":
        return Device("cpu", "onnxruntime", "no GPU provider of ONNX Runtime starts here")
    gpus = []
    with _stderr_closed(), suppress(ImportError):  # TensorFlow greets before its log level counts
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return Device("gpu", "tensorflow", "TensorFlow sees a GPU")
    raise ModelError(
        "no GPU: no GPU provider of ONNX Runtime starts, TensorFlow sees none; use --device cpu, "
        "or install onnxruntime-gpu and a driver"
    )


def starts(provider: str) -> bool:
    """Whether a provider runs a graph here: a build that offers it may lack a driver or a library,
    and ONNX Runtime then falls back to the CPU without a word."""
    graph = load_manifest("mtcnn").file("pnet")
    with _stderr_closed():
        return provider in _onnx_session(graph, "gpu").get_providers()


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Send what C++ libraries print on standard error to nowhere."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def open_detector_network(path: Path, one_shape: bool) -> Network:
    """An ONNX file of a detector on one core of the processor: reader and writer need the others.

    For frames of one shape OpenVINO, which runs MTCNN's narrow layers in less than half the time of
    ONNX Runtime, in bfloat16 where the processor is faster at that. For pictures of many shapes,
    each of which it would compile, and where it is not installed: ONNX Runtime.
    """
    if one_shape and find_spec("openvino"):
        return _opened(path, lambda: _OpenvinoNetwork(path))
    return _opened(path, lambda: _OnnxNetwork(path, "cpu", threads=1))


def _opened(path: Path, opener: Callable[[], Network]) -> Network:
    try:
        return opener()
    except Exception as error:  # the engines' errors share no base class
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"weights file {path} is not a usable ONNX graph: {reason}") from None


class Estimator:
    """Ages and genders of face crops, one batch a call."""

    def __init__(self, manifest: Manifest, device: Device) -> None:
        self.manifest = manifest
        self.input = manifest.input
        self.calibration = manifest.calibration
        self._network: Network
        if device.engine == "tensorflow":
            self._network = _KerasNetwork(manifest)
        else:
            path = manifest.file("onnx")
            self._network = _opened(path, lambda: _OnnxNetwork(path, device.kind))
        try:
            shape = (1, self.input.size, self.input.size, self.input.depth)
            self(np.zeros(shape, np.uint8))
        except Exception as error:  # the engines' errors share no base class
            raise ModelError(
                f"model {manifest.name} does not take the crops of its manifest "
                f"({self.input.size} pixels): {str(error).splitlines()[0][:120]}"
            ) from None

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ages (N,) in years and probabilities of male (N,) of crops (N, size, size, depth) uint8,
        BGR; nan for what the model does not tell."""
        answers = self.answers(crops)
        unknown = np.full(len(crops), np.nan, np.float32)
        return answers.get("age", unknown), answers.get("male", unknown)

    def answers(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """All that the model tells of crops, by output; the classes of ages ("nodes") are (N, C).
        Nothing of no crops."""
        if not self.manifest.mirror:
            return self._raw(crops)
        both = self._raw(np.concatenate([crops, crops[:, :, ::-1]]))
        return {
            name: values.reshape(2, len(crops), *values.shape[1:]).mean(axis=0)
            for name, values in both.items()
        }

    def _raw(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        starts = range(0, len(crops), MAX_BATCH)
        batches = (network_input(crops[k : k + MAX_BATCH], self.manifest) for k in starts)
        parts = [self._network(batch) for batch in batches]
        names = parts[0] if parts else ()
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        most = {"age": 100.0, "male": 1.0, "nodes": 1.0}
        return {name: np.clip(values, 0.0, most[name]) for name, values in outputs.items()}


def network_input(crops: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Crops (N, size, size, depth) uint8 BGR to the float32 array the network was trained on."""
    spec = manifest.input
    if spec.channels == "rgb":
        crops = crops.reshape(*crops.shape[:-1], -1, 3)[..., ::-1].reshape(crops.shape)
    pixels = crops.astype(np.float32)
    if spec.scale != 1.0 or spec.offset != 0.0:
        pixels = pixels * np.float32(spec.scale) + np.float32(spec.offset)
    return pixels


class _OpenvinoNetwork:
    def __init__(self, path: Path) -> None:
        import openvino

        core = openvino.Core()
        graph = core.read_model(path)
        self._names = [output.any_name for output in graph.outputs]
        self._model = core.compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",  # moves a point by 0.1 pixels at most
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": 1,
                "ENABLE_CPU_PINNING": False,  # reader and writer may take any core
            },
        )
        self._of_thread = threading.local()  # a request serves one call at a time

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._model.create_infer_request()
        parts = [batch[k : k + MAX_BATCH] for k in range(0, len(batch), MAX_BATCH)]
        columns = zip(*(self._run(part) for part in parts), strict=True)
        return dict(zip(self._names, map(np.concatenate, columns), strict=True))

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        """Run a batch padded to one of few sizes: each new shape costs a compilation."""
        size = next(size for size in BATCH_SIZES if size >= len(batch))
        padded = np.zeros((size, *batch.shape[1:]), batch.dtype)
        padded[: len(batch)] = batch
        values = self._of_thread.request.infer([padded], share_inputs=True).to_tuple()
        return [value[: len(batch)] for value in values]


class _OnnxNetwork:
    def __init__(self, path: Path, kind: str, threads: int | None = None) -> None:
        if threads is None:
            threads = THREADS if path.stat().st_size > ONE_THREAD else 1
        self._session = _onnx_session(path, kind, threads)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        starts = range(0, max(len(batch), 1), MAX_BATCH)
        parts = [self._run(batch[start : start + MAX_BATCH]) for start in starts]
        return dict(zip(self._outputs, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        values: list[np.ndarray] = self._session.run(self._outputs, {self._input: batch})
        return values


def _onnx_session(path: Path, kind: str, threads: int = 1) -> Any:
    """An ONNX Runtime session whose threads sleep, not spin, between calls."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # 10 MB that it would keep for batches of every size
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if kind == "gpu":
        available = ort.get_available_providers()
        providers = [p for p in GPU_PROVIDERS if p in available] + providers
    return ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)


class _KerasNetwork:
    """A traced Keras model. Batches are padded to a power of two, so that few shapes are traced."""

    def __init__(self, manifest: Manifest) -> None:
        import tensorflow as tf

        from models.zoo import load_keras

        self._model = load_keras(manifest)
        self._call = tf.function(lambda crops: self._model(crops, training=False))

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        bucket = 1 << (len(batch) - 1).bit_length()
        padded = np.zeros((bucket, *batch.shape[1:]), np.float32)
        padded[: len(batch)] = batch
        return {name: value.numpy()[: len(batch)] for name, value in self._call(padded).items()}

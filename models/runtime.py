"""Run a model's weights on the device at hand: ONNX Runtime, or TensorFlow for its GPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from models.spec import Manifest, ModelError, load_manifest

GPU_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
MAX_BATCH = 64  # faces a call; more are run in turns


class Network(Protocol):
    """A graph: float32 crops (N, size, size, 3) to one (N,) array per output name."""

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]: ...


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
    for provider in GPU_PROVIDERS:
        if provider in ort.get_available_providers() and _starts(provider):
            return Device("gpu", "onnxruntime", f"ONNX Runtime runs {provider}")
    if wanted == "auto":
        return Device("cpu", "onnxruntime", "this ONNX Runtime has no GPU provider that starts")
    gpus = []
    with _stderr_closed(), suppress(ImportError):  # TensorFlow greets before its log level counts
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return Device("gpu", "tensorflow", "TensorFlow sees a GPU")
    raise ModelError(
        "no GPU: no GPU provider of ONNX Runtime starts and TensorFlow sees none; use --device cpu, "
        "or install onnxruntime-gpu and a driver"
    )


def _starts(provider: str) -> bool:
    """Whether a provider runs a graph here: a build that offers it may lack a driver or a library,
    and ONNX Runtime then falls back to the CPU without a word."""
    graph = load_manifest("mtcnn").file("pnet")
    with _stderr_closed():
        session = open_session(graph, Device("gpu", "onnxruntime", "to see whether it starts"))
    return provider in session.get_providers()


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


def open_session(path: Path, device: Device | None = None) -> ort.InferenceSession:
    """An ONNX Runtime session whose threads sleep, not spin, between calls."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = min(4, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device is not None and device.kind == "gpu":
        available = ort.get_available_providers()
        providers = [p for p in GPU_PROVIDERS if p in available] + providers
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"weights file {path} is not a usable ONNX graph: {error}") from None


class Estimator:
    """Ages and genders of face crops, one batch a call."""

    def __init__(self, manifest: Manifest, device: Device) -> None:
        self.manifest = manifest
        self.input = manifest.input
        self._network: Network
        if device.engine == "tensorflow":
            self._network = _KerasNetwork(manifest)
        else:
            self._network = _OnnxNetwork(manifest, device)

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ages (N,) in years and probabilities of male (N,) of crops (N, size, size, 3) uint8 BGR;
        nan for what the model does not tell."""
        ages = np.full(len(crops), np.nan, np.float32)
        males = np.full(len(crops), np.nan, np.float32)
        for start in range(0, len(crops), MAX_BATCH):
            rows = slice(start, start + MAX_BATCH)
            outputs = self._network(network_input(crops[rows], self.manifest))
            if "age" in outputs:
                ages[rows] = np.clip(outputs["age"], 0.0, 100.0)
            if "male" in outputs:
                males[rows] = np.clip(outputs["male"], 0.0, 1.0)
        return ages, males


def network_input(crops: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Crops (N, size, size, 3) uint8 BGR to the float32 array that the network was trained on."""
    spec = manifest.input
    if spec.channels == "rgb":
        crops = crops[..., ::-1]
    pixels = crops.astype(np.float32)
    if spec.scale != 1.0 or spec.offset != 0.0:
        pixels = pixels * np.float32(spec.scale) + np.float32(spec.offset)
    return pixels


class _OnnxNetwork:
    def __init__(self, manifest: Manifest, device: Device) -> None:
        self._session = open_session(manifest.file("onnx"), device)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        values: list[Any] = self._session.run(self._outputs, {self._input: crops})
        return dict(zip(self._outputs, values, strict=True))


class _KerasNetwork:
    """A traced Keras model. Batches are padded to a power of two, so that few shapes are traced."""

    def __init__(self, manifest: Manifest) -> None:
        import tensorflow as tf

        from models.zoo import load_keras

        self._model = load_keras(manifest)
        self._call = tf.function(lambda crops: self._model(crops, training=False))

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        bucket = 1 << (len(crops) - 1).bit_length()
        padded = np.zeros((bucket, *crops.shape[1:]), np.float32)
        padded[: len(crops)] = crops
        return {name: value.numpy()[: len(crops)] for name, value in self._call(padded).items()}

"""Run weights on the device at hand. Detectors run on the CPU, in OpenVINO on videos and in ONNX
Runtime on photos; age and gender networks in ONNX Runtime on CPU or GPU, in TensorFlow on a GPU
that only it can use, and exported files in the engine of their kind."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from models.crops.preprocess import network_input
from models.errors import ModelError
from models.inference.calibration import tempered
from models.inference.engines import (
    GPU_PROVIDERS,
    MAX_BATCH,
    KerasNetwork,
    Network,
    OnnxNetwork,
    OpenvinoNetwork,
    SavedModelNetwork,
    TfliteNetwork,
    onnx_session,
    stderr_closed,
)
from models.manifest import Manifest, load_manifest

# kinds of weights files by preference, and what they are called
KINDS = {
    "onnx": "ONNX graph",
    "tflite": "TensorFlow Lite file",
    "saved_model": "SavedModel",
    "keras": "Keras weights file",
}
ROWS = 4  # faces a call on the processor: more gain no time and take memory
BOTH_SIDES = 8  # times that both sides of a face are shown: its first labels rest on few crops
OF_TENSORFLOW = ("keras", "saved_model")


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
    if _tensorflow_sees_a_gpu():
        return Device("gpu", "tensorflow", "TensorFlow sees a GPU")
    raise ModelError(
        "no GPU: no GPU provider of ONNX Runtime starts, TensorFlow sees none; use --device cpu, "
        "or install onnxruntime-gpu and a driver"
    )


def _tensorflow_sees_a_gpu() -> bool:
    with stderr_closed(), suppress(ImportError):  # TensorFlow greets before its log level counts
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    return False


def starts(provider: str) -> bool:
    """Whether a provider runs a graph here: where a build that offers it lacks a driver or a
    library, ONNX Runtime raises an error or falls back to the CPU without a word."""
    graph = load_manifest("mtcnn").file("pnet")
    try:
        with stderr_closed():
            return provider in onnx_session(graph, "gpu").get_providers()
    except Exception:  # the engine's errors share no base class
        return False


def open_detector_network(path: Path, one_shape: bool) -> Network:
    """An ONNX file of a detector on one core of the processor: reader and writer need the others.

    For frames of one shape OpenVINO, which runs MTCNN's narrow layers in less than half the time of
    ONNX Runtime, in bfloat16 where the processor is faster at that. For pictures of many shapes,
    each of which it would compile, and where it is not installed: ONNX Runtime.
    """
    if one_shape and find_spec("openvino"):
        return _opened(path, lambda: OpenvinoNetwork(path))
    return _opened(path, lambda: OnnxNetwork(path, "cpu", threads=1))


def _opened(path: Path, opener: Callable[[], Network], what: str = KINDS["onnx"]) -> Network:
    try:
        return opener()
    except ModelError:
        raise
    except ImportError:
        raise ModelError(
            f"weights file {path} is a {what}, which TensorFlow runs: pip install tensorflow, or "
            "give an .onnx file"
        ) from None
    except Exception as error:  # the engines' errors share no base class
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"weights file {path} is not a usable {what}: {reason}") from None


def open_network(manifest: Manifest, device: Device) -> tuple[Network, Device]:
    """A model's network in the kind of file that the device prefers, and where that kind runs."""
    order = OF_TENSORFLOW if device.engine == "tensorflow" else tuple(KINDS)
    kind = next((kind for kind in (*order, *KINDS) if kind in manifest.files), "onnx")
    path = manifest.file(kind)
    if kind == "onnx":
        rows = MAX_BATCH if device.kind == "gpu" else ROWS
        return _opened(path, lambda: OnnxNetwork(path, device.kind, rows=rows)), device
    with stderr_closed():
        if kind == "tflite":
            place = Device("cpu", "TensorFlow Lite", "the weights are of its kind")
            return _opened(path, lambda: TfliteNetwork(path), KINDS[kind]), place
        on_gpu = device.kind == "gpu" and _tensorflow_sees_a_gpu()
        place = Device("gpu" if on_gpu else "cpu", "tensorflow", device.reason)
        if kind == "keras":
            return _opened(path, lambda: KerasNetwork(manifest, place.kind), KINDS[kind]), place
        return _opened(path, lambda: SavedModelNetwork(path, place.kind), KINDS[kind]), place


class Request(NamedTuple):
    """What the network is asked."""

    crops: np.ndarray  # (M, size, size, depth) uint8, BGR
    faces: np.ndarray  # (M,) row of the face that each crop shows
    predictions: Future[tuple[np.ndarray, np.ndarray]]  # ages (N,), probabilities of male (N,)


class Estimator:
    """Ages and genders of face crops, one batch a call; `device` tells where."""

    def __init__(self, manifest: Manifest, device: Device) -> None:
        self.manifest = manifest
        self.input = manifest.input
        self.calibration = manifest.calibration
        self._thread = ThreadPoolExecutor(1, "estimator")
        self._requests: deque[Request] = deque()
        self._network, self.device = open_network(manifest, device)
        shape = (1, self.input.size, self.input.size, self.input.depth)
        try:
            with stderr_closed():  # TensorFlow Lite greets at its first call
                self.predict(np.zeros(shape, np.uint8))
        except Exception as error:  # the engines' errors share no base class
            raise ModelError(
                f"model {manifest.name} does not take the crops of its manifest "
                f"({self.input.size} pixels): {str(error).splitlines()[0][:120]}"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was submitted and end the thread. A later `submit` raises RuntimeError."""
        self._thread.shutdown()

    def predict(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ages (N,) in years and probabilities of male (N,) of crops (N, size, size, depth) uint8
        BGR; nan for what the model does not estimate."""
        return _columns(self.predict_all(crops), len(crops))

    def submit(
        self, crops: np.ndarray, times_seen: np.ndarray
    ) -> Future[tuple[np.ndarray, np.ndarray]]:
        """Like `predict`, in the estimator's thread: returns a Future. Requests that wait together
        run as one batch.

        `times_seen` (N,): how many crops of each face were submitted before. A model that averages
        a crop and its mirror image gets both for the first BOTH_SIDES crops of a face, then one of
        them in turn.
        """
        faces = np.arange(len(crops))
        if self.manifest.mirror:
            both = times_seen < BOTH_SIDES
            flipped = np.flatnonzero(~both & (times_seen % 2 == 1))
            crops = np.concatenate([crops, crops[both, :, ::-1]])
            crops[flipped] = crops[flipped, :, ::-1]
            faces = np.concatenate([faces, faces[both]])
        request = Request(crops, faces, Future())
        self._requests.append(request)
        self._thread.submit(self._run_all)
        return request.predictions

    def _run_all(self) -> None:
        """Answer everything that waits as one batch: the requests of several sources."""
        waiting = [self._requests.popleft() for _ in range(len(self._requests))]
        if not waiting:
            return
        try:
            crops = np.concatenate([request.crops for request in waiting])
            columns = _columns(self._once(crops), len(crops))
        except BaseException as error:  # raised again by whoever asked
            for request in waiting:
                request.predictions.set_exception(error)
            return
        ends = np.cumsum([len(request.crops) for request in waiting])[:-1]
        for request, *parts in zip(waiting, *(np.split(c, ends) for c in columns), strict=True):
            shown = np.bincount(request.faces)
            ages, males = (np.bincount(request.faces, part) / shown for part in parts)
            males = tempered(self.calibration, males)
            request.predictions.set_result((ages.astype(np.float32), males.astype(np.float32)))

    def predict_all(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """All that the model tells of crops, by output; the classes of ages ("nodes") are (N, C).
        Nothing of no crops."""
        if self.manifest.mirror:
            both = self._once(np.concatenate([crops, crops[:, :, ::-1]]))
            answers = {
                name: values.reshape(2, len(crops), *values.shape[1:]).mean(axis=0)
                for name, values in both.items()
            }
        else:
            answers = self._once(crops)
        if "male" in answers:
            answers["male"] = tempered(self.calibration, answers["male"])
        return answers

    def _once(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        starts = range(0, len(crops), MAX_BATCH)
        batches = (network_input(crops[k : k + MAX_BATCH], self.input) for k in starts)
        parts = [self._network(batch) for batch in batches]
        names = [name for name in parts[0] if name in self.manifest.outputs] if parts else []
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        most = {"age": 100.0, "male": 1.0, "nodes": 1.0}
        return {name: np.clip(values, 0.0, most[name]) for name, values in outputs.items()}


def _columns(answers: dict[str, np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ages (N,) and probabilities of male (N,) of `count` crops, nan where they are not told."""
    unknown = np.full(count, np.nan, np.float32)
    return answers.get("age", unknown), answers.get("male", unknown)

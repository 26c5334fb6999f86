"""Choose a device and open networks on it.

Detectors run on the CPU: in OpenVINO on videos, in ONNX Runtime on photos. Age and gender networks
run in ONNX Runtime on the CPU or a GPU, or in TensorFlow on a GPU that only TensorFlow can use.
Exported files run in the engine of their kind.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from models.errors import ModelError
from models.inference.engines import (
    GPU_PROVIDERS,
    MAX_BATCH,
    KerasNetwork,
    Network,
    OnnxNetwork,
    OpenvinoNetwork,
    SavedModelNetwork,
    TfliteNetwork,
    import_onnxruntime,
    onnx_session,
)
from models.manifest import Manifest, load_manifest
from models.quiet import stderr_closed

# kinds of weights files, in order of preference, with their names in messages
KINDS = {
    "onnx": "ONNX graph",
    "tflite": "TensorFlow Lite file",
    "saved_model": "SavedModel",
    "keras": "Keras weights file",
}
TENSORFLOW_KINDS = ("keras", "saved_model")
CPU_ROWS = 4  # crops per engine call on the CPU: more are not faster and take memory


@dataclass(frozen=True)
class Device:
    """Where networks run, and why."""

    kind: str  # "cpu" or "gpu"
    engine: str  # "onnxruntime", "tensorflow" or "TensorFlow Lite"
    reason: str  # for people


def choose_device(wanted: str) -> Device:
    """The device for "auto", "cpu" or "gpu". Raises ModelError for "gpu" if none is usable."""
    if wanted == "cpu":
        return Device("cpu", "onnxruntime", "as asked")
    available = import_onnxruntime().get_available_providers()
    for provider in GPU_PROVIDERS:
        if provider in available and provider_starts(provider):
            return Device("gpu", "onnxruntime", f"ONNX Runtime runs {provider}")
    if wanted == "auto":
        return Device("cpu", "onnxruntime", "no GPU provider of ONNX Runtime starts here")
    if _tensorflow_sees_gpu():
        return Device("gpu", "tensorflow", "TensorFlow sees a GPU")
    raise ModelError(
        "no GPU: no GPU provider of ONNX Runtime starts, TensorFlow sees none; use --device cpu, "
        "or install onnxruntime-gpu and a driver"
    )


def _tensorflow_sees_gpu() -> bool:
    with stderr_closed(), suppress(ImportError):  # its first lines ignore its log level
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    return False


def provider_starts(provider: str) -> bool:
    """Whether ONNX Runtime runs a graph with this provider here. Without a driver or a library that
    the provider needs, ONNX Runtime raises an error or silently falls back to the CPU."""
    graph = load_manifest("mtcnn").file("pnet")
    try:
        with stderr_closed():
            return provider in onnx_session(graph, "gpu").get_providers()
    except Exception:  # the engines' errors share no base class
        return False


def open_detector_network(path: Path, one_shape: bool) -> Network:
    """A detector's ONNX file on one CPU core, since reader and writer need the others.

    `one_shape`: the images have one shape, as the frames of a video. OpenVINO then runs MTCNN's
    narrow layers in less than half the time of ONNX Runtime, in bfloat16 if the CPU is faster at
    that. ONNX Runtime runs images of many shapes, since OpenVINO compiles each shape, and
    everything where OpenVINO is not installed. Raises ModelError if the file is not a graph.
    """
    if one_shape and find_spec("openvino"):
        return _opened(path, lambda: OpenvinoNetwork(path))
    return _opened(path, lambda: OnnxNetwork(path, "cpu", threads=1))


def open_network(manifest: Manifest, device: Device) -> tuple[Network, Device]:
    """The model's network, from the kind of file that the device prefers, and the device on which
    that kind runs. Raises ModelError if the file is missing, damaged or needs TensorFlow."""
    order = TENSORFLOW_KINDS if device.engine == "tensorflow" else tuple(KINDS)
    kind = next((kind for kind in (*order, *KINDS) if kind in manifest.files), "onnx")
    path = manifest.file(kind)
    if kind == "onnx":
        rows = MAX_BATCH if device.kind == "gpu" else CPU_ROWS
        return _opened(path, lambda: OnnxNetwork(path, device.kind, rows=rows)), device
    with stderr_closed():
        if kind == "tflite":
            place = Device("cpu", "TensorFlow Lite", "the weights are of its kind")
            return _opened(path, lambda: TfliteNetwork(path), KINDS[kind]), place
        on_gpu = device.kind == "gpu" and _tensorflow_sees_gpu()
        place = Device("gpu" if on_gpu else "cpu", "tensorflow", device.reason)
        if kind == "keras":
            return _opened(path, lambda: KerasNetwork(manifest, place.kind), KINDS[kind]), place
        return _opened(path, lambda: SavedModelNetwork(path, place.kind), KINDS[kind]), place


def _opened(path: Path, opener: Callable[[], Network], what: str = KINDS["onnx"]) -> Network:
    """`opener()`. Raises ModelError for whatever an engine raises."""
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

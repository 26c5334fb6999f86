"""Checks of this machine: each yields findings of one line, which say what the demo can use and why
it cannot use the rest."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from models.errors import AgeStreamError
from models.files import ROOT
from models.machine import machine as machine_name
from models.printable import printable

OK, NOTE, BAD = "ok", "note", "bad"  # NOTE: an optional part is missing
NEEDED = {  # module -> distributions that may provide it
    "numpy": ("numpy",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "av": ("av",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
    "scipy": ("scipy",),
    "tqdm": ("tqdm",),
    "PIL": ("pillow",),
}
OPTIONAL = {
    "openvino": "detection runs in ONNX Runtime instead, at half the speed",
    "dlib-bin": "--detector dlib is not available",
    "tensorflow": "needed only for training and conversion",
}
USED = {"mtcnn", "ssrnet-joint"}  # networks of the demo by default
PROBED_INDICES = 4  # cameras that are tried where the system does not list them
MODES = ((640, 480), (1280, 720), (1920, 1080))  # pixels, usual sizes of webcams


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    state: str  # OK, NOTE or BAD
    text: str


@dataclass(frozen=True)
class FoundCamera:
    """A camera that delivers frames."""

    index: int
    sizes: list[tuple[int, int]]  # width and height, pixels


def software() -> Iterator[Finding]:
    """Versions of Python, AgeStream and its packages; the needed packages are imported."""
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    hint = "" if fits else ": install Python 3.11, 3.12 or 3.13"
    yield Finding("Python", OK if fits else BAD, f"{platform.python_version()}{hint}")
    yield Finding("AgeStream", OK, _commit())
    for module, distributions in NEEDED.items():
        name = distributions[0]
        try:
            if module == "onnxruntime":
                _prepare_engines()
            import_module(module)
        except Exception as error:  # a broken installation may raise anything
            hint = "pip install -r requirements.txt"
            if module == "cv2" and "lib" in str(error):
                hint = "install the system package libgl1, or opencv-python-headless"
            yield Finding(name, BAD, f"cannot be imported ({_first_line(error)}): {hint}")
        else:
            yield Finding(name, OK, next(filter(None, map(_version, distributions)), "unknown"))
    for name, without in OPTIONAL.items():
        found = _version(name)
        yield Finding(name, OK if found else NOTE, found or f"not installed: {without}")


def _prepare_engines() -> None:
    from models.inference.engines import prepare_engines  # imports numpy: not at the top

    prepare_engines()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=commit %h of %cs"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return "commit unknown: git does not run here"
    return done.stdout.strip() or "commit unknown: not a clone of the repository"


def machine() -> Iterator[Finding]:
    """Processor, usable cores and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("processor", OK, f"{machine_name()}, {cores} usable")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        yield Finding("memory", OK, f"{memory:.1f} GB")


def engines(tensorflow: bool) -> Iterator[Finding]:
    """Engines that run the networks, each tried with one; TensorFlow only if `tensorflow`."""
    from models.inference.devices import provider_starts
    from models.inference.engines import GPU_PROVIDERS, import_onnxruntime

    available = import_onnxruntime().get_available_providers()

    for provider in ("CPUExecutionProvider", *GPU_PROVIDERS):
        name, needed = f"ONNX Runtime, {provider[:-17]}", provider.startswith("CPU")
        if provider not in available:
            yield Finding(name, BAD if needed else NOTE, "not part of the installed onnxruntime")
        elif provider_starts(provider):
            yield Finding(name, OK, "runs")
        else:
            text = "does not start: check that its driver is installed and of the right version"
            yield Finding(name, BAD if needed else NOTE, text)
    if _version("openvino"):
        yield _openvino()
    if tensorflow:
        yield _tensorflow()


def _openvino() -> Finding:
    import numpy as np

    from models.inference.devices import open_detector_network
    from models.inference.engines import import_openvino
    from models.manifest import load_manifest

    network = open_detector_network(load_manifest("mtcnn").file("pnet"), one_shape=True)
    network(np.zeros((1, 24, 24, 3), np.uint8))
    devices = ", ".join(import_openvino().Core().available_devices)
    return Finding("OpenVINO", OK, f"runs the detector on the CPU; devices here: {devices}")


def _tensorflow() -> Finding:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    names = ", ".join(gpu.name for gpu in gpus)
    return Finding("TensorFlow", OK if gpus else NOTE, names or "runs, finds no GPU")


def weights() -> Iterator[Finding]:
    """Weights files of every manifest; their hashes are compared."""
    from models.manifest import load_manifest, names

    for name in ("mtcnn", *names()):
        try:
            manifest = load_manifest(name)
            files = [manifest.file(kind).name for kind in manifest.files]
        except AgeStreamError as error:
            yield Finding(f"weights {name}", BAD if name in USED else NOTE, str(error))
        else:
            yield Finding(f"weights {name}", OK, f"{len(files)} files match the manifest")


def cameras(
    found: list[FoundCamera],
    folder: Path = Path("/dev"),
    capture: Callable[[int], Any] | None = None,
) -> Iterator[Finding]:
    """Cameras that deliver a frame, which are appended to `found`, and why others do not.

    `folder` holds the devices on Linux; `capture` opens a camera by its number.
    """
    import cv2

    listed = sys.platform.startswith("linux")
    indices = (
        sorted(int(p.name[5:]) for p in folder.glob("video*") if p.name[5:].isdigit())
        if listed
        else range(PROBED_INDICES)
    )
    silent = []
    for index in indices:
        path = folder / f"video{index}"
        if listed and not os.access(path, os.R_OK | os.W_OK):
            text = f"{path}: no permission: add yourself to the group video"
            yield Finding(f"camera {index}", NOTE, text)
            continue
        camera = _probed(index, (capture or cv2.VideoCapture)(index))
        if camera is None:
            silent.append(index)
            continue
        found.append(camera)
        sizes = ", ".join(f"{width}x{height}" for width, height in camera.sizes)
        yield Finding(f"camera {index}", OK, f"{_camera_name(index) or 'delivers frames'}: {sizes}")
    if listed and silent:
        places = ", ".join(str(folder / f"video{index}") for index in silent)
        text = f"{places}: no picture: another program may use it, or it is not a camera"
        yield Finding("cameras", NOTE, text)
    if not found and not silent:
        where = f" ({folder}/video*)" if listed else ""
        yield Finding("cameras", NOTE, f"none found{where}: is one plugged in?")


def _probed(index: int, capture: Any) -> FoundCamera | None:
    """The camera if it delivers a frame, with the sizes that it offers near MODES."""
    import cv2

    try:
        if not (capture.isOpened() and capture.read()[0]):
            return None
        sizes = set()
        for mode in MODES:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode[1])
            width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
            sizes.add((width, height))  # drivers choose the nearest size that they have
        return FoundCamera(index, sorted(sizes))
    finally:
        capture.release()


def _camera_name(index: int) -> str | None:
    try:
        name = Path(f"/sys/class/video4linux/video{index}/name").read_text(errors="replace")
        return printable(name.strip())
    except OSError:
        return None


def display() -> Iterator[Finding]:
    """Whether a window can be opened, or why not."""
    import cv2

    from demo.display.x11 import display_exists

    toolkit = cv2.currentUIFramework()
    if not toolkit:
        text = "this OpenCV is headless: stream.py runs as with --no-display"
        yield Finding("window", NOTE, text)
    elif display_exists():
        yield Finding("window", OK, f"can be opened ({toolkit})")
    elif name := os.environ.get("DISPLAY"):
        text = f"no X server at DISPLAY={name}: stream.py runs as with --no-display"
        yield Finding("window", NOTE, text)
    else:
        text = "DISPLAY is not set: stream.py runs as with --no-display"
        yield Finding("window", NOTE, text)


def codecs() -> Iterator[Finding]:
    """Whether recordings can be written, with which encoder of H.264, which of AAC."""
    import av

    from demo.sinks.encoder import Encoding, opened
    from demo.sinks.hardware import TRIAL, choose

    setting = choose(Encoding(), TRIAL)[0]
    opened(setting, TRIAL)
    sound = av.Codec("aac", "w").name
    yield Finding("recording", OK, f"H.264 with {setting.codec}, sound with {sound}")


def run_check(name: str, check: Iterable[Finding]) -> Iterator[Finding]:
    """The findings of a check; an exception becomes a BAD finding under the check's name."""
    try:
        yield from check
    except Exception as error:  # a broken machine may raise anything
        kind = "" if isinstance(error, AgeStreamError) else f"{type(error).__name__}: "
        yield Finding(name, BAD, kind + _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]

"""What an exported graph answers and costs beside its Keras model, on real faces."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.crops.align import central_crop, crop_faces
from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.datasets.chips import Chips, load_chips
from models.datasets.faces import MIN_FACE
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.inference.engines import MAX_BATCH, Network
from models.inference.estimator import Device, Estimator
from models.manifest import Manifest
from models.timing import best_seconds

CLIP = Path(__file__).parents[2] / "assets" / "demo.mp4"
EVERY = 10  # frames of the clip from one search for faces to the next
CPU = Device("cpu", "onnxruntime", "exported graphs are compared on the CPU")

TOLERANCE = {"age": 1e-3, "male": 1e-4, "nodes": 1e-4}  # years, probabilities; at most, in 32 bits
# with fewer bits: years in the mean, and the share of faces that get the other gender
DEVIATION = {"fp16": {"age": 0.05, "male": 0.005}, "int8": {"age": 0.5, "male": 0.02}}


@dataclass(frozen=True, eq=False)
class SeenFaces:
    """Crops as a network sees them, with the labels of a val split where they come from one."""

    crops: np.ndarray  # (N, size, size, depth) uint8 BGR
    chips: Chips | None = None


def held_out_faces(data: list[Path], spec: InputSpec) -> SeenFaces:
    """The faces of the val splits. Raises ModelError if there are none."""
    chips = load_chips(data, "val")
    if not len(chips.male):
        raise ModelError(f"{', '.join(map(str, data))}: no face in the split 'val'")
    crops = [central_crop(chips.images[row], spec) for row in range(len(chips))]
    return SeenFaces(np.stack(crops), chips)


def clip_faces(spec: InputSpec) -> SeenFaces:
    """The faces that the live detector finds in the bundled clip."""
    video, detector, crops = cv2.VideoCapture(str(CLIP)), Mtcnn(MIN_FACE, video=False), []
    frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    for index in range(frames):
        read, image = video.read()
        if read and index % EVERY == 0:
            found = detector.detect(image)
            crops.append(crop_faces(image, found.boxes, found.points, spec))
    if not sum(map(len, crops)):
        raise ModelError(f"no face found in {CLIP}: restore it, or give --data")
    return SeenFaces(np.concatenate(crops))


def answers(network: Network, crops: np.ndarray, manifest: Manifest) -> dict[str, np.ndarray]:
    """All outputs of a network for crops, MAX_BATCH at a time."""
    starts = range(0, len(crops), MAX_BATCH)
    parts = [network(network_input(crops[k : k + MAX_BATCH], manifest.input)) for k in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], precision: str, name: str
) -> str:
    """The graph's deviation from Keras in words. Raises ModelError where it is beyond the limits of
    the precision, "float32", "fp16" or "int8"."""
    if missing := sorted(expected.keys() - found.keys()):
        raise ModelError(f"{name} lacks the output {missing[0]}: not written")
    words = []
    for output in sorted(expected):
        size = np.abs(found[output] - expected[output])
        limit = DEVIATION.get(precision, TOLERANCE).get(output)
        figure, unit = float(size.max()), "at most"
        if precision in DEVIATION and output == "age":
            figure, unit = float(size.mean()), "years in the mean"
        elif precision in DEVIATION and output == "male":
            other = (found[output] >= 0.5) != (expected[output] >= 0.5)
            figure, unit = float(other.mean()), "of the faces with the other gender"
        if limit is not None and not figure <= limit:
            raise ModelError(
                f"{name}: {output} differs from Keras by {figure:.2g} {unit}, more than {limit:g}: "
                "not written"
            )
        words.append(f"{output} {figure:.2g} {unit}")
    return "; ".join(words)


def figures(manifest: Manifest, faces: SeenFaces) -> dict[str, float]:
    """Megabytes, milliseconds for 1 and for 8 faces and, on a val split, age_error in years and
    gender accuracy, of a model as it runs live."""
    estimator = Estimator(manifest, CPU)
    eight = faces.crops[np.arange(8) % len(faces.crops)]
    measured = {
        "megabytes": size_of(manifest) / 1e6,
        "ms_1_face": best_seconds(lambda: estimator.predict(eight[:1])) * 1e3,
        "ms_8_faces": best_seconds(lambda: estimator.predict(eight)) * 1e3,
    }
    if faces.chips is None:
        return measured
    ages, males = estimator.predict(faces.crops)
    exact = (faces.chips.age_low == faces.chips.age_high) & np.isfinite(ages)
    known = np.isfinite(faces.chips.male) & np.isfinite(males)
    if exact.any():
        measured["age_error"] = float(np.abs(ages - faces.chips.age_low)[exact].mean())
    if known.any():
        measured["gender"] = float(((males >= 0.5) == (faces.chips.male == 1))[known].mean())
    return measured


def size_of(manifest: Manifest) -> int:
    """Bytes of a model's files."""
    paths = [manifest.folder / entry["name"] for entry in manifest.files.values()]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())

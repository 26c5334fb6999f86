"""Compare an exported graph with its Keras model on real faces: outputs, size, speed, errors."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from models.crops.align import central_crop, crop_faces
from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.datasets.chips import Chips, load_chips
from models.datasets.faces import MIN_FACE
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.inference.devices import Device
from models.inference.engines import MAX_BATCH, Network
from models.inference.estimator import Estimator
from models.manifest import Manifest
from models.timing import best_seconds

DEMO_CLIP = Path(__file__).parents[2] / "assets" / "demo.mp4"
FRAME_STEP = 10  # every so many frames of the clip, faces are detected
CPU = Device("cpu", "onnxruntime", "exported graphs are compared on the CPU")

# largest difference with float32, in years and probabilities
TOLERANCE = {"age": 1e-3, "male": 1e-4, "nodes": 1e-4}
# with fewer bits: mean difference in years, and share of faces that change their gender
DEVIATION = {"fp16": {"age": 0.05, "male": 0.005}, "int8": {"age": 0.5, "male": 0.02}}


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Crops for a network, with their labels if they come from a data set."""

    crops: np.ndarray  # (N, size, size, depth) uint8 BGR
    chips: Chips | None = None  # N rows


def val_faces(data: list[Path], spec: InputSpec) -> FaceCrops:
    """The faces of the data sets' val splits. Raises ModelError if there are none."""
    chips = load_chips(data, "val")
    if not len(chips.male):
        raise ModelError(f"{', '.join(map(str, data))}: no face in the split 'val'")
    crops = [central_crop(chips.images[row], spec) for row in range(len(chips))]
    return FaceCrops(np.stack(crops), chips)


def clip_faces(spec: InputSpec) -> FaceCrops:
    """The faces that the detector finds in every FRAME_STEP-th frame of the bundled clip. Raises
    ModelError if there are none."""
    video, detector, crops = cv2.VideoCapture(str(DEMO_CLIP)), Mtcnn(MIN_FACE, video=False), []
    frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    for index in tqdm(range(frames), DEMO_CLIP.name, unit="frame"):
        read, image = video.read()
        if read and index % FRAME_STEP == 0:
            found = detector.detect(image)
            crops.append(crop_faces(image, found.boxes, found.points, spec))
    if not sum(map(len, crops)):
        raise ModelError(f"no face found in {DEMO_CLIP}: restore it, or give --data")
    return FaceCrops(np.concatenate(crops))


def network_outputs(network: Network, crops: np.ndarray, spec: InputSpec) -> dict[str, np.ndarray]:
    """All outputs (N, …) of a network for crops (N, size, size, depth) uint8, by name."""
    starts = range(0, len(crops), MAX_BATCH)
    parts = [network(network_input(crops[k : k + MAX_BATCH], spec)) for k in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_parity(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], precision: str, name: str
) -> str:
    """The deviation of a graph's outputs `found` from Keras' `expected`, in words. Raises
    ModelError if an output is missing or deviates more than the `precision`, "float32", "fp16" or
    "int8", allows."""
    if missing := sorted(expected.keys() - found.keys()):
        raise ModelError(f"{name} lacks the output {missing[0]}: not written")
    words = []
    for output in sorted(expected):
        difference = np.abs(found[output] - expected[output])
        limit = DEVIATION.get(precision, TOLERANCE).get(output)
        deviation, unit = float(difference.max()), "at most"
        if precision in DEVIATION and output == "age":
            deviation, unit = float(difference.mean()), "years in the mean"
        elif precision in DEVIATION and output == "male":
            changed = (found[output] >= 0.5) != (expected[output] >= 0.5)
            deviation, unit = float(changed.mean()), "of the faces with the other gender"
        if limit is not None and not deviation <= limit:
            raise ModelError(
                f"{name}: {output} differs from Keras by {deviation:.2g} {unit}, more than "
                f"{limit:g}: not written"
            )
        words.append(f"{output} {deviation:.2g} {unit}")
    return "; ".join(words)


def measurements(manifest: Manifest, faces: FaceCrops) -> dict[str, float]:
    """Size in megabytes, milliseconds for 1 and for 8 faces and, with labels, mean age error in
    years and gender accuracy, of a model as it runs live on the CPU."""
    with Estimator(manifest, CPU) as estimator:
        eight = faces.crops[np.arange(8) % len(faces.crops)]
        measured = {
            "megabytes": file_bytes(manifest) / 1e6,
            "ms_1_face": best_seconds(lambda: estimator.predict(eight[:1])) * 1e3,
            "ms_8_faces": best_seconds(lambda: estimator.predict(eight)) * 1e3,
        }
        if faces.chips is None:
            return measured
        ages, male_probs = estimator.predict(faces.crops)
    exact = (faces.chips.age_low == faces.chips.age_high) & np.isfinite(ages)
    known = np.isfinite(faces.chips.male) & np.isfinite(male_probs)
    if exact.any():
        measured["age_error"] = float(np.abs(ages - faces.chips.age_low)[exact].mean())
    if known.any():
        right = (male_probs >= 0.5) == (faces.chips.male == 1)
        measured["gender"] = float(right[known].mean())
    return measured


def file_bytes(manifest: Manifest) -> int:
    """Size of a model's files in bytes."""
    paths = [manifest.folder / entry["name"] for entry in manifest.files.values()]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())

"""Manifests: what a weights file needs beside it, as NAME.json. The crops it takes, its outputs,
the hashes of its files, its calibration and where it comes from."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.files import atomic_write

WEIGHTS = Path(__file__).parent / "weights"
SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "saved_model": "", "keras": ".weights.h5"}
MEANINGS = {
    "age": "years, 0 to 100",
    "male": "probability of male, 0 to 1",
    "nodes": "probabilities of classes of age",
}
RECORD_KEYS = {"flip_tta": "mirror"}  # field -> its older key in NAME.json, where they differ


@dataclass(frozen=True)
class Manifest:
    """A model: one graph with crops in, and out `age` (N,) in years and `male` (N,), a probability.

    The order of the fields is the order of the keys in NAME.json.
    """

    name: str
    architecture: str  # module of models.networks
    config: dict[str, Any]  # keyword arguments of its `build`
    input: InputSpec
    files: dict[str, dict[str, str]]  # kind, see models.inference.devices.KINDS -> name, sha256
    outputs: dict[str, str]  # name -> meaning of its values
    flip_tta: bool = False  # test-time augmentation: mean over the crop and its mirror image
    licence: str = ""
    origin: str = ""  # where the weights come from, in words
    repeat: str = ""  # command that trains such weights from what the project or a package has
    data: dict[str, Any] = field(default_factory=dict)  # data set -> its sha256, faces per split
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, list[float]] = field(default_factory=dict)  # see inference.calibration
    folder: Path = WEIGHTS

    @property
    def digest(self) -> str:
        """The sha256 that identifies these weights: of the ONNX file, else of the first file; "" if
        there is no file."""
        entries = [self.files["onnx"]] if "onnx" in self.files else list(self.files.values())
        return entries[0]["sha256"] if entries else ""

    def file(self, kind: str) -> Path:
        """Path of the file of this kind. Raises ModelError if the file is missing or unreadable, or
        if its hash differs from the manifest's."""
        if kind not in self.files:
            kinds = ", ".join(self.files) or "none"
            raise ModelError(f"model {self.name} has no {kind} file; it has {kinds}")
        entry = self.files[kind]
        path = self.folder / entry["name"]
        if not path.exists():
            raise ModelError(
                f"weights file {path} is missing; restore it, or convert or train it again"
            )
        try:
            digest = sha256(path)
        except OSError as error:
            raise ModelError(f"cannot read weights file {path}: {error.strerror}") from None
        if digest != entry["sha256"]:
            raise ModelError(
                f"weights file {path} differs from its manifest (sha256); restore the file, or "
                "convert or train it again"
            )
        return path

    def save(self) -> Path:
        """Write NAME.json beside the weights and return its path."""
        record = {RECORD_KEYS.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        record["input"] = self.input.to_record()
        del record["folder"]
        path = self.folder / f"{self.name}.json"
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return path


def sha256(path: Path) -> str:
    """Hex digest of a file; of a folder, the digest of its files' names and digests. Raises
    OSError."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    return listed_sha256(path, files)


def listed_sha256(folder: Path, files: Iterable[str]) -> str:
    """Hex digest of the names and digests of these files of a folder. Raises OSError."""
    listing = "".join(f"{sha256(folder / name)}  {name}\n" for name in files)
    return hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest()


def file_entry(path: Path) -> dict[str, str]:
    """A manifest's entry for a file."""
    return {"name": path.name, "sha256": sha256(path)}


def names(folder: Path = WEIGHTS) -> list[str]:
    """Names of the age and gender models that have a manifest in the folder."""
    return sorted(path.stem for path in folder.glob("*.json") if path.stem != "mtcnn")


def load_manifest(model: str) -> Manifest:
    """The manifest of a shipped model, by its name, or of any other model, by the path of its .json
    file. Raises ModelError if there is no such file or it is damaged."""
    path = Path(model) if model.endswith(".json") else WEIGHTS / f"{model}.json"
    if not path.is_file():
        shipped = f"choose {', '.join(names())}, or " if names() else ""
        raise ModelError(
            f"unknown model {model!r}: {shipped}give the path of a manifest (.json) that "
            "models.convert or models.train wrote"
        )
    try:
        return _from_record(json.loads(path.read_text(encoding="utf-8")), path.parent)
    except KeyError as error:
        raise ModelError(f"manifest {path} is not readable: it has no {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"manifest {path} is not readable: {error}") from None


def _from_record(record: dict[str, Any], folder: Path) -> Manifest:
    """The manifest of a NAME.json; keys of later versions are ignored. Raises KeyError, ValueError,
    TypeError or AttributeError where it is damaged."""
    keys = {RECORD_KEYS.get(f.name, f.name): f.name for f in fields(Manifest)}
    values = {keys[key]: value for key, value in record.items() if key in keys}
    values["input"] = InputSpec.from_record(values["input"])
    values["outputs"] = dict(values["outputs"])
    values["files"] = {
        kind: {"name": str(entry["name"]), "sha256": str(entry["sha256"])}
        for kind, entry in values["files"].items()
    }
    values["config"] = dict(values["config"])
    values["data"] = {name: dict(about) for name, about in values.get("data", {}).items()}
    values["calibration"] = _calibration(values.get("calibration", {}))
    return Manifest(**{**values, "folder": folder})


def _calibration(columns: dict[str, Any]) -> dict[str, list[float]]:
    """The table of `models.inference.calibration`. Raises ValueError if it is damaged."""
    table = {name: [float(value) for value in column] for name, column in columns.items()}
    lengths = {len(table.get(name, ())) for name in ("age", "age_low", "age_high")}
    finite = all(column and all(map(math.isfinite, column)) for column in table.values())
    if not finite or len(lengths) > 1 or table.get("temperature", [1.0])[0] <= 0:
        raise ValueError("its calibration is not a table of numbers: run models.calibrate again")
    return table


def load_weights(path: Path) -> Manifest:
    """The manifest beside a weights file, reduced to this one file, so that this file runs. Raises
    ModelError if the file or its manifest is missing, or if the two do not belong together."""
    if not path.exists():
        raise ModelError(f"no such weights file: {path}")
    folder = "saved_model" if (path / "saved_model.pb").is_file() else None
    kind = folder or next((k for k, end in SUFFIXES.items() if end and path.name.endswith(end)), "")
    if not kind:
        raise ModelError(
            f"{path} is not a kind of file that runs here: give an .onnx, .tflite or .weights.h5 "
            "file or a SavedModel folder, or a manifest (.json) as --model"
        )
    beside = path.resolve().parent / f"{path.resolve().name.removesuffix(SUFFIXES[kind])}.json"
    if not beside.is_file():
        raise ModelError(
            f"{path} has no manifest {beside.name} beside it: keep the two together, or write them "
            "again with models.export"
        )
    manifest = load_manifest(str(beside))
    if manifest.files.get(kind, {}).get("name") != path.resolve().name:
        raise ModelError(f"{path} is not among the files of the manifest {beside.name} beside it")
    return replace(manifest, files={kind: manifest.files[kind]})

"""What a weights file needs beside it: the crops it expects, what its outputs mean, its hash."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
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


@dataclass(frozen=True)
class Manifest:
    """A model: one graph, crops in, `age` (N,) years and `male` (N,) probability out."""

    name: str
    architecture: str  # module of `models.networks`
    config: dict[str, Any]  # keyword arguments of its `build`
    input: InputSpec
    files: dict[
        str, dict[str, str]
    ]  # kind of models.inference.estimator.KINDS -> {"name", "sha256"}
    outputs: dict[str, str]  # name -> what its numbers mean
    mirror: bool = False  # whether the answer is the mean over the crop and its mirror image
    licence: str = ""
    origin: str = ""  # source, or training command, back end and seed
    repeat: str = ""  # command that trains such weights from what the project or a package has
    data: dict[str, Any] = field(default_factory=dict)  # file -> its sha256 and rows by split
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, list[float]] = field(
        default_factory=dict
    )  # see models.inference.calibration
    folder: Path = WEIGHTS

    @property
    def digest(self) -> str:
        """The sha256 of the first file: what tells these weights from others of the same name."""
        return next((entry["sha256"] for entry in self.files.values()), "")

    def file(self, kind: str) -> Path:
        """Path of the file of this kind, after its hash was checked."""
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
        """Write NAME.json beside the weights."""
        record = asdict(self)
        del record["folder"]
        path = self.folder / f"{self.name}.json"
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return path


def sha256(path: Path) -> str:
    """Hex digest of a file; of a folder, that of its files' names and digests."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    return listed_sha256(path, files)


def listed_sha256(folder: Path, files: Iterable[str]) -> str:
    """Hex digest of the names and digests of these files of a folder."""
    listing = "".join(f"{sha256(folder / name)}  {name}\n" for name in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def file_entry(path: Path) -> dict[str, str]:
    """What a manifest says of a file."""
    return {"name": path.name, "sha256": sha256(path)}


def names(folder: Path = WEIGHTS) -> list[str]:
    """The age and gender models that have a manifest in the folder."""
    return sorted(path.stem for path in folder.glob("*.json") if path.stem != "mtcnn")


def load_manifest(model: str) -> Manifest:
    """Manifest of a shipped model by its name, or of any other by the path of its .json file."""
    path = Path(model) if model.endswith(".json") else WEIGHTS / f"{model}.json"
    if not path.is_file():
        shipped = f"choose {', '.join(names())}, or " if names() else ""
        raise ModelError(
            f"unknown model {model!r}: {shipped}give the path of a manifest (.json) that "
            "models.convert or models.train wrote"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in fields(Manifest)}
        record = {key: value for key, value in record.items() if key in known}
        record["input"] = InputSpec(**record["input"])
        record["outputs"] = dict(record["outputs"])
        record["files"] = {
            kind: {"name": str(entry["name"]), "sha256": str(entry["sha256"])}
            for kind, entry in record["files"].items()
        }
        record["config"] = dict(record["config"])
        record["data"] = {name: dict(about) for name, about in record.get("data", {}).items()}
        record["calibration"] = _calibration(record.get("calibration", {}))
        return Manifest(**record, folder=path.parent)
    except KeyError as error:
        raise ModelError(f"manifest {path} is not readable: it has no {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"manifest {path} is not readable: {error}") from None


def _calibration(columns: dict[str, Any]) -> dict[str, list[float]]:
    """The table of `models.inference.calibration`. Raises ValueError where it is none."""
    table = {name: [float(value) for value in column] for name, column in columns.items()}
    lengths = {len(table.get(name, ())) for name in ("age", "age_low", "age_high")}
    finite = all(column and all(map(math.isfinite, column)) for column in table.values())
    if not finite or len(lengths) > 1 or table.get("temperature", [1.0])[0] <= 0:
        raise ValueError("its calibration is no table of numbers: run models.calibrate again")
    return table


def load_weights(path: Path) -> Manifest:
    """The manifest that lies beside a weights file, reduced to this file: what then runs is it."""
    if not path.exists():
        raise ModelError(f"no such weights file: {path}")
    folder = "saved_model" if (path / "saved_model.pb").is_file() else None
    kind = folder or next((k for k, end in SUFFIXES.items() if end and path.name.endswith(end)), "")
    if not kind:
        raise ModelError(
            f"{path} is of no kind that runs here: give an .onnx, .tflite or .weights.h5 file or a "
            "SavedModel folder, or a manifest (.json) as --model"
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

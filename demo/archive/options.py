"""The options of an archive, and what of them changes its results."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.options import Options
from models.crops.spec import GEOMETRY_VERSION
from models.manifest import load_manifest, load_weights

RESULT_OPTIONS = (
    *("max_frames", "anonymize", "detector", "detect_every", "min_face", "min_quality"),
    *("margin", "device"),
)
RECORD_OPTIONS = ("quality", "encoder")  # they change recordings alone


@dataclass(frozen=True)
class ArchiveOptions:
    """What every job is given. A value: it can be pickled and sent to another machine."""

    out: Path  # absolute; on several machines, a folder that all of them see
    run: Options  # of each run, without sources and outputs
    log: str | None = None  # "jsonl" or "csv": also write logs
    record: bool = False  # also write annotated videos and photos


def identity(options: ArchiveOptions, schema: int) -> dict[str, Any]:
    """Everything besides the source on which the files of a job depend. Raises ModelError."""
    run = options.run
    manifest = load_weights(run.weights) if run.weights else load_manifest(run.model)
    detector = load_manifest("mtcnn")
    network = [
        *(manifest.files, manifest.input.to_record(), manifest.calibration, manifest.flip_tta),
        *(detector.files, GEOMETRY_VERSION),
    ]
    names = RESULT_OPTIONS + (RECORD_OPTIONS if options.record else ())
    return {
        **{name: getattr(run, name) for name in names},
        "log": options.log,
        "record": options.record,
        "model": f"{manifest.name} {digest(network)}",
        "schema": schema,
    }


def digest(value: Any) -> str:
    """Sixteen hex digits that stand for a value of plain types."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

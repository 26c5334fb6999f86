"""AgeStream: age and gender of every face in webcams, videos and photos.

Everything that a program needs is imported from here; `demo.api` has the functions to start with.
The names are imported when they are first used, so that `import demo` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from demo.api import analyze, analyze_photo
    from demo.build import build_run
    from demo.display.overlay import annotate
    from demo.errors import UserError
    from demo.events import Event
    from demo.faces.photo import PhotoPipeline
    from demo.faces.pipeline import Pipeline
    from demo.faces.settings import Settings
    from demo.frames import Analysis, Faces, Frame
    from demo.networks import load_networks
    from demo.options import Options
    from demo.records import face_records, frame_record, to_pandas, to_supervision
    from demo.sources.open import open_source
    from models.errors import AgeStreamError, ModelError

__all__ = [
    "AgeStreamError",
    "Analysis",
    "Event",
    "Faces",
    "Frame",
    "ModelError",
    "Options",
    "PhotoPipeline",
    "Pipeline",
    "Settings",
    "UserError",
    "analyze",
    "analyze_photo",
    "annotate",
    "build_run",
    "face_records",
    "frame_record",
    "load_networks",
    "open_source",
    "to_pandas",
    "to_supervision",
]

_HOMES = {
    "demo.api": ("analyze", "analyze_photo"),
    "demo.build": ("build_run",),
    "demo.networks": ("load_networks",),
    "demo.display.overlay": ("annotate",),
    "demo.errors": ("UserError",),
    "demo.events": ("Event",),
    "demo.faces.photo": ("PhotoPipeline",),
    "demo.faces.pipeline": ("Pipeline",),
    "demo.faces.settings": ("Settings",),
    "demo.frames": ("Analysis", "Faces", "Frame"),
    "demo.options": ("Options",),
    "demo.records": ("face_records", "frame_record", "to_pandas", "to_supervision"),
    "demo.sources.open": ("open_source",),
    "models.errors": ("AgeStreamError", "ModelError"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'demo' has no attribute {name!r}")

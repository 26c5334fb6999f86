"""The currency of the application: frames in, faces out."""

from dataclasses import dataclass, fields

import numpy as np

from trackers.sort import NO_ID


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source."""

    image: np.ndarray  # (H, W, 3) uint8, BGR
    index: int  # from 0
    time: float  # seconds since the start of the source; beside live ones, of the run
    source: str  # its public name, without passwords; of a folder of photos, the photo's path


@dataclass(frozen=True)
class NoFrame:
    """No new picture from a source for a moment."""

    time: float  # seconds since the start of the source
    notice: str  # for the viewer, what is wrong; empty while nothing may be


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one frame, one row each; columns of equal length. nan or -1 = not known."""

    boxes: np.ndarray  # (N, 4) float32, xyxy, pixels
    scores: np.ndarray  # (N,) float32, 0..1, the detector's
    points: np.ndarray  # (N, 5, 2) float32, pixels: eyes, nose, mouth corners, left one first
    ids: np.ndarray  # (N,) int64, from 1; -1 = not confirmed
    ages: np.ndarray  # (N,) float32, years
    male_probs: np.ndarray  # (N,) float32, probability of male
    age_low: np.ndarray  # (N,) float32, years: the range that holds the age in 9 of 10 cases
    age_high: np.ndarray  # (N,) float32, years

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different length: {lengths}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: np.ndarray | slice) -> "Faces":
        return Faces(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def detected(cls, boxes: np.ndarray, scores: np.ndarray, points: np.ndarray) -> "Faces":
        """Faces of which only the detector's columns are known."""
        unknown = np.full(len(boxes), np.nan, np.float32)
        ids = np.full(len(boxes), NO_ID, np.int64)
        return cls(boxes, scores, points, ids, unknown, unknown, unknown, unknown)

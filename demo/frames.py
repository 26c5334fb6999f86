"""The currency of the application: frames in, faces out."""

import math
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np

from trackers.sort import NO_ID


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source. Its pixels are never painted on: an overlay is drawn on a copy."""

    image: np.ndarray  # (H, W, 3) uint8, BGR
    index: int  # from 0
    time: float  # seconds since the start of the source; with several live sources, of the run
    source: str  # name of the source, without passwords; in a folder of photos, the photo's path
    captured: float = float("nan")  # time.monotonic() of its capture; nan for files
    shot: int = 1  # from 1; a cut in edited video begins the next one. A pipeline counts them
    last: bool = False  # no frame of its source follows, as far as that is known

    def moment(self, now: float) -> float:
        """time.monotonic() of its capture; `now` for a frame of a file."""
        return now if math.isnan(self.captured) else self.captured


@dataclass(frozen=True)
class NoFrame:
    """A source has no new frame for a moment."""

    time: float  # seconds since the start of the source
    notice: str = ""  # shown over the last picture while a live source is lost, else empty


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one frame: one row per face, columns of equal length. nan or -1 = not known.

    >>> import numpy as np
    >>> from demo import Faces
    >>> boxes = np.array([[10, 20, 50, 70], [90, 20, 110, 45]], np.float32)
    >>> faces = Faces.detected(boxes, np.array([0.99, 0.7]), np.zeros((2, 5, 2)))
    >>> len(faces), len(faces[faces.scores > 0.9]), faces.ids.tolist()
    (2, 1, [-1, -1])
    """

    boxes: np.ndarray  # (N, 4) float32, xyxy, pixels
    scores: np.ndarray  # (N,) float32, 0..1, of the detector
    points: np.ndarray  # (N, 5, 2) float32, pixels: eyes, nose, mouth corners, left one first
    ids: np.ndarray  # (N,) int64, from 1; -1 = not confirmed
    ages: np.ndarray  # (N,) float32, years
    male_probs: np.ndarray  # (N,) float32, probability of male
    age_low: np.ndarray  # (N,) float32, years: the 90 % range
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
        """Faces for which only the columns of the detector are known."""
        unknown = np.full(len(boxes), np.nan, np.float32)
        ids = np.full(len(boxes), NO_ID, np.int64)
        return cls(boxes, scores, points, ids, unknown, unknown, unknown, unknown)


# all: for faces of every size; coarse: not for the smallest; known: only known faces were measured,
# and perhaps new ones of an earlier frame; predicted: nothing was measured, known faces were moved
Search = Literal["all", "coarse", "known", "predicted"]


@dataclass(frozen=True, eq=False)
class Analysis:
    """A frame and what was found in it."""

    frame: Frame  # with covered heads where anonymization is on
    faces: Faces
    candidates: np.ndarray  # (M, 4) float32, xyxy, pixels: all boxes that may hold a face
    search: Search = "all"  # how the frame was searched


class Timing(NamedTuple):
    """How long a frame took."""

    processing_ms: float  # from the frame's arrival in the main loop to its faces
    latency_ms: float  # from its capture to its faces; nan for files

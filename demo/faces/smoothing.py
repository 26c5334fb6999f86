"""One steady answer per person: robust running estimates of age and gender over a track's life."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from demo.faces.load import CROPS_A_FRAME
from models.inference.calibration import Table, age_range

KNOWN = 2.0  # weight of evidence before anything is shown: two good crops
DOUBTED = 6.0  # weight of what is known of one who came back
MEMORY = 200.0  # greatest weight of the past: a wrong start is forgotten after that many crops
CLIP = 2.0  # deviations from the running age at which a sample's pull is capped
START_DEVIATION = 10.0  # years, of single estimates before the track has shown its own
MIN_DEVIATION = 1.0  # years
ALIKE = 17.0  # crops of a track that tell no more than one: half a second shows the same pose
CERTAIN = 1.645  # deviations that hold 90 % of a normal distribution
SETTLED = 20  # crops after which one in REFRESH frames is enough
REFRESH = 3  # frames
DECIDE, FLIP = 0.55, 0.7  # probability that decides a gender first, and that overturns it


@dataclass(slots=True)
class _Person:
    crops: int = 0
    frame: int = -1  # of the last crop
    weight: float = 0.0
    age: float = np.nan
    variance: float = START_DEVIATION**2
    male: float = np.nan
    is_male: bool | None = None

    def add(self, age: float, male: float, quality: float) -> None:
        """Count one crop's estimate with weight `quality`; an unknown (nan) one changes nothing."""
        self.crops += 1
        if quality <= 0:
            return
        self.weight = min(self.weight + quality, MEMORY)
        share = quality / self.weight
        if np.isfinite(age):
            self._add_age(age, share)
        if np.isfinite(male):
            self.male = male if np.isnan(self.male) else self.male + share * (male - self.male)
            self._decide()

    def _add_age(self, age: float, share: float) -> None:
        if np.isnan(self.age):
            self.age = age
            return
        off = age - self.age
        limit = CLIP * max(self.variance**0.5, MIN_DEVIATION)
        self.age += share * min(max(off, -limit), limit)
        self.variance += share * (off * off - self.variance)

    def _decide(self) -> None:
        certainty = max(self.male, 1 - self.male)
        if self.weight >= KNOWN and certainty >= (DECIDE if self.is_male is None else FLIP):
            self.is_male = self.male >= 0.5

    @property
    def noise(self) -> float:
        """Years by which the running age may be off since its crops differ (90 %)."""
        return float(CERTAIN * (self.variance * min(1.0, ALIKE / self.weight)) ** 0.5)

    @property
    def shown_male(self) -> float:
        """Probability, held on the decided side of one half until the decision is overturned; nan
        while nothing is decided."""
        if self.is_male is None:
            return np.nan
        return max(self.male, 0.5) if self.is_male else min(self.male, 0.499)


NOBODY = _Person()


class Labels(NamedTuple):
    """Columns (N,) float32: years, probability of male, and the ends of the ages' 90 % ranges."""

    ages: np.ndarray
    male_probs: np.ndarray
    age_low: np.ndarray
    age_high: np.ndarray


class LabelSmoother:
    """Per-id memory: `add` what a frame says, `forget` ids that no longer live."""

    def __init__(self, calibration: Table | None = None) -> None:
        """`calibration` of the network's manifest: how far its ages can be trusted."""
        self._calibration = calibration or {}
        self._people: dict[int, _Person] = {}

    def wants(self, ids: np.ndarray, frame: int, most: int = CROPS_A_FRAME) -> np.ndarray:
        """Mask (N,) of the confirmed ids for which another crop is worth its time: those whose
        label is not settled, of the others every REFRESH-th a frame; of more than `most` the
        least known."""
        people = [self._people.get(track, NOBODY) for track in ids.tolist()]
        crops = self.crops(ids)
        settled = np.array([p.crops >= SETTLED and p.weight >= KNOWN for p in people], bool)
        wanted: np.ndarray = (ids >= 1) & (~settled | ((ids + frame) % REFRESH == 0))
        least = np.argsort(np.where(wanted, crops, np.iinfo(int).max), kind="stable")
        wanted[least[most:]] = False
        return wanted

    def add(
        self,
        ids: np.ndarray,
        ages: np.ndarray,
        male_probs: np.ndarray,
        qualities: np.ndarray,
        frame: int,
    ) -> None:
        """Count the estimates of confirmed ids in a frame; qualities are weights 0..1. A crop
        stands for the frames since the one before, at most REFRESH: sparing crops moves no mean."""
        columns = (ids.tolist(), ages.tolist(), male_probs.tolist(), qualities.tolist())
        for track, age, male, quality in zip(*columns, strict=True):
            person = self._people.setdefault(track, _Person(frame=frame - 1))
            stands_for = min(max(frame - person.frame, 1), REFRESH)
            person.frame = frame
            person.add(age, male, quality * stands_for)

    def crops(self, ids: np.ndarray) -> np.ndarray:
        """How many crops (N,) of these ids were counted."""
        return np.array([self._people.get(track, NOBODY).crops for track in ids.tolist()], int)

    def labels(self, ids: np.ndarray) -> Labels:
        """What is known of these ids: nan until enough good crops were seen.

        A range is never narrower than the network has earned on pictures of people it did not
        know; what the crops of a track disagree comes on top, and fades as they add up.
        """
        ages, male_probs, noise = np.full((3, len(ids)), np.nan, np.float32)
        for row, track in enumerate(ids.tolist()):
            person = self._people.get(track)
            if person is not None and person.weight >= KNOWN:
                ages[row], male_probs[row], noise[row] = person.age, person.shown_male, person.noise
        low, high = age_range(self._calibration, ages)
        low = np.maximum(ages - np.hypot(ages - low, noise), 0.0)
        return Labels(ages, male_probs, low, ages + np.hypot(high - ages, noise))

    def doubt(self, ids: Iterable[int]) -> None:
        """Trust what is known of these ids little: they came back, and may be someone else."""
        for track in ids:
            if track in self._people:
                self._people[track].weight = min(self._people[track].weight, DOUBTED)

    def forget(self, living: Iterable[int]) -> None:
        """Drop every id that is not among the living."""
        living = set(living)
        for track in [t for t in self._people if t not in living]:
            del self._people[track]

    def __len__(self) -> int:
        return len(self._people)

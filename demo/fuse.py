"""One steady answer per person: robust running estimates of age and gender over a track's life."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

KNOWN = 2.0  # weight of evidence before anything is shown: two good crops
MEMORY = 200.0  # greatest weight of the past: a wrong start is forgotten after that many crops
CLIP = 2.0  # deviations from the running age at which a sample's pull is capped
START_DEVIATION = 10.0  # years, of single estimates before the track has shown its own
MIN_DEVIATION = 1.0  # years
SETTLED = 12  # crops after which one in REFRESH frames is enough
REFRESH = 4  # frames
CROPS_A_FRAME = 12  # at most: a crowd takes turns
DECIDE, FLIP = 0.55, 0.65  # probability that decides a gender first, and that overturns it


@dataclass(slots=True)
class _Person:
    crops: int = 0
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
        limit = CLIP * max(self.variance**0.5, MIN_DEVIATION)
        pull = min(max(age - self.age, -limit), limit)
        self.age += share * pull
        self.variance += share * (pull * pull - self.variance)

    def _decide(self) -> None:
        certainty = max(self.male, 1 - self.male)
        if self.weight >= KNOWN and certainty >= (DECIDE if self.is_male is None else FLIP):
            self.is_male = self.male >= 0.5

    @property
    def shown_male(self) -> float:
        """Probability, held on the decided side of one half until the decision is overturned; nan
        while nothing is decided."""
        if self.is_male is None:
            return np.nan
        return max(self.male, 0.5) if self.is_male else min(self.male, 0.499)


NOBODY = _Person()


class Fusion:
    """Per-id memory: `add` what a frame says, `forget` ids that no longer live."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def wants(self, ids: np.ndarray, frame: int, most: int = CROPS_A_FRAME) -> np.ndarray:
        """Mask (N,) of the confirmed ids for which another crop is worth its time: those whose
        label is not settled, of the others every REFRESH-th a frame; of more than `most` the
        least known."""
        people = [self._people.get(track, NOBODY) for track in ids.tolist()]
        crops = np.array([person.crops for person in people], int)
        settled = np.array([p.crops >= SETTLED and p.weight >= KNOWN for p in people], bool)
        wanted: np.ndarray = (ids >= 1) & (~settled | ((ids + frame) % REFRESH == 0))
        least = np.argsort(np.where(wanted, crops, np.iinfo(int).max), kind="stable")
        wanted[least[most:]] = False
        return wanted

    def add(
        self, ids: np.ndarray, ages: np.ndarray, males: np.ndarray, qualities: np.ndarray
    ) -> None:
        """Count the estimates of confirmed ids; qualities are weights 0..1."""
        columns = (ids.tolist(), ages.tolist(), males.tolist(), qualities.tolist())
        for track, age, male, quality in zip(*columns, strict=True):
            self._people.setdefault(track, _Person()).add(age, male, quality)

    def labels(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fused ages (N,) and probabilities of male (N,): nan until enough good crops were seen."""
        ages = np.full(len(ids), np.nan, np.float32)
        males = np.full(len(ids), np.nan, np.float32)
        for row, track in enumerate(ids.tolist()):
            person = self._people.get(track)
            if person is not None and person.weight >= KNOWN:
                ages[row], males[row] = person.age, person.shown_male
        return ages, males

    def forget(self, living: Iterable[int]) -> None:
        """Drop every id that is not among the living."""
        living = set(living)
        for track in [t for t in self._people if t not in living]:
            del self._people[track]

    def __len__(self) -> int:
        return len(self._people)

"""One steady answer per person: robust running estimates of age and gender over a track's life."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

KNOWN = 2.0  # weight of evidence before anything is shown: two good crops
MEMORY = 200.0  # greatest weight of the past: a wrong start is forgotten after that many crops
CLIP = 2.0  # deviations from the running age at which a sample's pull is capped
START_DEVIATION = 10.0  # years, of single estimates before the track has shown its own
MIN_DEVIATION = 1.0  # years
DECIDE, FLIP = 0.55, 0.65  # probability that decides a gender first, and that overturns it


@dataclass(slots=True)
class _Person:
    weight: float = 0.0
    age: float = 0.0
    variance: float = START_DEVIATION**2
    male: float = 0.5
    is_male: bool | None = None

    def add(self, age: float, male: float, quality: float) -> None:
        """Count one crop's estimate with weight `quality`; an unknown (nan) one changes nothing."""
        if quality <= 0:
            return
        self.weight = min(self.weight + quality, MEMORY)
        share = quality / self.weight
        if np.isfinite(age):
            limit = CLIP * max(self.variance**0.5, MIN_DEVIATION)
            pull = age - self.age if share == 1.0 else min(max(age - self.age, -limit), limit)
            self.age += share * pull
            if share < 1.0:
                # the start value counts like one crop
                self.variance += quality / (self.weight + 1.0) * (pull * pull - self.variance)
        if np.isfinite(male):
            self.male += share * (male - self.male)
            self._decide()

    def _decide(self) -> None:
        certainty = max(self.male, 1 - self.male)
        if self.weight >= KNOWN and certainty >= (DECIDE if self.is_male is None else FLIP):
            self.is_male = self.male >= 0.5

    @property
    def shown_male(self) -> float:
        """Probability, held on the decided side of one half until the decision is overturned."""
        if self.is_male is None:
            return self.male
        return max(self.male, 0.5) if self.is_male else min(self.male, 0.499)


class Fusion:
    """Per-id memory. `add` what a frame says, `forget` ids that no longer live."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def add(
        self, ids: np.ndarray, ages: np.ndarray, males: np.ndarray, qualities: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fused ages (N,) and probabilities of male (N,) for the rows of a frame: nan for ids
        below 1 and until enough good crops were seen. Qualities are weights 0..1."""
        fused_ages = np.full(len(ids), np.nan, np.float32)
        fused_males = np.full(len(ids), np.nan, np.float32)
        for row, (track, age, male, quality) in enumerate(
            zip(ids.tolist(), ages.tolist(), males.tolist(), qualities.tolist(), strict=True)
        ):
            if track < 1:
                continue
            person = self._people.setdefault(track, _Person())
            person.add(age, male, quality)
            if person.weight >= KNOWN:
                fused_ages[row] = person.age if np.isfinite(age) else np.nan
                fused_males[row] = person.shown_male if np.isfinite(male) else np.nan
        return fused_ages, fused_males

    def forget(self, living: Iterable[int]) -> None:
        """Drop every id that is not among the living."""
        living = set(living)
        for track in [t for t in self._people if t not in living]:
            del self._people[track]

    def __len__(self) -> int:
        return len(self._people)

"""One steady label per person: robust running means of age and gender over the life of an id."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from demo.faces.load import CROPS_PER_FRAME
from models.inference.calibration import Table, age_range

LABEL_WEIGHT = 2.0  # summed quality of crops before a label is shown: two good crops
RETURN_WEIGHT = 6.0  # greatest weight of the past of a person who returned
MAX_WEIGHT = 200.0  # of the past; a wrong start is forgotten after so many crops
CLIP_DEVIATIONS = 2.0  # an outlier counts as if it were so far from the running age
START_DEVIATION = 10.0  # years: assumed spread of the first estimates
MIN_DEVIATION = 1.0  # years
CORRELATED_CROPS = 17.0  # that count as one: within half a second the pose stays the same
QUANTILE_90 = 1.645  # standard deviations that hold 90 % of a normal distribution
SETTLED_CROPS = 20  # from then on, a face is estimated in one of REFRESH_FRAMES frames
REFRESH_FRAMES = 3
FIRST_CROPS = 8  # from then on, a face need not be measured in every frame
DECIDE, FLIP = 0.55, 0.7  # probabilities that decide a gender, and that overturn a decision


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
        """Add the estimate of one crop with weight `quality`; nan changes nothing."""
        self.crops += 1
        if quality <= 0:
            return
        self.weight = min(self.weight + quality, MAX_WEIGHT)
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
        limit = CLIP_DEVIATIONS * max(self.variance**0.5, MIN_DEVIATION)
        self.age += share * min(max(off, -limit), limit)
        self.variance += share * (off * off - self.variance)

    def _decide(self) -> None:
        certainty = max(self.male, 1 - self.male)
        if self.weight >= LABEL_WEIGHT and certainty >= (DECIDE if self.is_male is None else FLIP):
            self.is_male = self.male >= 0.5

    @property
    def noise(self) -> float:
        """90 % interval, in years, of the running mean, from the spread of the estimates."""
        return float(
            QUANTILE_90 * (self.variance * min(1.0, CORRELATED_CROPS / self.weight)) ** 0.5
        )

    @property
    def shown_male(self) -> float:
        """Probability of male, on the decided side of 0.5 until the decision is overturned; nan
        while undecided."""
        if self.is_male is None:
            return np.nan
        return max(self.male, 0.5) if self.is_male else min(self.male, 0.499)


NOBODY = _Person()


class Labels(NamedTuple):
    """Columns (N,) float32: years, probability of male, and the ends of the 90 % ranges."""

    ages: np.ndarray
    male_probs: np.ndarray
    age_low: np.ndarray
    age_high: np.ndarray


class LabelSmoother:
    """Running estimates by id: `add` the predictions of a frame, `forget` ids that ended."""

    def __init__(self, calibration: Table | None = None) -> None:
        """`calibration` of the network's manifest, for the ranges."""
        self._calibration = calibration or {}
        self._people: dict[int, _Person] = {}

    def wants(self, ids: np.ndarray, frame: int, most: int = CROPS_PER_FRAME) -> np.ndarray:
        """Mask (N,) of the confirmed ids to estimate now: unsettled labels, and each settled one in
        every REFRESH_FRAMES-th frame; at most `most`, those with the fewest crops first."""
        people = [self._people.get(track, NOBODY) for track in ids.tolist()]
        crops = self.crops(ids)
        settled = np.array(
            [p.crops >= SETTLED_CROPS and p.weight >= LABEL_WEIGHT for p in people], bool
        )
        wanted: np.ndarray = (ids >= 1) & (~settled | ((ids + frame) % REFRESH_FRAMES == 0))
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
        """Add predictions (N,) for confirmed ids (N,) in a frame; qualities (N,) are weights 0..1.

        A crop is weighted by the frames since the last one, at most REFRESH_FRAMES, so that
        skipping frames does not bias the mean.
        """
        columns = (ids.tolist(), ages.tolist(), male_probs.tolist(), qualities.tolist())
        for track, age, male, quality in zip(*columns, strict=True):
            person = self._people.setdefault(track, _Person(frame=frame - 1))
            stands_for = min(max(frame - person.frame, 1), REFRESH_FRAMES)
            person.frame = frame
            person.add(age, male, quality * stands_for)

    def settled(self, ids: np.ndarray) -> bool:
        """Whether all these ids (N,) are confirmed and had FIRST_CROPS crops, good or bad."""
        return bool((ids >= 1).all() and (self.crops(ids) >= FIRST_CROPS).all())

    def crops(self, ids: np.ndarray) -> np.ndarray:
        """Number of crops (N,) that were added for these ids."""
        return np.array([self._people.get(track, NOBODY).crops for track in ids.tolist()], int)

    def labels(self, ids: np.ndarray, final: bool = False) -> Labels:
        """Labels of these ids (N,); nan until enough good crops were added, or if `final`, until
        any was added: there will be no more.

        A range is the calibrated error of the network, widened by the uncertainty of the running
        mean, which shrinks as crops add up (root of the sum of squares).
        """
        ages, male_probs, noise = np.full((3, len(ids)), np.nan, np.float32)
        for row, track in enumerate(ids.tolist()):
            person = self._people.get(track)
            if person is None or person.weight <= 0:
                continue
            if final or person.weight >= LABEL_WEIGHT:
                male = person.male if final and person.is_male is None else person.shown_male
                ages[row], male_probs[row], noise[row] = person.age, male, person.noise
        low, high = age_range(self._calibration, ages)
        low = np.maximum(ages - np.hypot(ages - low, noise), 0.0)
        return Labels(ages, male_probs, low, ages + np.hypot(high - ages, noise))

    def doubt(self, ids: Iterable[int]) -> None:
        """Reduce the weight of the past of these ids: they returned, and may be someone else."""
        for track in ids:
            if track in self._people:
                self._people[track].weight = min(self._people[track].weight, RETURN_WEIGHT)

    def forget(self, living: Iterable[int]) -> None:
        """Drop all ids but the living."""
        living = set(living)
        for track in [t for t in self._people if t not in living]:
            del self._people[track]

    def __len__(self) -> int:
        return len(self._people)

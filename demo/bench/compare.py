"""Two passes over one clip, face by face: what is lost where work is spared."""

from dataclasses import dataclass

import numpy as np

from demo.frames import Faces
from trackers.sort import associate

SAME = 0.5  # overlap from which two boxes are one face


@dataclass(frozen=True)
class Comparison:
    """A pass against the full one. Faces are paired by overlap; ages and genders are those shown,
    of pairs that have them in both passes; nan where there is none."""

    present: float  # share of the full pass's faces that the pass has as well
    added: float  # share of the pass's faces that the full one has not
    age_mean: float  # absolute difference in years
    age_p95: float
    age_end_mean: float  # of the last pair of every person: where the running estimate arrived
    age_end_max: float
    male_mean: float  # absolute difference of the probabilities
    male_p95: float
    other_gender: float  # share of pairs that are shown as another gender
    ids: tuple[int, int]  # people, of the pass and of the full one
    id_switches: tuple[int, int]  # a person of the other pass goes on under another id
    gender_flips: tuple[int, int]  # a person's shown gender changes


def compare(spared: list[Faces], full: list[Faces]) -> Comparison:
    """Compare two passes over the same frames, at least one."""
    pairs = [_paired(a, b) for a, b in zip(spared, full, strict=True)]
    ids_a, ids_b = (np.concatenate([pair[k].ids for pair in pairs]) for k in (0, 1))
    ages = np.concatenate([a.ages - b.ages for a, b in pairs])
    male_probs = np.concatenate([a.male_probs - b.male_probs for a, b in pairs])
    other = np.concatenate([(a.male_probs >= 0.5) != (b.male_probs >= 0.5) for a, b in pairs])
    known = np.isfinite(ages)
    last = dict(zip(ids_b[known].tolist(), np.abs(ages[known]).tolist(), strict=True))
    ends = np.array(list(last.values()))
    gaps, chances = np.abs(ages[known]), np.abs(male_probs[np.isfinite(male_probs)])
    return Comparison(
        present=_share(len(ids_b), sum(map(len, full))),
        added=1 - _share(len(ids_a), sum(map(len, spared))),
        age_mean=_mean(gaps),
        age_p95=_p95(gaps),
        age_end_mean=_mean(ends),
        age_end_max=float(ends.max()) if len(ends) else float("nan"),
        male_mean=_mean(chances),
        male_p95=_p95(chances),
        other_gender=_mean(other[np.isfinite(male_probs)]),
        ids=(_people(spared), _people(full)),
        id_switches=(_changes(ids_b, ids_a), _changes(ids_a, ids_b)),
        gender_flips=(_flips(spared), _flips(full)),
    )


def _paired(a: Faces, b: Faces) -> tuple[Faces, Faces]:
    rows, columns = associate(a.boxes, b.boxes, SAME)
    return a[rows], b[columns]


def _people(frames: list[Faces]) -> int:
    return len({person for faces in frames for person in faces.ids.tolist() if person > 0})


def _changes(people: np.ndarray, values: np.ndarray) -> int:
    """How often a person's value differs from the one before; of unknown people (-1) and values
    below zero nothing is counted."""
    last: dict[int, int] = {}
    changes = 0
    for person, value in zip(people.tolist(), values.tolist(), strict=True):
        if person < 0 or value < 0:
            continue
        changes += last.get(person, value) != value
        last[person] = value
    return changes


def _flips(frames: list[Faces]) -> int:
    ids = np.concatenate([faces.ids for faces in frames])
    male_probs = np.concatenate([faces.male_probs for faces in frames])
    return _changes(ids, np.where(np.isnan(male_probs), -1, male_probs >= 0.5))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95)) if len(values) else float("nan")

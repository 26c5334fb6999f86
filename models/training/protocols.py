"""Cross-validation protocols of the literature: the train, val and test faces of each fold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models.datasets.chips import Chips
from models.errors import ModelError

VAL_SHARE = 0.1  # of the faces that are not tested
Parts = list[tuple[str, np.ndarray]]  # names of folds, and their test rows


@dataclass(frozen=True, eq=False)
class Fold:
    """Three disjoint sets of rows of chips."""

    name: str
    train: np.ndarray  # (A,) int
    val: np.ndarray  # (B,) int, of people who are not in train, as far as people are known
    test: np.ndarray  # (C,) int


def folds(protocol: str, chips: Chips, rows: np.ndarray, k: int, seed: int) -> Iterator[Fold]:
    """The folds of a protocol (key of PROTOCOLS) over these rows; `k` is for "kfold" alone.

    Each fold tests a part of the rows. A tenth of the other rows, with all pictures of a person, is
    the val part: the best epoch is chosen without any test face. Raises ModelError if the protocol
    needs labels that are missing.
    """
    for name, test in PROTOCOLS[protocol](chips, rows, k, seed):
        rest = rows[~np.isin(rows, test)]
        val = draw_val(chips, rest, seed)
        train = rest[~np.isin(rest, val)]
        if not (len(train) and len(val)):
            raise ModelError(f"fold {name} has too few faces or people to train on: give more")
        yield Fold(name, train, val, test)


def adience_5fold(chips: Chips, rows: np.ndarray, k: int, seed: int) -> Parts:
    """The data set's own folds, which share no person."""
    numbers = chips.folds[rows]
    found = np.unique(numbers[numbers >= 0])
    if len(found) < 2 or (numbers < 0).any():
        raise ModelError("adience-5fold: labels.csv needs a fold (0, 1, …) for every face")
    people = chips.subjects[rows]
    pairs = np.unique(np.stack([people, numbers.astype(str)])[:, people != ""], axis=1)
    named, times = np.unique(pairs[0], return_counts=True)
    if (times > 1).any():
        raise ModelError(f"adience-5fold: {named[times > 1][0]} is in more than one fold")
    return [(str(number), rows[numbers == number]) for number in found]


def kfold(chips: Chips, rows: np.ndarray, k: int, seed: int) -> Parts:
    """Split the shuffled pictures into k equal parts, regardless of people, as Agendernet's authors
    do."""
    if not 2 <= k <= len(rows):
        raise ModelError(f"kfold: --k {k} is not from 2 to the number of faces, {len(rows)}")
    parts = np.array_split(np.random.default_rng(seed).permutation(rows), k)
    return [(str(number), np.sort(part)) for number, part in enumerate(parts)]


def lopo(chips: Chips, rows: np.ndarray, k: int, seed: int) -> Parts:
    """Leave one person out at a time, as usual for FG-NET."""
    people = chips.subjects[rows]
    if (people == "").any() or len(np.unique(people)) < 3:
        raise ModelError("lopo: labels.csv needs a subject for every face, at least three people")
    return [(str(person), rows[people == person]) for person in np.unique(people)]


PROTOCOLS: dict[str, Callable[[Chips, np.ndarray, int, int], Parts]] = {
    "adience-5fold": adience_5fold,
    "kfold": kfold,
    "lopo": lopo,
}


def draw_val(chips: Chips, rows: np.ndarray, seed: int) -> np.ndarray:
    """Rows of random people, with all their pictures, until they are VAL_SHARE of these rows. A
    picture without a subject counts as a person of its own."""
    people = [
        subject or f"row {row}" for row, subject in zip(rows, chips.subjects[rows], strict=True)
    ]
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(counts))
    enough = np.searchsorted(np.cumsum(counts[order]), VAL_SHARE * len(rows)) + 1
    return np.asarray(rows[np.isin(person, order[:enough])])

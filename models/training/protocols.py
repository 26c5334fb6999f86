"""Cross-validations of the literature: which faces are trained on, watched and tested, by fold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models.datasets.chips import Chips
from models.errors import ModelError

WATCHED = 0.1  # of the faces of the training folds


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of chips; the three parts have none in common."""

    name: str
    train: np.ndarray  # (A,) int
    val: np.ndarray  # (B,) int, of people whom the training does not see, where they are known
    test: np.ndarray  # (C,) int


def folds(protocol: str, chips: Chips, rows: np.ndarray, k: int, seed: int) -> Iterator[Fold]:
    """The folds of a protocol over these rows. Raises ModelError where the labels lack something.

    Each leaves a part of the rows out for the test. Of the rest a tenth, whole people, is watched:
    what chooses the best epoch never sees the test.
    """
    for name, tested in PROTOCOLS[protocol](chips, rows, k, seed):
        rest = rows[~np.isin(rows, tested)]
        val = watched_tenth(chips, rest, seed)
        train = rest[~np.isin(rest, val)]
        if not (len(train) and len(val)):
            raise ModelError(f"fold {name} has too few faces or people for training: give more")
        yield Fold(name, train, val, tested)


def adience_5fold(
    chips: Chips, rows: np.ndarray, k: int, seed: int
) -> list[tuple[str, np.ndarray]]:
    """The data set's own folds, of different people."""
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


def kfold(chips: Chips, rows: np.ndarray, k: int, seed: int) -> list[tuple[str, np.ndarray]]:
    """k equal parts of the shuffled pictures, whoever is on them, as Agendernet's."""
    if not 2 <= k <= len(rows):
        raise ModelError(f"kfold: --k {k} is not from 2 to the number of faces, {len(rows)}")
    parts = np.array_split(np.random.default_rng(seed).permutation(rows), k)
    return [(str(number), np.sort(part)) for number, part in enumerate(parts)]


def lopo(chips: Chips, rows: np.ndarray, k: int, seed: int) -> list[tuple[str, np.ndarray]]:
    """One person left out at a time, as for FG-NET."""
    people = chips.subjects[rows]
    if (people == "").any() or len(np.unique(people)) < 3:
        raise ModelError("lopo: labels.csv needs a subject for every face, three people at least")
    return [(str(person), rows[people == person]) for person in np.unique(people)]


PROTOCOLS: dict[str, Callable[[Chips, np.ndarray, int, int], list[tuple[str, np.ndarray]]]] = {
    "adience-5fold": adience_5fold,
    "kfold": kfold,
    "lopo": lopo,
}


def watched_tenth(chips: Chips, rows: np.ndarray, seed: int) -> np.ndarray:
    """People drawn at random with all their pictures until they are a tenth of these rows; a
    picture of nobody known is a person by itself."""
    people = [
        subject or f"row {row}" for row, subject in zip(rows, chips.subjects[rows], strict=True)
    ]
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(counts))
    enough = np.searchsorted(np.cumsum(counts[order]), WATCHED * len(rows)) + 1
    return np.asarray(rows[np.isin(person, order[:enough])])

"""Which split a picture belongs to: its authors', or one that never changes, without overlaps."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SPLITS = ("train", "val", "test")
UP_TO = (0.8, 0.9, 1.0)  # of the hashes


def hashed_split(key: str) -> str:
    """80 % train, 10 % val, 10 % test, on every machine the same."""
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    return next(split for split, end in zip(SPLITS, UP_TO, strict=True) if share < end)


def holders(splits: Sequence[str], digests: Sequence[str]) -> list[set[str]]:
    """The splits that hold each picture, byte for byte. Columns of equal length."""
    found: dict[str, set[str]] = defaultdict(set)
    for split, digest in zip(splits, digests, strict=True):
        found[digest].add(split)
    return [found[digest] for digest in digests]


def in_later_split(splits: Sequence[str], digests: Sequence[str]) -> list[bool]:
    """Whether a later split (train, val, test) holds each picture too, byte for byte."""
    return [
        split in SPLITS and not held.isdisjoint(SPLITS[SPLITS.index(split) + 1 :])
        for split, held in zip(splits, holders(splits, digests), strict=True)
    ]


def assign_splits(
    official: Sequence[str], subjects: Sequence[str], digests: Sequence[str]
) -> list[str]:
    """The split of every picture, "" for one to drop. Columns of equal length, "" if not known.

    Where the authors made a split it stands; a picture that is byte for byte in a later one too
    (train, val, test) is to drop, and where they made no val it is the tenth of train with its
    hashes. Else all pictures of a subject share one, and all with the same digest, and so do the
    subjects that have a picture in common.
    """
    if any(official):
        return _official_splits(official, digests)
    people = [s or d for s, d in zip(subjects, digests, strict=True)]
    nodes, at = np.unique([*people, *digests], return_inverse=True)
    ends = at.reshape(2, -1)
    links = coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(len(nodes), len(nodes)))
    groups = connected_components(links, directed=False)[1][ends[0]].tolist()
    names: dict[int, str] = {}
    for group, name in zip(groups, people, strict=True):
        names[group] = min(name, names.get(group, name))
    return [hashed_split(names[group]) for group in groups]


def _official_splits(official: Sequence[str], digests: Sequence[str]) -> list[str]:
    """The authors' splits by the rule of `assign_splits`."""
    no_val = "val" not in official

    def assigned(split: str, digest: str, later: bool) -> str:
        if later:
            return ""
        to_val = no_val and split == "train" and hashed_split(digest) == "val"
        return "val" if to_val else split

    return list(map(assigned, official, digests, in_later_split(official, digests)))

"""Assign pictures to train, val and test: the authors' split, or a hash of the person. No picture
is in two splits."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SPLITS = ("train", "val", "test")
ENDS = (0.8, 0.9, 1.0)  # upper ends of the splits' shares of the hash range


def hashed_split(key: str) -> str:
    """The split of a name: 80 % train, 10 % val, 10 % test, the same on every machine."""
    share = (
        int.from_bytes(hashlib.sha256(key.encode(errors="surrogateescape")).digest()[:8]) / 2**64
    )
    return next(split for split, end in zip(SPLITS, ENDS, strict=True) if share < end)


def splits_with_picture(splits: Sequence[str], digests: Sequence[str]) -> list[set[str]]:
    """For each picture, the splits that contain a byte-identical picture, its own included.
    `splits` and `digests` are columns (N,)."""
    found: dict[str, set[str]] = defaultdict(set)
    for split, digest in zip(splits, digests, strict=True):
        found[digest].add(split)
    return [found[digest] for digest in digests]


def in_later_split(splits: Sequence[str], digests: Sequence[str]) -> list[bool]:
    """For each picture, whether a later split (of train, val, test) contains a byte-identical one.
    `splits` and `digests` are columns (N,)."""
    return [
        split in SPLITS and not others.isdisjoint(SPLITS[SPLITS.index(split) + 1 :])
        for split, others in zip(splits, splits_with_picture(splits, digests), strict=True)
    ]


def assign_splits(
    official: Sequence[str], subjects: Sequence[str], digests: Sequence[str]
) -> list[str]:
    """The split of each picture, "" for one to drop. "" in the columns (N,) means unknown.

    With a split by the authors: it is kept. A picture that a later split (of train, val, test) also
    contains is dropped. If the authors made no val, a tenth of train becomes val, by hash.
    Without: pictures of one subject share a split, so do byte-identical pictures, and so do
    subjects with a picture in common (connected components).
    """
    if any(official):
        return _official_splits(official, digests)
    people = [s or d for s, d in zip(subjects, digests, strict=True)]
    vertices, indices = np.unique([*people, *digests], return_inverse=True)
    edges = indices.reshape(2, -1)  # one edge a picture, from its subject to its digest
    shape = (len(vertices), len(vertices))
    graph = coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=shape)
    groups = connected_components(graph, directed=False)[1][edges[0]].tolist()
    names: dict[int, str] = {}
    for group, name in zip(groups, people, strict=True):
        names[group] = min(name, names.get(group, name))
    return [hashed_split(names[group]) for group in groups]


def _official_splits(official: Sequence[str], digests: Sequence[str]) -> list[str]:
    """The authors' splits, cleaned as `assign_splits` describes."""
    no_val = "val" not in official

    def assigned(split: str, digest: str, later: bool) -> str:
        if later:
            return ""
        to_val = no_val and split == "train" and hashed_split(digest) == "val"
        return "val" if to_val else split

    return list(map(assigned, official, digests, in_later_split(official, digests)))

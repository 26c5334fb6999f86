"""Mixup: faces between two people. From a strong teacher's predictions for them a small network
learns more than from its few labelled faces (function matching: Beyer et al., CVPR 2022)."""

from typing import Any

import cv2
import numpy as np

from models.datasets.chips import Chips, Images

MIN_SHARE, MAX_SHARE = 0.1, 0.5  # share of the second face in a mixed one


class MixedImages:
    """The images of a data set, followed by mixed pairs of them, which are made when indexed."""

    def __init__(self, images: Images, pairs: np.ndarray, shares: np.ndarray) -> None:
        """`images` (N, S, S, 3) uint8; `pairs` (M, 2) rows of them; `shares` (M,) of the second."""
        self._images, self._pairs, self._shares = images, pairs, shares

    def __len__(self) -> int:
        return len(self._images) + len(self._pairs)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The image of a row (S, S, 3), or those of several rows (M, S, S, 3)."""
        if np.ndim(rows):
            return np.stack([self[row] for row in rows])
        mixed = rows - len(self._images)
        if mixed < 0:
            return np.asarray(self._images[rows])
        (first, second), share = self._pairs[mixed], self._shares[mixed]
        return cv2.addWeighted(self._images[first], 1 - share, self._images[second], share, 0)


def with_mixup(chips: Chips, rows: np.ndarray, count: int, seed: int) -> tuple[Chips, np.ndarray]:
    """The chips followed by `count` mixed random pairs of `rows`, and `rows` followed by the rows
    of the mixed faces.

    The age label of a mixed face is the range between its two faces' labels; its gender is known if
    both agree; split and fold are those of the first face.
    """
    rng = np.random.default_rng(seed)
    pairs = rng.choice(rows, (count, 2))
    shares = rng.uniform(MIN_SHARE, MAX_SHARE, count)
    first, second = pairs.T
    male = np.where(chips.male[first] == chips.male[second], chips.male[first], np.nan)
    mixed = Chips(
        images=MixedImages(chips.images, pairs, shares),
        age_low=np.append(chips.age_low, np.minimum(chips.age_low[first], chips.age_low[second])),
        age_high=np.append(
            chips.age_high, np.maximum(chips.age_high[first], chips.age_high[second])
        ),
        male=np.append(chips.male, male.astype(np.float32)),
        splits=np.append(chips.splits, chips.splits[first]),
        subjects=np.append(chips.subjects, np.full(count, "")),
        folds=np.append(chips.folds, chips.folds[first]),
    )
    return mixed, np.append(rows, len(chips) + np.arange(count))

"""Faces between two people: a strong teacher's answers for them tell a small network more than its
few labelled faces do (Beyer et al., CVPR 2022: function matching with mixup)."""

from typing import Any

import cv2
import numpy as np

from models.datasets.chips import Chips, Images

LEAST, MOST = 0.1, 0.5  # share of the second face in a blend


class BlendedImages:
    """The images of a data set, then blends of two of them each, made when they are asked for."""

    def __init__(self, images: Images, pairs: np.ndarray, shares: np.ndarray) -> None:
        """`images` (N, S, S, 3) uint8; `pairs` (M, 2) rows of them; `shares` (M,) of the second."""
        self._images, self._pairs, self._shares = images, pairs, shares

    def __len__(self) -> int:
        return len(self._images) + len(self._pairs)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """One image by its number, or those of an array of numbers (M,)."""
        if np.ndim(rows):
            return np.stack([self[row] for row in rows])
        blend = rows - len(self._images)
        if blend < 0:
            return np.asarray(self._images[rows])
        (first, second), share = self._pairs[blend], self._shares[blend]
        return cv2.addWeighted(self._images[first], 1 - share, self._images[second], share, 0)


def with_blends(chips: Chips, rows: np.ndarray, count: int, seed: int) -> tuple[Chips, np.ndarray]:
    """The chips and `count` blends of random pairs of `rows` behind them, and the rows with those
    of the blends. A blend's age is known to lie between its faces', its gender where both agree."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice(rows, (count, 2))
    shares = rng.uniform(LEAST, MOST, count)
    first, second = pairs.T
    male = np.where(chips.male[first] == chips.male[second], chips.male[first], np.nan)
    blends = Chips(
        BlendedImages(chips.images, pairs, shares),
        np.append(chips.age_low, np.minimum(chips.age_low[first], chips.age_low[second])),
        np.append(chips.age_high, np.maximum(chips.age_high[first], chips.age_high[second])),
        np.append(chips.male, male.astype(np.float32)),
        np.append(chips.splits, chips.splits[first]),
        np.append(chips.subjects, np.full(count, "")),
        np.append(chips.folds, chips.folds[first]),
    )
    return blends, np.append(rows, len(chips) + np.arange(count))

"""Batches of augmented crops with what networks shall answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np
from tqdm import tqdm

from models.augment import NONE, Augmentation, random_crop
from models.dataset import OLDEST, Chips
from models.runtime import Estimator, choose_device
from models.spec import InputSpec, load_manifest

Taught = tuple[np.ndarray, np.ndarray]  # ages (N,) in years and probabilities of male (N,)


class Batches(keras.utils.PyDataset):
    """Augmented crops with their targets; every epoch another order and other changes, which are
    the same whenever the seed and the number of the epoch are."""

    def __init__(
        self,
        chips: Chips,
        rows: np.ndarray,
        spec: InputSpec,
        batch: int,
        amount: Augmentation,
        seed: int,
        *,
        targets: Mapping[str, np.ndarray],
        balance: float | None = None,
        workers: int = 1,
    ) -> None:
        """`rows` of `chips` as they are, or with a `balance` in another order every epoch, see
        `age_chances`; `targets` of all chips by output, see `targets`."""
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=16)
        self.chips, self.rows, self.spec, self.batch, self.amount = chips, rows, spec, batch, amount
        self.seed, self.targets, self.balance = seed, targets, balance
        self.chances = age_chances(chips, rows, balance) if balance else None
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the order of an epoch. For a callback of its own: Keras tells a data set that an
        epoch begins when its workers have already begun."""
        self.epoch, self.order = epoch, self.rows
        rng = np.random.default_rng((self.seed, epoch + 1))
        if self.chances is not None:
            self.order = rng.choice(self.rows, len(self.rows), p=self.chances)
        elif self.balance is not None:
            self.order = rng.permutation(self.rows)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng((self.seed, self.epoch + 2, index))
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        crops = np.stack(
            [random_crop(self.chips.images[r], self.spec, self.amount, rng) for r in rows]
        )
        if self.spec.channels == "rgb":
            crops = crops[..., ::-1]
        pixels = crops.astype(np.float32) * self.spec.scale + self.spec.offset
        return pixels, {output: columns[rows] for output, columns in self.targets.items()}


def targets(
    chips: Chips, nodes: Sequence[float], taught: Taught | None = None
) -> dict[str, np.ndarray]:
    """What the losses take for every output: age (N, 3), low, high and the teachers'; nodes (N, 3),
    the same for classes; male (N, 2), 1, 0 or -1 where unknown, and the teachers' probability."""
    ages, males = ((chips.age_low + chips.age_high) / 2, chips.male) if taught is None else taught
    found = {
        "age": np.stack([chips.age_low, chips.age_high, ages], axis=1),
        "male": np.nan_to_num(np.stack([chips.male, males], axis=1), nan=-1.0),
    }
    if nodes:
        low, high = node_ranges(chips.age_low, chips.age_high, np.array(nodes, np.float32))
        found["nodes"] = np.stack([low, high, ages], axis=1)
    return found


def node_ranges(low: np.ndarray, high: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Low (N,) and high (N,) of labels for classes of ages at `nodes` (C,), ascending: where some
    of them lie within the label, from the first to the last of these, so that a bracket which holds
    one is this class alone; -1 where the age is unknown."""
    first = np.searchsorted(nodes, low, "left")
    last = np.searchsorted(nodes, high, "right") - 1
    some = first <= last
    known = high - low < OLDEST
    ends = len(nodes) - 1
    least = np.where(some, nodes[np.minimum(first, ends)], low)
    most = np.where(some, nodes[np.maximum(last, 0)], high)
    return np.where(known, least, -1.0), np.where(known, most, -1.0)


def age_chances(chips: Chips, rows: np.ndarray, power: float) -> np.ndarray:
    """Chance (M,) of each of these rows to be drawn: a band of five years that has few faces comes
    up more often, by its count to the power of -`power`."""
    middle = (chips.age_low + chips.age_high)[rows] / 2
    band = (np.minimum(middle, 99) // 5).astype(int)
    weights = np.bincount(band, minlength=20)[band].astype(float) ** -power
    return np.asarray(weights / weights.sum())


def teach(teachers: Sequence[str], chips: Chips, rows: np.ndarray) -> Taught:
    """What the teachers say of these rows, on the mean over each face and its mirror image; what is
    in the middle of the label of the others."""
    rng = np.random.default_rng(0)
    sums = np.zeros((2, len(rows)), np.float32)
    for name in teachers:
        manifest = replace(load_manifest(name), mirror=True)
        estimator = Estimator(manifest, choose_device("auto"))
        for start in tqdm(range(0, len(rows), 64), f"asking {name}", unit="batch"):
            part = slice(start, start + 64)
            crops = np.stack(
                [random_crop(chips.images[r], estimator.input, NONE, rng) for r in rows[part]]
            )
            sums[:, part] += estimator(crops)
    ages, males = (chips.age_low + chips.age_high) / 2, chips.male.copy()
    ages[rows], males[rows] = sums / len(teachers)
    return ages, males

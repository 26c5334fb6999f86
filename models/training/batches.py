"""Batches of augmented crops with their training targets."""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np

from models.crops.align import central_crop
from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.datasets.chips import Chips
from models.datasets.labels import OLDEST
from models.training.augment import Augmentation, random_crop
from models.training.distill import SoftTargets

WORKERS, AHEAD = 2, 16  # threads that make batches, and batches made in advance
BAND = 5  # years, for `sampling_probs`
Batch = tuple[np.ndarray, dict[str, np.ndarray]]  # pixels (B, S, S, 3 or 9) float32, targets


@dataclass(frozen=True)
class Sampling:
    """How crops are drawn; by default the central crop of each face, in the given order."""

    seed: int = 0
    augmentation: Augmentation | None = None  # None: the central crop
    # None: the given order; a number: a new order in every epoch, above 0 by `sampling_probs`
    balance: float | None = None
    twice: bool = False  # two crops of each face, one after the other


class Batches(keras.utils.PyDataset):
    """Crops with their targets. A batch depends only on the seed, its epoch and its index, so that
    a resumed training sees the same batches."""

    def __init__(
        self,
        chips: Chips,
        rows: np.ndarray,
        spec: InputSpec,
        batch_size: int,
        targets: Mapping[str, np.ndarray],
        sampling: Sampling,
    ) -> None:
        """Crops `spec` of `rows` (M,) of the chips, `batch_size` per batch. `targets` are arrays
        (N, …) for all chips, by output, see `make_targets`."""
        super().__init__()
        self.chips, self.rows, self.spec, self.batch_size = chips, rows, spec, batch_size
        self.targets, self.sampling = targets, sampling
        self.faces_per_batch = batch_size // 2 if sampling.twice else batch_size
        balance = sampling.balance
        self.probs = sampling_probs(chips, rows, balance) if balance else None

    def order(self, epoch: int) -> np.ndarray:
        """The rows (M,) of an epoch, in order."""
        rng = np.random.default_rng((self.sampling.seed, epoch + 1))
        if self.probs is not None:
            return rng.choice(self.rows, len(self.rows), p=self.probs)
        return self.rows if self.sampling.balance is None else rng.permutation(self.rows)

    def make(self, order: np.ndarray, epoch: int, index: int) -> Batch:
        """The batch at `index` of an epoch with this order of rows."""
        rng = np.random.default_rng((self.sampling.seed, epoch + 2, index))
        start = index * self.faces_per_batch
        rows = order[start : start + self.faces_per_batch]
        if self.sampling.twice:
            rows = rows.repeat(2)
        crops = np.stack([self._crop(self.chips.images[row], rng) for row in rows])
        pixels = network_input(crops, self.spec)
        return pixels, {output: columns[rows] for output, columns in self.targets.items()}

    def _crop(self, chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.sampling.augmentation is None:
            return central_crop(chip, self.spec)
        return random_crop(chip, self.spec, self.sampling.augmentation, rng)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.faces_per_batch)

    def __getitem__(self, index: int) -> Batch:
        return self.make(self.rows, 0, index)

    def stream(self, epoch: int) -> Iterator[Batch]:
        """Endless batches from this epoch on, made in advance by WORKERS threads. Keras' own
        threads would give an epoch some batches in the order of the epoch before."""
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(WORKERS) as pool:
            for number in itertools.count(epoch):
                order = self.order(number)
                for index in range(len(self)):
                    ahead.append(pool.submit(self.make, order, number, index))
                    if len(ahead) > AHEAD:
                        yield ahead.popleft().result()


def make_targets(
    chips: Chips, age_bins: Sequence[float], soft_targets: SoftTargets | None = None
) -> dict[str, np.ndarray]:
    """The targets of `models.training.losses` for all chips, by output.

    "age" (N, 3): lowest and highest age of the label, and the teachers' age, in years. "male"
    (N, 2): label 1, 0 or -1 if unknown, and the teachers' probability. "nodes" (N, 3), if there are
    `age_bins` (C,) in years: as "age", narrowed by `label_in_bins`. Without teachers, the middle of
    the age label and the gender label replace theirs.
    """
    if soft_targets is None:
        soft_targets = (chips.age_low + chips.age_high) / 2, chips.male
    ages, male_probs = soft_targets
    targets = {
        "age": np.stack([chips.age_low, chips.age_high, ages], axis=1),
        "male": np.nan_to_num(np.stack([chips.male, male_probs], axis=1), nan=-1.0),
    }
    if age_bins:
        bins = np.array(age_bins, np.float32)
        low, high = label_in_bins(chips.age_low, chips.age_high, bins)
        targets["nodes"] = np.stack([low, high, ages], axis=1)
    return targets


def label_in_bins(
    low: np.ndarray, high: np.ndarray, age_bins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels from `low` (N,) to `high` (N,) years narrowed to the `age_bins` (C,), ascending, that
    they contain: from the first of these to the last.

    So a bracket with one bin is that bin alone. A label without a bin stays; an unknown age is -1.
    """
    first = np.searchsorted(age_bins, low, "left")
    last = np.searchsorted(age_bins, high, "right") - 1
    has_bins = first <= last
    known = high - low < OLDEST
    ends = len(age_bins) - 1
    lowest = np.where(has_bins, age_bins[np.minimum(first, ends)], low)
    highest = np.where(has_bins, age_bins[np.maximum(last, 0)], high)
    return np.where(known, lowest, -1.0), np.where(known, highest, -1.0)


def sampling_probs(chips: Chips, rows: np.ndarray, power: float) -> np.ndarray:
    """Probability (M,) to draw each of these rows (M,), summing to 1: proportional to the number of
    faces in its band of BAND years, to the power of -`power`. Unknown ages get the mean."""
    known = chips.age_known[rows]
    middle = (chips.age_low + chips.age_high)[rows] / 2
    band = (np.minimum(middle, 99) // BAND).astype(int)
    weights = np.bincount(band[known], minlength=20)[band].clip(1).astype(float) ** -power
    weights[~known] = weights[known].mean() if known.any() else 1.0
    return np.asarray(weights / weights.sum())

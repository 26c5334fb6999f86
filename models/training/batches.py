"""Batches of augmented crops with what networks shall answer."""

import hashlib
import itertools
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
from tqdm import tqdm

from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.datasets.chips import Chips, cache_folder
from models.datasets.labels import OLDEST
from models.errors import ModelError
from models.files import atomic_write
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest
from models.training.augment import NONE, Augmentation, random_crop

WORKERS, AHEAD = 2, 16  # threads, batches
ASKED = 64  # faces that a teacher is asked about together
Batch = tuple[np.ndarray, dict[str, np.ndarray]]  # pixels (B, S, S, 3 or 9) float32, targets
Taught = tuple[np.ndarray, np.ndarray]  # ages (N,) in years and probabilities of male (N,)


class Batches(keras.utils.PyDataset):
    """Augmented crops with their targets. What a batch holds depends on the seed and the numbers of
    its epoch and place alone."""

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
        twice: bool = False,
    ) -> None:
        """`rows` of `chips` as they are, or with a `balance` in another order every epoch, see
        `age_chances`; `targets` of all chips by output, see `targets`. With `twice` two crops of
        each face, one after the other."""
        super().__init__()
        self.chips, self.rows, self.spec, self.batch, self.amount = chips, rows, spec, batch, amount
        self.seed, self.targets, self.balance = seed, targets, balance
        self.shown = 2 if twice else 1  # times that a face is in a batch
        self.chances = age_chances(chips, rows, balance) if balance else None

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch."""
        rng = np.random.default_rng((self.seed, epoch + 1))
        if self.chances is not None:
            return rng.choice(self.rows, len(self.rows), p=self.chances)
        return self.rows if self.balance is None else rng.permutation(self.rows)

    def made(self, order: np.ndarray, epoch: int, index: int) -> Batch:
        """A batch of an epoch in this order."""
        rng = np.random.default_rng((self.seed, epoch + 2, index))
        faces = self.batch // self.shown
        rows = order[index * faces : (index + 1) * faces].repeat(self.shown)
        crops = np.stack(
            [random_crop(self.chips.images[r], self.spec, self.amount, rng) for r in rows]
        )
        pixels = network_input(crops, self.spec)
        return pixels, {output: columns[rows] for output, columns in self.targets.items()}

    def __len__(self) -> int:
        return -(-len(self.rows) // (self.batch // self.shown))

    def __getitem__(self, index: int) -> Batch:
        return self.made(self.rows, 0, index)

    def stream(self, epoch: int) -> Iterator[Batch]:
        """Batch after batch from this epoch on, without end, made ahead by WORKERS threads. Keras'
        own would take some at the start of an epoch from the order of the one before."""
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(WORKERS) as pool:
            for number in itertools.count(epoch):
                order = self.order(number)
                for index in range(len(self)):
                    ahead.append(pool.submit(self.made, order, number, index))
                    if len(ahead) > AHEAD:
                        yield ahead.popleft().result()


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
    up more often, by its count to the power of -`power`; one of unknown age as the mean."""
    known = chips.age_known[rows]
    middle = (chips.age_low + chips.age_high)[rows] / 2
    band = (np.minimum(middle, 99) // 5).astype(int)
    weights = np.bincount(band[known], minlength=20)[band].clip(1).astype(float) ** -power
    weights[~known] = weights[known].mean() if known.any() else 1.0
    return np.asarray(weights / weights.sum())


def teach(
    teachers: Sequence[str], chips: Chips, rows: np.ndarray, outputs: Container[str]
) -> Taught:
    """What the teachers say of these rows in the mean; what is in the middle of the label of the
    others. Raises ModelError where one does not tell what is to be learnt."""
    for name in teachers:
        manifest = load_manifest(name)
        told = manifest.outputs
        missing = [output for output in ("age", "male") if output in outputs and output not in told]
        if missing:
            raise ModelError(f"--teachers: {name} tells no {missing[0]}: choose one that does")
        if manifest.input.align == "box":
            raise ModelError(f"--teachers: {name} sees crops by the box, not chips: choose another")
    ages, males = (chips.age_low + chips.age_high) / 2, chips.male.copy()
    ages[rows], males[rows] = np.mean([_lesson(name, chips, rows) for name in teachers], axis=0)
    return ages, males


def _lesson(name: str, chips: Chips, rows: np.ndarray) -> np.ndarray:
    """A teacher's ages and probabilities of male (2, N) for these rows, each the mean over a face
    and its mirror image; kept beside the chips, since asking takes minutes."""
    manifest = replace(load_manifest(name), flip_tta=True, calibration={})
    estimator = Estimator(manifest, choose_device("auto"))
    about = (
        f"{manifest.input.cache_key} {sorted(entry['sha256'] for entry in manifest.files.values())}"
    )
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    parts = [slice(start, start + ASKED) for start in range(0, len(rows), ASKED)]
    for part in parts:
        digest.update(chips.images[rows[part]].tobytes())
    path = cache_folder() / f"{manifest.name}-{digest.hexdigest()}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    answers = np.zeros((2, len(rows)), np.float32)
    rng = np.random.default_rng(0)
    for part in tqdm(parts, f"asking {name}", unit="batch"):
        images = chips.images[rows[part]]
        crops = [random_crop(image, estimator.input, NONE, rng) for image in images]
        answers[:, part] = estimator.predict(np.stack(crops))
    with atomic_write(path) as unfinished:
        np.save(unfinished, answers)
    return answers

"""Faces and clips that the tests make themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from skimage import data

from tests.synthetic import TINY_NODES, Broadcast, tiny_network, write_clip

if TYPE_CHECKING:  # the live tests import no training framework
    from models.datasets.chips import Chips

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with real data, or a skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A photo (512, 512, 3) uint8 BGR with one face."""
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@pytest.fixture(scope="session")
def two_people(astronaut: np.ndarray) -> Callable[[int], np.ndarray]:
    """Frame k (270, 480, 3) of a scene in which two faces move apart, 3 pixels a frame."""
    portrait = cv2.resize(astronaut[0:256, 96:352], (150, 150), interpolation=cv2.INTER_AREA)
    mirrored = np.ascontiguousarray(portrait[:, ::-1])

    def frame(index: int) -> np.ndarray:
        image = np.full((270, 480, 3), 90, np.uint8)
        left, right = 80 - 3 * index, 250 + 3 * index
        image[60:210, left : left + 150] = portrait
        image[90:240, right : right + 150] = mirrored
        return image

    return frame


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, two_people: Callable) -> Path:
    """A video of 20 frames at 25 fps, 480x270, H.264 in Matroska."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    write_clip(path, [two_people(k) for k in range(20)])
    return path


@pytest.fixture
def broadcast() -> Iterator[Callable[[Callable[[int], bytes]], Broadcast]]:
    """Makes cameras on loopback that are gone after the test."""
    made: list[Broadcast] = []

    def make(picture: Callable[[int], bytes]) -> Broadcast:
        made.append(Broadcast(picture))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a network of a few neurons with all outputs, that drops some, in the zoo."""
    from models import zoo
    from models.crops.spec import InputSpec

    network = zoo.Network("tiny", {}, InputSpec(size=8), TINY_NODES)
    monkeypatch.setitem(zoo.ARCHITECTURES, "tiny", tiny_network)
    monkeypatch.setitem(zoo.NETWORKS, "tiny", network)
    return "tiny"


@pytest.fixture
def faces() -> "Chips":
    """40 chips of ten people whose brightness tells age and gender, in five folds of two people."""
    from models.datasets.chips import Chips

    rng = np.random.default_rng(0)
    person = np.arange(40) // 4
    ages = (10 * person).astype(np.float32)
    noise = rng.integers(0, 20, (40, 128, 128, 3))
    images = np.clip(2.2 * ages[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    splits = np.where(np.arange(40) % 4 == 0, "val", "train")
    subjects = np.array([f"p{p}" for p in person])
    return Chips(images, ages, ages, (person % 2).astype("f4"), splits, subjects, person // 2)

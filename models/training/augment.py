"""Make training crops look like a webcam's: every crop is another scale, place, tilt and light."""

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np

from models.crops.align import BORDERS, central_transform, context_crops
from models.crops.spec import CHIP, InputSpec


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; 0 switches one off."""

    flip: float = 0.5  # probability
    tilt: float = 12.0  # degrees, two standard deviations
    zoom: float = 0.12  # of the size
    shift: float = 0.05  # of the crop's side
    light: float = 0.25  # gain, gamma and bias
    colour: float = 0.12  # gain of single channels
    gray: float = 0.05  # probability
    blur: float = 0.25  # probability of a lower resolution
    noise: float = 0.25  # probability of sensor noise
    jpeg: float = 0.2  # probability of compression
    erase: float = 0.15  # probability of a hidden patch
    turn: float = 0.0  # degrees, uniform
    shear: float = 0.0  # radians
    brightness: float = 0.0  # of 255, added
    contrast: tuple[float, float] = (1.0, 1.0)  # least and greatest gain
    patch: tuple[float, float] = (0.15, 0.4)  # side of the hidden patch, of the crop's
    chance: float = 1.0  # of each of tilt, turn, zoom, shear and shift

    def scaled(self, strength: float) -> "Augmentation":
        """All ranges and probabilities times `strength`, but for the mirror, `chance` and the
        patch's size."""
        names = {field.name for field in fields(self)} - {"flip", "chance", "patch", "contrast"}
        changes = {name: strength * getattr(self, name) for name in names}
        low, high = self.contrast
        contrast = (1 + strength * (low - 1), 1 + strength * (high - 1))
        return replace(self, **changes, contrast=contrast)


WEBCAM = Augmentation()
NONE = Augmentation(*(0.0,) * 11)
AUGMENTATIONS = {
    "webcam": WEBCAM,
    "none": NONE,
    "ssrnet": replace(NONE, flip=0.5, turn=20.0, shear=0.2, shift=0.2, zoom=0.2, chance=0.25),
    "lmtcnn": replace(NONE, flip=0.5, shift=14.5 / 227),  # crops of 227 of 256 pixels
    "c3ae": replace(
        NONE,
        flip=0.5,
        turn=15.0,
        brightness=50.0,
        contrast=(0.5, 2.5),
        erase=0.25,
        patch=(0.06**0.5, 0.1**0.5),
    ),
}


def random_crop(
    chip: np.ndarray, spec: InputSpec, amount: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """One crop (size, size, depth) uint8 of an aligned chip (S, S, 3) uint8, changed at random;
    context crops are those of the changed chip."""
    if spec.align == "context":
        chip = random_crop(chip, replace(CHIP, size=len(chip)), amount, rng)
        return context_crops(chip, spec.size)
    size = spec.size
    matrix = _random_transform(size, amount, rng) @ np.vstack(
        [central_transform(len(chip), spec), [0, 0, 1]]
    )
    crop = cv2.warpAffine(
        chip, matrix[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=BORDERS[spec.border]
    )
    if rng.random() < amount.blur:
        small = int(size * rng.uniform(0.4, 0.9))
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)
    crop = _relit(crop, amount, rng)
    if rng.random() < amount.noise:
        noise = rng.integers(-128, 128, crop.shape, np.int16) * int(rng.integers(1, 12)) // 128
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < amount.jpeg:
        quality = int(rng.integers(25, 80))
        coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    if rng.random() < amount.erase:
        side = int(size * rng.uniform(*amount.patch))
        x, y = rng.integers(0, size - side, 2)
        crop[y : y + side, x : x + side] = rng.integers(0, 256, 3)
    return crop


def _random_transform(size: int, amount: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) affine map about the crop's centre, mirrored with the chance `flip`."""

    def perhaps(change: Any) -> Any:
        return change if amount.chance >= 1 or rng.random() < amount.chance else 0.0 * change

    angle = np.deg2rad(perhaps(np.clip(rng.normal(0, amount.tilt / 2 + 1e-9), -45, 45)))
    zoom = np.exp(perhaps(rng.uniform(-amount.zoom, amount.zoom)))
    if amount.turn:
        angle += np.deg2rad(perhaps(rng.uniform(-amount.turn, amount.turn)))
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    mirror = -1.0 if rng.random() < amount.flip else 1.0
    centre = (size - 1) / 2
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    if amount.shear:
        shear = perhaps(rng.uniform(-amount.shear, amount.shear))
        linear @= [[1, -np.sin(shear)], [0, np.cos(shear)]]
    shift = perhaps(rng.uniform(-1, 1, 2)) * amount.shift * size
    offset = centre - linear @ [centre, centre] + shift
    return np.vstack([np.column_stack([linear, offset]), [0, 0, 1]])


def _relit(crop: np.ndarray, amount: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Random exposure, contrast, gamma and white balance by one look-up table a channel."""
    if rng.random() < amount.gray:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if amount.brightness or amount.contrast != (1.0, 1.0):
        gain, bias = (
            rng.uniform(*amount.contrast),
            rng.uniform(-amount.brightness, amount.brightness),
        )
        crop = np.clip(crop * gain + bias, 0, 255).astype(np.uint8)
    if amount.light == 0 and amount.colour == 0:
        return crop
    gamma, gain = np.exp(rng.uniform(-amount.light, amount.light, 2))
    bias = rng.uniform(-amount.light, amount.light) * 0.4
    channels = np.exp(rng.uniform(-amount.colour, amount.colour, 3))
    ramp = np.linspace(0, 1, 256)[:, None] ** gamma
    table = ((ramp - 0.5) * gain + 0.5 + bias) * channels
    table = np.clip(table * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(crop, table.reshape(256, 1, 3))

"""Augmentation of training crops: random geometry, light and defects, as a webcam has them."""

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np

from models.crops.align import BORDERS, central_transform, context_crops
from models.crops.spec import CHIP, InputSpec


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; the defaults change nothing."""

    flip: float = 0.0  # probability of the mirror image
    tilt: float = 0.0  # degrees, two standard deviations
    zoom: float = 0.0  # logarithm of the scale, uniform within ±zoom
    shift: float = 0.0  # sides of the crop, uniform within ±shift
    light: float = 0.0  # gain, gamma and bias
    colour: float = 0.0  # gain of single channels
    gray: float = 0.0  # probability of a gray crop
    blur: float = 0.0  # probability of a lower resolution
    noise: float = 0.0  # probability of sensor noise
    jpeg: float = 0.0  # probability of JPEG compression
    erase: float = 0.0  # probability of an erased patch (random erasing)
    turn: float = 0.0  # degrees, uniform within ±turn
    shear: float = 0.0  # radians, uniform within ±shear
    brightness: float = 0.0  # added to pixels of 0 to 255, uniform within ±brightness
    contrast: tuple[float, float] = (1.0, 1.0)  # lowest and highest gain
    patch: tuple[float, float] = (0.15, 0.4)  # smallest and largest erased patch, sides of the crop
    chance: float = 1.0  # probability of each of tilt, turn, zoom, shear and shift

    def scaled(self, magnitude: float) -> "Augmentation":
        """All ranges and probabilities times `magnitude`, except flip, chance and patch."""
        names = {field.name for field in fields(self)} - {"flip", "chance", "patch", "contrast"}
        changes = {name: magnitude * getattr(self, name) for name in names}
        low, high = self.contrast
        contrast = (1 + magnitude * (low - 1), 1 + magnitude * (high - 1))
        return replace(self, **changes, contrast=contrast)


NONE = Augmentation()
WEBCAM = Augmentation(
    flip=0.5,
    tilt=12.0,
    zoom=0.12,
    shift=0.05,
    light=0.25,
    colour=0.12,
    gray=0.05,
    blur=0.25,
    noise=0.25,
    jpeg=0.2,
    erase=0.15,
)
AUGMENTATIONS = {  # webcam: ours; the others follow the papers' authors
    "webcam": WEBCAM,
    "none": NONE,
    "ssrnet": Augmentation(flip=0.5, turn=20.0, shear=0.2, shift=0.2, zoom=0.2, chance=0.25),
    "lmtcnn": Augmentation(flip=0.5, shift=14.5 / 227),  # random 227-pixel crops of 256 pixels
    "c3ae": Augmentation(
        flip=0.5,
        turn=15.0,
        brightness=50.0,
        contrast=(0.5, 2.5),
        erase=0.25,
        patch=(0.06**0.5, 0.1**0.5),  # 6 to 10 % of the area
    ),
}


def random_crop(
    chip: np.ndarray, spec: InputSpec, amount: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """An augmented crop (size, size, depth) uint8 of a chip (S, S, 3) uint8 BGR. Context crops are
    taken from the augmented chip."""
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
    return _damaged(crop, amount, rng)


def _damaged(crop: np.ndarray, amount: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A crop (S, S, 3) uint8 with random blur, light, noise, compression and an erased patch."""
    size = len(crop)
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
    """Random affine transform (3, 3) about the centre of a crop of `size` pixels."""

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
    """Random exposure, contrast, gamma and white balance, as one look-up table per channel."""
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

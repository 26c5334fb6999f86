"""Crops: the standard chip from five points, the authors' box, and how both meet training."""

from typing import Literal

import cv2
import numpy as np
import pytest

from models.crops.align import (
    BORDERS,
    MEAN_POINTS,
    central_transform,
    chip_transforms,
    crop_faces,
    warp,
)
from models.crops.spec import CHIP, InputSpec

# MEAN_POINTS times 100, less half a pixel: where the points lie in a chip of 100 without margin
POINTS_IN_100 = [
    [21.9152, 20.6947],
    [75.1101, 20.6947],
    [48.5127, 62.3106],
    [24.9149, 77.5233],
    [72.1104, 77.5233],
]


def turned_face(degrees: float, side: float, shift: tuple[float, float]) -> np.ndarray:
    """Points (1, 5, 2) of a face of this side, turned and shifted."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points: np.ndarray = MEAN_POINTS * side @ turn.T + shift
    return points[None]


def noise_image(height: int, width: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)


def test_points_of_a_turned_face_map_onto_their_places_in_the_chip() -> None:
    points = turned_face(25, 83, (140, -12))
    matrix = chip_transforms(points, InputSpec(size=100, margin=0, crop_fraction=1))[0]
    mapped = points[0] @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(mapped, POINTS_IN_100, atol=1e-3)


def test_a_margin_moves_the_points_towards_the_middle_of_the_chip() -> None:
    points = turned_face(0, 50, (7, 9))
    matrix = chip_transforms(points, InputSpec(size=90, margin=0.4))[0]
    left_eye = matrix[:, :2] @ points[0, 0] + matrix[:, 2]
    # (0.224152 + 0.4) / 1.8 · 90 - 0.5, (0.211947 + 0.4) / 1.8 · 90 - 0.5
    np.testing.assert_allclose(left_eye, [30.7076, 30.09735], atol=1e-4)


def test_the_transform_is_the_best_similarity_for_uneven_points() -> None:
    points = turned_face(-8, 60, (30, 40)) + np.random.default_rng(1).normal(0, 2, (1, 5, 2))
    spec = InputSpec(size=100, margin=0)
    a, b, tx, ty = np.linalg.lstsq(
        np.concatenate([[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in points[0]]),
        np.ravel(POINTS_IN_100),
        rcond=None,
    )[0]
    expected = [[a, -b, tx], [b, a, ty]]
    np.testing.assert_allclose(chip_transforms(points, spec)[0], expected, atol=1e-4)


@pytest.mark.parametrize("align", ["points", "box"])
def test_three_quarters_of_a_chip_with_margin_04_equal_margin_0175(
    align: Literal["points", "box"],
) -> None:
    image, points = noise_image(240, 320), turned_face(10, 70, (120, 80))
    boxes = np.array([[121.3, 78.8, 190.1, 160.4]], np.float32)
    part = crop_faces(image, boxes, points, InputSpec(align=align, margin=0.4, crop_fraction=0.75))
    whole = crop_faces(image, boxes, points, InputSpec(align=align, margin=0.175, crop_fraction=1))
    np.testing.assert_array_equal(part, whole)


def test_the_central_crop_of_a_chip_is_the_live_crop() -> None:
    points, spec = (
        turned_face(31, 58, (-20, 55)),
        InputSpec(size=64, margin=0.4, crop_fraction=0.75),
    )
    to_chip = np.vstack([chip_transforms(points, CHIP)[0], [0, 0, 1]])
    through_chip = central_transform(CHIP.size, spec) @ to_chip
    np.testing.assert_allclose(through_chip, chip_transforms(points, spec)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((50, 40, 90, 80), slice(24, 97), slice(34, 107)),  # 40 + 2 · 16, the last pixel included
        ((2, 3, 42, 43), slice(0, 60), slice(0, 59)),  # clipped at the left and the top
        ((170, 50, 195, 95), slice(32, 100), slice(160, 200)),  # at the right and the bottom
        ((10.7, 10.2, 20.9, 30.3), slice(2, 39), slice(6, 25)),  # cut to whole pixels
    ],
)
def test_a_box_crop_is_that_of_the_authors(box: tuple, rows: slice, columns: slice) -> None:
    image = noise_image(100, 200)
    crop = crop_faces(image, np.array([box]), np.zeros((1, 5, 2)), InputSpec(align="box"))[0]
    np.testing.assert_array_equal(crop, cv2.resize(image[rows, columns], (64, 64)))


def test_a_face_without_points_is_cropped_by_its_box() -> None:
    image, boxes = noise_image(100, 200), np.array([[50, 40, 90, 80]] * 2)
    points = np.stack([np.full((5, 2), np.nan), np.full((5, 2), 60.0)])
    by_box = crop_faces(image, boxes, points, InputSpec(align="box"))
    np.testing.assert_array_equal(crop_faces(image, boxes, points, InputSpec()), by_box)


def test_no_face_gives_no_crop() -> None:
    crops = crop_faces(noise_image(40, 40), np.zeros((0, 4)), np.zeros((0, 5, 2)), InputSpec())
    assert crops.shape == (0, 64, 64, 3)
    assert crops.dtype == np.uint8


@pytest.mark.parametrize("side", [30, 60, 130, 700])
def test_a_crop_follows_its_transform_at_every_size(side: float) -> None:
    columns = np.arange(1024) / 4  # the value of a pixel is its column / 4
    image = np.repeat(np.tile(columns.astype(np.uint8), (1024, 1))[..., None], 3, axis=2)
    points, spec = turned_face(15, side, (300, 200)), InputSpec(crop_fraction=0.75)
    matrix = chip_transforms(points, spec)[0]
    crop = crop_faces(image, np.zeros((1, 4)), points, spec)[0, ..., 0]
    v, u = np.mgrid[0:64, 0:64]
    x, y = np.linalg.inv(matrix[:, :2]) @ (np.stack([u.ravel(), v.ravel()]) - matrix[:, 2:])
    inside = (x > 8) & (x < 1015) & (y > 8) & (y < 1015)
    # columns are cut to integers, on average 0.375 / 4 … and cv2 rounds: under one and a half
    np.testing.assert_array_less(np.abs(crop.ravel()[inside] - x[inside] / 4), 1.5)


def test_a_large_face_is_averaged_not_sampled() -> None:
    image = np.zeros((900, 900, 3), np.uint8)
    image[:, ::3] = 255  # every third column: a mean of 85
    matrix = np.array([[0.33, 0, -60], [0, 0.33, -60]])
    crop = warp(image, matrix, 64, "replicate").astype(int)
    assert np.abs(crop - 85).max() <= 12


@pytest.mark.parametrize(("border", "value"), [("constant", 0), ("replicate", 90)])
def test_the_border_fills_a_crop_outside_the_image(
    border: Literal["constant", "replicate"], value: int
) -> None:
    image = np.full((50, 50, 3), 90, np.uint8)
    crop = crop_faces(
        image, np.zeros((1, 4)), turned_face(0, 50, (0, 0)), InputSpec(border=border)
    )[0]
    assert crop[0, 0].tolist() == [value] * 3
    assert crop[32, 32].tolist() == [90] * 3
    assert set(BORDERS) == {"constant", "replicate", "reflect"}

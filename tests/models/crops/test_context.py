"""C3AE's three crops: by hand, alike live and in training, and as pictures for people."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from demo.faces.quality import sharpness
from models.crops.align import MEAN_POINTS, context_crops, crop_faces
from models.crops.context import BOX, NOSE, context_squares, middle_crop
from models.crops.preprocess import network_input
from models.crops.spec import CHIP, InputSpec
from models.evaluation.run import whole_picture
from models.training.augment import NONE, WEBCAM, random_crop
from models.zoo import CONTEXT


@pytest.fixture(scope="module")
def chip() -> np.ndarray:
    """A chip (128, 128, 3) of smooth noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ("box", "nose", "squares"),
    [
        # 30 × 40: grown by 10; 25 from the nose to the top; half a width of 15
        ((10, 20, 40, 60), (26, 45), [(0, 10, 50, 70), (1, 20, 51, 70), (11, 30, 41, 60)]),
        # 40 × 30, the nose higher
        ((0, 0, 40, 30), (20, 12), [(-10, -10, 50, 40), (8, 0, 32, 24), (0, -8, 40, 32)]),
        # square: the outer one is the box
        ((5, 5, 25, 25), (15, 17), [(5, 5, 25, 25), (3, 5, 27, 29), (5, 7, 25, 27)]),
    ],
)
def test_the_squares_are_those_of_the_authors(box: tuple, nose: tuple, squares: list) -> None:
    found = context_squares(np.array(box, float), np.array(nose, float))
    assert found.tolist() == [list(square) for square in squares]


def test_each_crop_shows_its_square_of_the_chip() -> None:
    columns = np.arange(900, dtype=np.float32)  # 500 pixels a side of the face, 200 beyond it
    ramp = np.repeat(np.tile(columns, (900, 1))[..., None], 3, axis=2)
    crops = context_crops(ramp, 64)
    # the inner square reaches from NOSE by half of BOX's width, 1.1426 / 2, to either side
    left, width = (0.4904 - 0.5713 + 0.4) * 500, 1.1426 * 500
    expected = left + (np.arange(64) + 0.5) * width / 64 - 0.5
    np.testing.assert_allclose(crops[32, :, 6], expected, atol=0.3)  # cv2 cuts to 1/32 pixels
    assert (crops[..., 0:3] == crops[..., 1:2]).all()


def test_beyond_the_chip_lies_black() -> None:
    crops = context_crops(np.full((128, 128, 3), 90, np.uint8), 64)
    outer, middle, inner = crops[..., 0], crops[..., 3], crops[..., 6]
    assert (inner == 90).all()
    # the chip begins at row 9.371 of the outer crop: the middle of row 9 lies 0.326 pixels within
    # it, which are 0.163 of the chip shrunk to half: (0.163 + 0.5) · 90
    assert outer[:, 32].tolist()[8:11] == [0, 60, 90]
    assert middle[0, 32] > 0


def test_a_live_face_is_cropped_like_its_chip_in_training(chip: np.ndarray) -> None:
    image = np.full((300, 300, 3), 77, np.uint8)
    image[100:228, 60:188] = chip
    points = ((MEAN_POINTS + 0.4) / 1.8 * 128 - 0.5 + [60, 100])[None]
    live = crop_faces(image, np.zeros((1, 4)), points, CONTEXT)
    training = random_crop(chip, CONTEXT, NONE, np.random.default_rng(0))
    assert live.shape == (1, 64, 64, 9)
    np.testing.assert_allclose(live[0].astype(int), training, atol=3)
    np.testing.assert_array_equal(training, context_crops(chip, 64))


def test_one_random_change_holds_for_all_three_crops(chip: np.ndarray) -> None:
    changed = random_crop(chip, CONTEXT, WEBCAM, np.random.default_rng(3))
    same = random_crop(chip, CHIP, WEBCAM, np.random.default_rng(3))
    np.testing.assert_array_equal(changed, context_crops(same, 64))
    assert (changed != context_crops(chip, 64)).mean() > 0.5


def test_a_whole_picture_is_used_as_the_chip(chip: np.ndarray) -> None:
    np.testing.assert_array_equal(whole_picture(chip, CONTEXT), context_crops(chip, 64))
    assert whole_picture(chip, InputSpec(size=64)).shape == (64, 64, 3)


def test_channels_are_turned_within_each_crop() -> None:
    crops = np.arange(9, dtype=np.uint8).reshape(1, 1, 1, 9)
    spec = replace(CONTEXT, size=1, channels="rgb")
    pixels = network_input(crops, spec).ravel() * 128 + 127.5
    assert pixels.tolist() == [2, 1, 0, 5, 4, 3, 8, 7, 6]


def test_people_and_the_sharpness_measure_get_the_middle_crop(chip: np.ndarray) -> None:
    crops = context_crops(chip, 64)[None]
    assert middle_crop(crops).shape == (1, 64, 64, 3)
    np.testing.assert_array_equal(middle_crop(crops), crops[..., 3:6])
    np.testing.assert_array_equal(sharpness(crops), sharpness(crops[..., 3:6]))
    np.testing.assert_array_equal(middle_crop(crops[..., :3]), crops[..., :3])


def test_the_usual_nose_lies_in_the_usual_box() -> None:
    assert (BOX[:2] < NOSE).all()
    assert (BOX[2:] > NOSE).all()

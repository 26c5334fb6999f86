"""Views: where their pixels lie in the image, and the boxes that come back from them."""

import cv2
import numpy as np
import pytest

from models.detection.views import GRAY_PIXEL, View


def test_a_small_image_keeps_its_size_within_the_border() -> None:
    view = View.enhanced(np.full((100, 60, 3), 200, np.uint8), 480)
    assert view.image.shape == (100 + 2 * 18, 60 + 2 * 18, 3)  # 0.3 of 60 on each side
    assert view.matrix.tolist() == [[1, 0, 18], [0, 1, 18]]
    assert view.zoom == 1
    assert (view.image[:18] == GRAY_PIXEL).all()
    assert (view.image[18:-18, 18:-18] != GRAY_PIXEL).all()


def test_a_large_image_is_shrunk_to_the_side() -> None:
    view = View.enhanced(np.zeros((1920, 960, 3), np.uint8), 480)
    assert view.image.shape == (960 + 2 * 144, 480 + 2 * 144, 3)
    assert view.zoom == 0.5
    boxes, points = view.back(np.array([[144, 154, 244, 274]]), np.full((1, 5, 2), 244.0))
    assert boxes.tolist() == [[0, 20, 200, 260]]
    assert points.tolist() == [[[200, 200]] * 5]


def test_a_panorama_is_shrunk_by_its_longer_side() -> None:
    view = View.enhanced(np.zeros((500, 19_200, 3), np.uint8), 480)
    assert view.image.shape == (50 + 2 * 15, 1920 + 2 * 15, 3)
    assert view.turned(45).image.shape[0] < 1500


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (3, 3)])
def test_tiny_images_have_views_too(shape: tuple[int, int]) -> None:
    view = View.enhanced(np.zeros((*shape, 3), np.uint8), 480)
    assert min(view.turned(45).image.shape[:2]) >= 1


@pytest.mark.parametrize("degrees", [0, 30, 45, -60, 90, -90, 135, 180])
def test_a_spot_of_a_turned_view_comes_back_to_its_place(degrees: float) -> None:
    image = np.full((400, 700, 3), 60, np.uint8)
    image[96:104, 496:504] = 255  # about (500, 100)
    view = View.enhanced(image, 200).turned(degrees)
    spot = view.image[..., 0] > 180
    y, x = (np.average(np.nonzero(spot)[axis]) + 0.5 for axis in (0, 1))
    boxes, points = view.back(
        np.array([[x - 5, y - 10, x + 5, y + 10]]), np.full((1, 5, 2), (x, y))
    )
    assert points[0] == pytest.approx(np.tile([500, 100], (5, 1)), abs=2)
    assert (boxes[0, :2] + boxes[0, 2:]) / 2 == pytest.approx([500, 100], abs=2)


@pytest.mark.parametrize(
    ("degrees", "sides"), [(0, (20, 40)), (90, (40, 20)), (180, (20, 40)), (45, (30, 30))]
)
def test_the_box_of_a_turned_face_keeps_its_size(
    degrees: float, sides: tuple[float, float]
) -> None:
    view = View.enhanced(np.zeros((400, 400, 3), np.uint8), 200).turned(degrees)
    boxes, _ = view.back(np.array([[100, 90, 110, 110]]), np.zeros((1, 5, 2)))
    assert boxes[0, 2:] - boxes[0, :2] == pytest.approx(sides)


def test_a_turn_by_a_right_angle_moves_pixels_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    view = View.enhanced(image)
    turned = view.turned(90).image
    assert (turned == cv2.rotate(view.image, cv2.ROTATE_90_CLOCKWISE)).all()

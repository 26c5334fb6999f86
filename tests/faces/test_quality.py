import cv2
import numpy as np
import pytest

from demo.faces.quality import qualities, sharpness
from demo.frames import Faces

FRONTAL = np.array([[-12, -10], [12, -10], [0, 2], [-8, 12], [8, 12]], np.float32)


def quality(points: np.ndarray, score: float = 1.0) -> float:
    faces = Faces.detected(np.zeros((1, 4)), np.array([score]), points[None])
    return float(qualities(faces, 640, 480)[0])


def test_a_large_frontal_face_counts_fully():
    assert quality(FRONTAL + 200) == 1.0


def test_a_face_wholly_inside_counts_fully_wherever_it_is():
    places = np.random.default_rng(0).uniform(50, 400, (200, 2)).astype(np.float32)
    assert {quality(FRONTAL + place) for place in places} == {1.0}


def test_a_small_face_counts_by_its_eye_distance():
    assert quality(FRONTAL * (13 / 24) + 200) == pytest.approx(0.5, abs=1e-5)
    assert quality(FRONTAL * 0.2 + 200) == 0


def test_a_turned_face_counts_by_how_far_the_nose_left_the_middle():
    turned = FRONTAL.copy()
    turned[2, 0] = 0.65 * 24
    assert quality(turned + 200) == pytest.approx(0.5, abs=1e-5)


def test_a_tilted_face_counts_like_an_upright_one():
    tilt = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    assert quality(FRONTAL @ tilt.T + 200) == pytest.approx(1.0, abs=1e-5)


def test_a_face_half_outside_counts_half():
    points = FRONTAL + np.array([-FRONTAL[:, 0].mean(), 240], np.float32)
    assert quality(points) == pytest.approx(0.5, abs=1e-5)


def test_an_unsure_detection_counts_little():
    assert quality(FRONTAL + 200, score=0.825) == pytest.approx(0.5)
    assert quality(FRONTAL + 200, score=0.6) == 0


def test_a_blurred_crop_counts_little_whichever_way_it_moved(astronaut):
    crop = cv2.resize(astronaut[60:180, 165:285], (64, 64), interpolation=cv2.INTER_AREA)
    blurred = [cv2.GaussianBlur(crop, (0, 0), 3), cv2.blur(crop, (13, 1)), cv2.blur(crop, (1, 13))]
    sharp, *others = sharpness(np.stack([crop, *blurred]))
    assert sharp == 1.0
    assert max(others) < 0.6
    large = cv2.resize(astronaut[60:180, 165:285], (112, 112), interpolation=cv2.INTER_AREA)
    assert sharpness(large[None]) == 1.0
    assert sharpness(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0,)

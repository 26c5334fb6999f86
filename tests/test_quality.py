import numpy as np
import pytest

from demo.frames import Faces
from demo.quality import qualities

FRONTAL = np.array([[-12, -10], [12, -10], [0, 2], [-8, 12], [8, 12]], np.float32)


def quality(points: np.ndarray, score: float = 1.0) -> float:
    faces = Faces.detected(np.zeros((1, 4)), np.array([score]), points[None])
    return float(qualities(faces, 640, 480)[0])


def test_a_large_frontal_face_counts_fully():
    assert quality(FRONTAL + 200) == 1.0


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

"""What is kept of a picture: it shows the face's chip as the picture did."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.crops.align import chip_transforms
from models.crops.spec import CHIP
from models.datasets import face_region as preparation
from models.datasets.face_region import face_region, prepare_picture
from models.datasets.faces import largest_face
from models.detection.mtcnn import Mtcnn
from tests.synthetic import jpeg


@pytest.fixture(scope="module")
def detector() -> Mtcnn:
    return Mtcnn(video=False)


def decoded(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def scale(image: np.ndarray, detector: Mtcnn) -> float:
    """Pixels of the face's chip for one of the picture."""
    return float(np.hypot(*chip_transforms(largest_face(detector, image).points, CHIP)[0, :, 0]))


def test_a_large_face_is_shrunk_to_the_size_of_the_chip(
    astronaut: np.ndarray, detector: Mtcnn
) -> None:
    large = cv2.resize(astronaut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    reason, data = prepare_picture(jpeg(large), detector)
    assert reason == ""
    assert scale(large, detector) < 0.5
    assert scale(decoded(data), detector) == pytest.approx(1, abs=0.02)


def test_every_pixel_of_the_part_is_where_the_transform_says(
    astronaut: np.ndarray, detector: Mtcnn
) -> None:
    y, x = np.mgrid[:300, :240]
    places = np.dstack([x, y, x]).astype(np.uint8)  # of 300 rows only those under 256 are seen
    face = largest_face(detector, astronaut)
    eyes = np.array([[90, 100], [140, 100], [115, 125], [95, 150], [135, 150]], np.float32)
    box = np.array([[70, 60, 160, 175]], np.float32)
    part, matrix = face_region(places, replace(face, boxes=box, points=eyes[None]))
    v, u = np.mgrid[: part.shape[0], : part.shape[1]]
    at = (np.dstack([u, v]) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    assert matrix[0, 0] < 0.9
    inner = at[..., 1] < 250
    assert np.abs(part[..., :2] - at)[inner].max() < 1.1
    assert np.abs((part[..., :2] - at)[inner].mean(axis=0)).max() < 0.05


def test_the_part_holds_the_chip_with_half_a_side_to_spare(
    astronaut: np.ndarray, detector: Mtcnn
) -> None:
    wide = cv2.copyMakeBorder(astronaut, 400, 400, 400, 400, cv2.BORDER_REPLICATE)
    face = largest_face(detector, wide)
    part, matrix = face_region(wide, face)
    to_chip = chip_transforms(face.points, CHIP)[0]
    turn = np.arctan2(to_chip[1, 0], to_chip[0, 0])
    side = 2 * CHIP.size * (abs(np.cos(turn)) + abs(np.sin(turn)))  # of the turned square, upright
    assert part.shape[:2] == pytest.approx((side, side), abs=2)
    assert matrix[0, 0] == pytest.approx(np.hypot(*to_chip[:, 0]))


def test_a_small_picture_keeps_its_bytes(astronaut: np.ndarray, detector: Mtcnn) -> None:
    small = cv2.resize(astronaut[0:256, 96:352], (128, 128), interpolation=cv2.INTER_AREA)
    data = jpeg(small)
    assert prepare_picture(data, detector) == ("", data)


def test_rows_are_cut_away_before_the_face_is_looked_for(
    astronaut: np.ndarray, detector: Mtcnn
) -> None:
    small = cv2.resize(astronaut[0:256, 96:352], (128, 128), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 20, 20, 0, 0, cv2.BORDER_CONSTANT)
    reason, data = prepare_picture(jpeg(framed), detector, trim=20)
    assert (reason, decoded(data).shape) == ("", (128, 128, 3))
    assert prepare_picture(jpeg(framed[:40]), detector, trim=20)[0] == "cannot be decoded"


def test_what_cannot_be_used_is_told(
    astronaut: np.ndarray, two_people: Callable, detector: Mtcnn, tmp_path: Path
) -> None:
    both = jpeg(two_people(0))
    assert prepare_picture(b"no picture", detector) == ("cannot be decoded", b"")
    assert prepare_picture(b"", detector) == ("cannot be decoded", b"")
    assert prepare_picture(jpeg(astronaut[300:, :200]), detector) == ("no face found", b"")
    assert prepare_picture(both, detector, one_face=True) == ("more than one face found", b"")
    assert prepare_picture(both, detector)[0] == ""
    assert prepare_picture(jpeg(astronaut), detector, one_face=True)[0] == ""


def test_a_picture_whose_face_would_be_lost_stays_whole(
    astronaut: np.ndarray, detector: Mtcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_found_again", lambda *found: False)
    data = jpeg(astronaut)
    assert prepare_picture(data, detector) == ("", data)


def test_another_face_at_the_place_is_not_the_face_again(
    astronaut: np.ndarray, detector: Mtcnn
) -> None:
    face = largest_face(detector, astronaut)
    part, matrix = face_region(astronaut, face)
    elsewhere = matrix + np.array([[0, 0, 12], [0, 0, 0]])  # 12 pixels, of 40 between the eyes
    assert preparation._found_again(detector, part, face, matrix)
    assert not preparation._found_again(detector, part, face, elsewhere)
    assert not preparation._found_again(detector, part[:30, :30], face, matrix)

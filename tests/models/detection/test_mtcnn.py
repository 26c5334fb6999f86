"""The detector: its arithmetic by hand, and its faces against those of the mtcnn package."""

import cv2
import numpy as np
import pytest

from models.detection import mtcnn
from models.detection.boxes import nms, square
from models.detection.mtcnn import Detections, Mtcnn, patches
from models.detection.pyramid import scales
from trackers.boxes import iou

# mtcnn 1.0.0, MTCNN().detect_faces(astronaut, output_type="numpy", fit_to_image=False)
REFERENCE_BOX = [181.598, 63.726, 264.553, 171.079]
REFERENCE_POINTS = [
    [203.541, 100.103],
    [245.409, 102.238],
    [224.224, 126.420],
    [201.789, 138.587],
    [244.389, 140.377],
]
# the same at 825 × 1100 (min_face_size=24); with 30 and 40 the package loses the frame
REFERENCE_BOX_825 = [283, 138, 437, 357]


@pytest.fixture(scope="module")
def detector() -> Mtcnn:
    return Mtcnn(20)


def test_the_pyramid_ends_while_a_cell_still_fits() -> None:
    levels = scales(100, 140, 24)
    np.testing.assert_allclose(levels, [0.5, 0.3545, 0.25134, 0.178200, 0.126344], rtol=1e-5)
    assert int(100 * levels[-1]) == 12


@pytest.mark.parametrize("min_face", [12, 20, 24, 30, 40, 100])
@pytest.mark.parametrize("shape", [(825, 1100), (1100, 825), (480, 640), (1080, 1920), (24, 24)])
def test_every_pyramid_level_holds_a_cell(shape: tuple[int, int], min_face: float) -> None:
    assert all(int(min(shape) * s) >= 12 for s in scales(*shape, min_face))


def test_a_picture_smaller_than_the_smallest_face_has_no_level() -> None:
    assert scales(10, 10, 20) == []
    assert scales(19, 400, 20) == []


def test_square_grows_the_shorter_side_about_the_centre() -> None:
    boxes = np.array([[0, 0, 10, 20], [5, 5, 35, 15], [1, 2, 3, 4]], float)
    expected = [[-5, 0, 15, 20], [5, -5, 35, 25], [1, 2, 3, 4]]
    assert square(boxes).tolist() == expected


def test_nms_keeps_the_best_of_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], float)
    scores = np.array([0.8, 0.9, 0.7])
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]  # 81 / 119 = 0.68
    assert nms(boxes, scores, 0.7).tolist() == [1, 0, 2]


def test_nms_suppresses_a_box_that_any_better_box_overlaps_kept_or_not() -> None:
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], float)
    scores = np.array([0.9, 0.8, 0.7])  # neighbours share 60 / 140, the outer two 20 / 180
    assert nms(boxes, scores, 0.4).tolist() == [0]
    assert nms(boxes, scores, 0.5).tolist() == [0, 1, 2]


def test_nms_over_the_smaller_box_removes_a_box_inside_another() -> None:
    boxes, scores = np.array([[0, 0, 10, 10], [2, 2, 6, 6]], float), np.array([0.6, 0.5])
    assert nms(boxes, scores, 0.7).tolist() == [0, 1]  # 16 / 100
    assert nms(boxes, scores, 0.7, over_smaller=True).tolist() == [0]  # 16 / 16
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.7).tolist() == []


def test_patches_sample_the_box_from_corner_to_corner() -> None:
    image = np.repeat(np.tile(np.arange(101, dtype=np.uint8), (101, 1))[..., None], 3, axis=2)
    patch = patches(image, np.array([[10.0, 20, 56, 66]]), 24)[0]
    expected = np.linspace(10, 56, 24) * 100 / 101  # tf.image.crop_and_resize's pixel grid
    np.testing.assert_allclose(patch[:, :, 0], np.tile(expected, (24, 1)), atol=0.55)


def test_patches_are_gray_outside_the_picture() -> None:
    patch = patches(np.zeros((40, 40, 3), np.uint8), np.array([[-60.0, -60, -20, -20]]), 48)
    assert np.abs(patch.astype(float) - 127.5).max() <= 0.5


def test_patches_of_a_part_of_the_picture_are_those_of_the_picture(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    corners = np.random.default_rng(0).uniform(-200, 700, (50, 2))
    boxes = np.vstack([np.hstack([corners, corners + 90.5]), [[511.2, -5, 540, 0.5]]])
    whole = patches(astronaut, boxes, 24)
    monkeypatch.setattr(mtcnn, "REMAP_SIDE", 100)
    assert (patches(astronaut, boxes, 24) == whole).all()


@pytest.mark.parametrize("start", [(0, 33_000), (33_000, 0)], ids=["wide", "high"])
def test_a_face_at_the_end_of_a_panorama_is_measured(
    detector: Mtcnn, astronaut: np.ndarray, start: tuple[int, int]
) -> None:
    panorama = np.pad(astronaut, [(start[0], 0), (start[1], 0), (0, 0)])
    offset = np.array(start[::-1])
    refined = detector.refine(panorama, np.array([[180.0, 66, 270, 156]]) + np.tile(offset, 2))
    assert refined.scores[0] > 0.99
    np.testing.assert_allclose(refined.points[0] - offset, REFERENCE_POINTS, atol=5)


def test_the_astronaut_is_found_where_the_mtcnn_package_finds_her(
    detector: Mtcnn, astronaut: np.ndarray
) -> None:
    found = detector.detect(astronaut)
    found = found[found.scores > 0.95]
    assert len(found) == 1
    assert found.scores[0] > 0.99
    assert iou(found.boxes, np.array([REFERENCE_BOX]))[0, 0] > 0.9
    np.testing.assert_allclose(found.points[0], REFERENCE_POINTS, atol=2)


@pytest.mark.parametrize("min_face", [24, 30, 40])
def test_frames_on_which_the_mtcnn_package_fails_keep_their_face(
    min_face: float, astronaut: np.ndarray
) -> None:
    found = Mtcnn(min_face).detect(cv2.resize(astronaut, (825, 1100)))
    assert len(found) == 1
    assert iou(found.boxes, np.array([REFERENCE_BOX_825]))[0, 0] > 0.8


def test_refine_returns_one_row_per_box_in_order(detector: Mtcnn, astronaut: np.ndarray) -> None:
    near = np.array([[300, 300, 380, 380], [180, 66, 270, 156]], float)
    refined = detector.refine(astronaut, near)
    assert refined.scores[0] < 0.5 < 0.99 < refined.scores[1]
    np.testing.assert_allclose(refined.points[1], REFERENCE_POINTS, atol=5)
    assert len(detector.refine(astronaut, np.zeros((0, 4)))) == 0


def test_a_picture_in_which_no_face_is_found_is_searched_once_more(astronaut: np.ndarray) -> None:
    ramp = (255 * (np.arange(256) / 255) ** 0.3).astype(np.uint8)
    pale = cv2.LUT(astronaut[80:160, 190:260], ramp)
    assert len(Mtcnn(20.0, video=True).detect(pale)) == 0
    found = Mtcnn(20.0, video=False).detect(pale)
    assert found.scores[0] > 0.99
    np.testing.assert_allclose(found.points[0], np.array(REFERENCE_POINTS) - [190, 80], atol=5)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [70, 80, 70, 80]).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (30, 20, 3)])
def test_a_picture_without_a_face_has_none(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert len(Mtcnn(None, video=False).detect(noise)) == 0


def test_refine_once_moves_displaced_faces_back_and_keeps_what_it_rejects(
    detector: Mtcnn, astronaut: np.ndarray
) -> None:
    found = detector.detect(astronaut)[:1]
    off = np.array([[4, -3, 4, -3], [-4, 3, -4, 3]], np.float32)
    points = found.points + off[:, None, :2]
    moved = Detections(found.boxes + off, np.repeat(found.scores, 2), points)
    settled = detector.refine_once(astronaut, moved)
    before, after = (np.abs(np.diff(each.points, axis=0)).mean() for each in (moved, settled))
    assert before == 7
    assert after < 2
    assert settled.scores.tolist() == moved.scores.tolist()
    mosaic = Detections(np.array([[300, 300, 380, 380]], np.float32), found.scores, found.points)
    same = detector.refine_once(astronaut, mosaic)
    assert (same.boxes == mosaic.boxes).all()
    assert (same.points == mosaic.points).all()


@pytest.mark.parametrize("shape", [(480, 640), (10, 10), (1, 1), (12, 300), (300, 12), (21, 21)])
def test_a_blank_picture_of_any_size_has_no_face(detector: Mtcnn, shape: tuple[int, int]) -> None:
    found = detector.detect(np.full((*shape, 3), 128, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "columns", "side", "value"),
    [
        (slice(0, 300), slice(200, 400), 0, 0),
        (slice(80, 300), slice(100, 400), 1, 0),
        (slice(0, 300), slice(100, 245), 2, 145),
        (slice(0, 150), slice(100, 400), 3, 150),
    ],
    ids=["left", "top", "right", "bottom"],
)
def test_the_box_of_a_cut_face_ends_at_the_border(
    detector: Mtcnn, astronaut: np.ndarray, rows: slice, columns: slice, side: int, value: int
) -> None:
    found = detector.detect(np.ascontiguousarray(astronaut[rows, columns]))
    assert len(found) == 1
    assert found.boxes[0, side] == value

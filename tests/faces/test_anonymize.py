import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from demo.faces.anonymize import CELLS, COVER_SECONDS, MASK, STYLES, Anonymizer, cover, heads
from demo.faces.detectors import Detector
from demo.faces.photo import PhotoPipeline
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Analysis, Faces, Frame
from demo.sources.open import open_source
from models.crops.spec import InputSpec
from models.detection.mtcnn import Mtcnn
from tests.synthetic import Answering

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "assets" / "demo.mp4"


def analysis(frame: Frame, found: list | np.ndarray, candidates: list | np.ndarray) -> Analysis:
    """A searched frame with faces and candidates at these boxes."""
    boxes, others = (np.array(b, np.float32).reshape(-1, 4) for b in (found, candidates))
    faces = Faces.detected(boxes, np.ones(len(boxes)), np.zeros((len(boxes), 5, 2)))
    return Analysis(frame, faces, others)


def noise(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


class Nobody(Answering):
    """Tells neither age nor gender."""

    def __init__(self) -> None:
        self.input, self.calibration = InputSpec(), {}

    def predict(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(crops), np.nan), np.full(len(crops), np.nan)


def changed(before: np.ndarray, after: np.ndarray, box: list[int]) -> np.ndarray:
    x1, y1, x2, y2 = box
    return (before != after).any(axis=2)[y1:y2, x1:x2]


@pytest.mark.parametrize("style", STYLES)
def test_a_covered_face_keeps_no_pixel_and_its_surroundings_keep_all(style):
    image, box = noise(), [140, 100, 180, 150]
    covered = image.copy()
    cover(covered, np.array([box]), style)
    differs = (covered != image).any(axis=2)
    assert differs[100:150, 140:180].mean() > 0.99  # a colour may be the mean by chance
    far = np.ones(differs.shape, bool)
    far[40:200, 100:220] = False
    assert not differs[far].any()


def test_the_cover_holds_the_box_with_its_corners_the_hair_and_the_chin():
    box = np.array([100.0, 200.0, 180.0, 300.0])
    (centre,), (axes,) = heads(box[None])
    for x in box[[0, 2]]:
        for y in box[[1, 3]]:
            assert (((np.array([x, y]) - centre) / axes) ** 2).sum() <= 1
    assert centre[1] - axes[1] <= 200 - 0.6 * 100  # hair
    assert centre[1] + axes[1] >= 300 + 0.3 * 100  # chin


def test_a_face_cut_off_by_the_edge_is_taken_for_a_whole_one():
    (_, slim), (_, full) = heads(np.array([[0, 50, 10, 150]])), heads(np.array([[0, 50, 75, 150]]))
    np.testing.assert_allclose(slim, full)


def test_of_a_pixelated_face_few_colours_are_left_whatever_its_size():
    for side in (30, 300):
        region = noise(side, side)
        assert len(np.unique(STYLES["pixelate"](region).reshape(-1, 3), axis=0)) <= CELLS**2
        blurred = STYLES["blur"](region).astype(int)
        steps = np.abs(np.diff(blurred, axis=1)).max()
        assert steps <= 128 * CELLS / side + 1  # neighbours differ as little as cells allow
    assert (STYLES["mask"](noise()) == MASK).all()


def test_boxes_beyond_the_picture_are_no_mistake():
    image = noise(60, 80)
    cover(image, np.array([[-50, -50, -20, -20], [70, 50, 200, 180], [500, 500, 510, 510]]), "mask")
    assert (image[59, 79] == MASK).all()


def test_every_candidate_is_covered_and_a_lost_face_stays_covered_where_it_was():
    found, unsure, coasting = [40, 60, 80, 110], [200, 20, 230, 60], [150, 150, 190, 200]
    frames = [([found], [unsure]), ([], [coasting]), ([], [])]
    anonymizer, seen = Anonymizer("mask"), []
    for index, seconds in enumerate((0.0, COVER_SECONDS * 0.9, COVER_SECONDS * 1.1)):
        frame = Frame(noise(), index, seconds, "clip")
        image = anonymizer.cover(analysis(frame, *frames[index])).frame.image
        seen.append(
            [(image[(y1 + y2) // 2, (x1 + x2) // 2] == MASK).all()
             for x1, y1, x2, y2 in (found, unsure, coasting)]
        )  # fmt: skip
    assert seen == [[True, True, False], [True, False, True], [False, False, False]]


def test_the_frame_that_was_read_stays_as_it_is():
    frame = Frame(noise(), 0, 0.0, "clip")
    covered = Anonymizer("mask").cover(analysis(frame, [[140, 100, 180, 150]], [])).frame
    np.testing.assert_array_equal(frame.image, noise())
    assert (covered.image != frame.image).any()


@pytest.mark.parametrize("search", ["coarse", "known"])
def test_a_frame_that_was_not_searched_is_refused(search):
    unsearched = replace(analysis(Frame(noise(), 0, 0.0, "clip"), [], []), search=search)
    with pytest.raises(ValueError, match=r"set Settings\.anonymize of its pipeline"):
        Anonymizer("mask").cover(unsearched)


def test_a_face_of_one_photo_covers_nothing_of_the_next():
    photos = [Frame(noise(), k, 0.0, f"{k}.jpg") for k in range(2)]
    anonymizer = Anonymizer("mask")
    first = anonymizer.cover(analysis(photos[0], [[140, 100, 180, 150]], [])).frame
    second = anonymizer.cover(analysis(photos[1], [], [])).frame
    assert (first.image != noise()).any()
    np.testing.assert_array_equal(second.image, noise())


def test_a_lost_face_stays_covered_where_it_is_in_frames_of_another_size():
    anonymizer = Anonymizer("mask")
    anonymizer.cover(analysis(Frame(noise(), 0, 0.0, "camera"), [[140, 100, 180, 150]], []))
    larger = anonymizer.cover(analysis(Frame(noise(480, 640), 1, 0.1, "camera"), [], [])).frame
    assert changed(noise(480, 640), larger.image, [280, 200, 360, 300]).all()


def test_a_face_that_moves_leaves_no_trail():
    anonymizer = Anonymizer("mask")
    for k in range(40):
        box = [10 + 4 * k, 100, 50 + 4 * k, 150]
        frame = Frame(noise(240, 400), k, k / 100, "clip")
        image = anonymizer.cover(analysis(frame, [box], [])).frame.image
    assert not (image[125, :100] == MASK).all(axis=1).any()
    assert (image[125, 166:206] == MASK).all()


@pytest.mark.slow
def test_no_pixel_of_any_face_of_the_clip_is_left_uncovered():
    """Against the search that photos get, with the package's thresholds, in every eighth frame."""
    thorough = Mtcnn(None, False)
    pipeline = Pipeline(Mtcnn(), Nobody(), 25.0, Settings(1))
    anonymizers = {style: Anonymizer(style) for style in STYLES}
    checked = 0
    with open_source(str(CLIP)) as source:
        for frame in (f for f in source if f.index % 8 == 0):
            boxes = thorough.detect(frame.image)
            boxes = np.rint(boxes.boxes[boxes.scores > 0.9]).astype(int)
            analysed = pipeline.process(frame)
            for style, anonymizer in anonymizers.items():
                image = anonymizer.cover(analysed).frame.image
                for box in boxes:
                    x1, y1, x2, y2 = box
                    if style == "mask":
                        assert (image[y1:y2, x1:x2] == MASK).all()
                    same = (~changed(frame.image, image, box)).astype(np.uint8)
                    assert not cv2.erode(same, np.ones((3, 3)), borderValue=1).any()
                    checked += 1
    assert checked > 3 * 95


def test_photos_cover_what_is_too_unsure_to_be_reported(astronaut):
    class Unsure:
        def detect(self, image, coarse=False, known=None):
            found = Mtcnn(None, False).detect(image)
            return type(found)(found.boxes, found.scores * 0 + 0.85, found.points)

        def detect_in(self, view):
            return self.detect(view.image)[:0]

        def refine_once(self, image, found):
            return found

    image = astronaut.copy()
    covered = PhotoPipeline(cast("Detector", Unsure()), Nobody(), "mask").process(
        Frame(image, 0, 0.0, "photo")
    )
    assert len(covered.faces) == 0
    assert (covered.frame.image[120, 225] == MASK).all()


def test_the_engines_write_nothing_into_the_home_and_load_no_telemetry(tmp_path):
    code = (
        "import sys, stream; stream.main(['--no-display', '-s', 'assets/demo.mp4',"
        " '--max-frames', '2']); print(sys.modules.get('openvino_telemetry'))"
    )
    home = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=home
    )
    assert done.stdout == "None\n"
    assert not list(tmp_path.iterdir())

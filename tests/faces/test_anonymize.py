import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.faces.anonymize import CELLS, HOLD_SECONDS, MASK, STYLES, Anonymizer, cover, heads
from demo.faces.pipeline import PhotoPipeline, Pipeline, Settings
from demo.frames import Faces, Frame
from demo.sources.open import open_source
from demo.timing import Stopwatch
from models.crops.spec import InputSpec
from models.detection.mtcnn import Mtcnn
from tests.synthetic import Answering

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "assets" / "demo.mp4"


class Script:
    """Plays the pipeline: boxes that are faces, and boxes that may be, frame by frame."""

    def __init__(self, *frames: tuple[list, list]) -> None:
        self.play(frames)

    def play(self, frames) -> None:
        self._frames = iter(frames)

    def process(self, frame: Frame) -> Faces:
        found, possible = (np.array(b, np.float32).reshape(-1, 4) for b in next(self._frames))
        self.possible = possible
        return Faces.detected(found, np.ones(len(found)), np.zeros((len(found), 5, 2)))


def noise(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


class Nobody(Answering):
    """Tells neither age nor gender."""

    def __init__(self) -> None:
        self.calibration = {}

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


def test_every_possible_face_is_covered_and_a_lost_one_stays_covered_where_it_was():
    found, unsure, coasting = [40, 60, 80, 110], [200, 20, 230, 60], [150, 150, 190, 200]
    script = Script(([found], [unsure]), ([], [coasting]), ([], []))
    anonymizer = Anonymizer(script, "mask", Stopwatch())
    seen = []
    for index, seconds in enumerate((0.0, HOLD_SECONDS * 0.9, HOLD_SECONDS * 1.1)):
        image = noise()
        anonymizer.process(Frame(image, index, seconds, "clip"))
        seen.append(
            [(image[(y1 + y2) // 2, (x1 + x2) // 2] == MASK).all()
             for x1, y1, x2, y2 in (found, unsure, coasting)]
        )  # fmt: skip
    assert seen == [[True, True, False], [True, False, True], [False, False, False]]


def test_a_face_of_one_photo_covers_nothing_of_the_next():
    script = Script(([[140, 100, 180, 150]], []), ([], []))
    photos = [Frame(noise(), k, 0.0, f"{k}.jpg") for k in range(2)]
    anonymizer = Anonymizer(script, "mask", Stopwatch())
    for photo in photos:
        anonymizer.process(photo)
    assert (photos[0].image != noise()).any()
    np.testing.assert_array_equal(photos[1].image, noise())


def test_a_lost_face_stays_covered_where_it_is_in_frames_of_another_size():
    script = Script(([[140, 100, 180, 150]], []), ([], []))
    anonymizer = Anonymizer(script, "mask", Stopwatch())
    anonymizer.process(Frame(noise(), 0, 0.0, "camera"))
    larger = Frame(noise(480, 640), 1, 0.1, "camera")
    anonymizer.process(larger)
    assert changed(noise(480, 640), larger.image, [280, 200, 360, 300]).all()


def test_a_face_that_moves_leaves_no_trail():
    boxes = [[10 + 4 * k, 100, 50 + 4 * k, 150] for k in range(40)]
    anonymizer = Anonymizer(Script(*(([b], []) for b in boxes)), "mask", Stopwatch())
    for k in range(40):
        image = noise(240, 400)
        anonymizer.process(Frame(image, k, k / 100, "clip"))
    assert not (image[125, :100] == MASK).all(axis=1).any()
    assert (image[125, 166:206] == MASK).all()


def test_no_pixel_of_any_face_of_the_clip_is_left_uncovered():
    """Against the search that photos get, with the package's thresholds, in every eighth frame."""
    watch, thorough = Stopwatch(), Mtcnn(None, False)
    pipeline = Pipeline(Mtcnn(), Nobody(), InputSpec(), 25.0, Settings(1), watch)
    replay = Script()
    anonymizers = {style: Anonymizer(replay, style, watch) for style in STYLES}
    checked = 0
    with open_source(str(CLIP)) as source:
        for frame in (f for f in source if f.index % 8 == 0):
            before = frame.image.copy()
            boxes = thorough.detect(before)
            boxes = np.rint(boxes.boxes[boxes.scores > 0.9]).astype(int)
            faces = pipeline.process(frame)
            for style, anonymizer in anonymizers.items():
                image = before.copy()
                replay.play([(faces.boxes, pipeline.possible)])
                anonymizer.process(Frame(image, frame.index, frame.time, frame.source))
                for box in boxes:
                    x1, y1, x2, y2 = box
                    if style == "mask":
                        assert (image[y1:y2, x1:x2] == MASK).all()
                    same = (~changed(before, image, box)).astype(np.uint8)
                    assert not cv2.erode(same, np.ones((3, 3)), borderValue=1).any()
                    checked += 1
    assert checked > 3 * 95


def test_photos_cover_what_is_too_unsure_to_be_reported(astronaut):
    class Unsure:
        def detect(self, image, coarse=False):
            found = Mtcnn(None, False).detect(image)
            return type(found)(found.boxes, found.scores * 0 + 0.85, found.points)

        def refine_once(self, image, found):
            return found

    image = astronaut.copy()
    pipeline = PhotoPipeline(Unsure(), Nobody(), InputSpec(), Stopwatch())
    faces = Anonymizer(pipeline, "mask", Stopwatch()).process(Frame(image, 0, 0.0, "photo"))
    assert len(faces) == 0
    assert (image[120, 225] == MASK).all()


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

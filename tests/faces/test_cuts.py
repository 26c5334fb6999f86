from itertools import permutations

import cv2
import numpy as np
import pytest

from demo.faces.cuts import OTHER_FACE, SAME_FACE, Change, CutDetector, likeness
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Frame
from demo.sources.open import open_source
from models.detection.mtcnn import Mtcnn
from tests.faces.test_pipeline import ByBrightness


def scene(seed: int, height: int = 270, width: int = 480) -> np.ndarray:
    """A picture (H, W, 3) uint8 with structure at all scales."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 24, 48):
        noise = rng.normal(0, 60 / cells**0.5, (cells, cells * width // height, 3))
        picture += cv2.resize(noise.astype(np.float32), (width, height))
    return np.clip(picture + 120, 0, 255).astype(np.uint8)


def cuts(images: list[np.ndarray]) -> list[int]:
    """The frames that begin a new shot."""
    detector = CutDetector()
    return [k for k, image in enumerate(images) if detector.compare(image).cut]


def panned(step: int, count: int = 6) -> list[np.ndarray]:
    """A pan over a wide scene, blurred by the motion."""
    wide = cv2.blur(scene(3, 270, 480 + step * count), (max(step // 2, 1), 1))
    return [wide[:, k * step : k * step + 480] for k in range(count)]


def zoomed(factor: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((240, 135), 2.0, factor)
    return cv2.warpAffine(scene(1), matrix, (480, 270), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("seed", range(2, 12))
def test_another_picture_is_a_cut_and_the_frames_of_a_shot_are_none(seed):
    assert cuts([scene(1)] * 3 + [scene(seed)] * 3 + [scene(1)]) == [3, 6]


def test_the_frame_before_the_cut_is_returned():
    detector = CutDetector()
    first = scene(1)
    assert detector.compare(first) == Change(None)
    assert detector.compare(scene(2)) == Change(first, cut=True)
    assert detector.compare(np.zeros_like(first)) == Change(None, blank=True)


@pytest.mark.parametrize("step", [10, 50, 150])
def test_a_fast_pan_is_no_cut(step):
    assert cuts(panned(step)) == []


def test_zoom_and_roll_of_a_hand_held_camera_are_no_cut():
    assert cuts([scene(1), zoomed(1.05), zoomed(1.1)]) == []


@pytest.mark.parametrize(("gain", "offset"), [(1.6, 40), (2.5, 60), (6.0, 0), (1.0, 250), (0.2, 0)])
def test_a_flash_and_a_light_switched_off_are_no_cut(gain, offset):
    other = np.clip(scene(1) * gain + offset, 0, 255).astype(np.uint8)
    assert cuts([scene(1), other, other, scene(1)]) == []


@pytest.mark.parametrize("blended", [1, 2])
def test_a_cut_with_blended_frames_is_seen_at_them_or_right_after(blended):
    shares = np.linspace(0, 1, blended + 2)[1:-1]
    mixed = [cv2.addWeighted(scene(1), 1 - s, scene(2), s, 0) for s in shares]
    seen = cuts([scene(1)] * 4 + mixed + [scene(2)] * 4)
    assert seen
    assert set(seen) <= set(range(4, 5 + blended))


def test_a_dissolve_is_no_cut():
    shares = np.linspace(0, 1, 15)
    assert cuts([cv2.addWeighted(scene(1), 1 - s, scene(2), s, 0) for s in shares]) == []


def test_black_between_two_shots_is_one_cut_and_black_within_a_shot_is_none():
    black = np.zeros_like(scene(1))
    assert cuts([scene(1), black, black, scene(2)]) == [3]
    assert cuts([scene(1), black, black, scene(1)]) == []


@pytest.mark.parametrize("axis", [0, 1])
def test_a_cut_between_black_bars_is_seen(axis):
    framed = [scene(1), scene(2)]
    for image in framed:
        bar = image.shape[axis] // 8
        np.moveaxis(image, axis, 0)[:bar] = np.moveaxis(image, axis, 0)[-bar:] = 0
    assert cuts(framed) == [1]


def test_a_still_picture_without_structure_and_a_new_size_decide_nothing_wrong():
    gray = np.full((270, 480, 3), 90, np.uint8)
    assert cuts([gray, gray]) == []
    assert cuts([scene(1), cv2.resize(scene(1), (240, 136))]) == []
    assert cuts([scene(1), cv2.resize(scene(1), (320, 270))]) == []
    assert cuts([scene(1), np.zeros((1, 1, 3), np.uint8), scene(1)]) == []


def test_a_face_that_moved_a_little_is_still_there_and_another_one_is_not(astronaut):
    face = np.array([[170, 60, 280, 190]], np.float64)  # around the head
    moved = np.roll(astronaut, (8, -10), (0, 1))
    assert likeness(astronaut, moved, face, 1.0)[0] >= SAME_FACE
    for other in (astronaut[:, ::-1], scene(1, 512, 512), astronaut[:256]):
        assert likeness(astronaut, other, face, 1.0)[0] < OTHER_FACE
    assert np.isnan(likeness(astronaut, np.full_like(astronaut, 255), face, 1.0)[0])


def shot(portrait: np.ndarray, seed: int) -> np.ndarray:
    """A portrait (150, 150, 3) in the same place of a scene of its own."""
    image = scene(seed)
    image[60:210, 160:310] = portrait
    return image


@pytest.fixture(scope="module")
def portraits(astronaut):
    """Two faces that a detector finds at the same place: one is the other one's mirror image."""
    one = cv2.resize(astronaut[0:256, 96:352], (150, 150), interpolation=cv2.INTER_AREA)
    return one, np.ascontiguousarray(one[:, ::-1])


def ids_and_shots(images: list[np.ndarray]) -> list[tuple[list[int], int]]:
    pipeline = Pipeline(Mtcnn(24, True), ByBrightness(), 25.0, Settings())
    results = [pipeline.process(Frame(each, k, k / 25, "clip")) for k, each in enumerate(images)]
    return [(each.faces.ids.tolist(), each.frame.shot) for each in results]


def test_after_a_cut_another_person_in_the_same_place_has_another_id_and_no_label(portraits):
    one, other = portraits
    seen = ids_and_shots([shot(one, 1)] * 8 + [shot(other, 2)] * 8)
    assert seen[:8] == [([1], 1)] * 8
    assert seen[8:11] == [([-1], 2)] * 3  # found at once, confirmed as any new face
    assert seen[11:] == [([2], 2)] * 5


def test_a_person_who_is_plainly_still_there_keeps_the_id(portraits):
    seen = ids_and_shots([shot(portraits[0], 1)] * 6 + [shot(portraits[0], 2)] * 6)
    assert seen == [([1], 1)] * 6 + [([1], 2)] * 6


def test_nobody_returns_after_a_cut(portraits):
    one, other = portraits
    empty = [scene(4)] * 5
    seen = ids_and_shots([shot(one, 1)] * 6 + empty + [shot(other, 2)] * 6)
    assert [ids for ids, _ in seen[-1:]] == [[2]]
    assert seen[-1][1] == 3


def test_the_clips_have_no_cut_and_random_cuts_between_them_are_all_seen(shared):
    rng = np.random.default_rng(0)
    clips = {
        path.name: [frame.image for frame in open_source(str(path))]
        for path in sorted((shared / "video").iterdir())
    }
    assert not any(cuts(images) for images in clips.values())
    for one, other in permutations(clips, 2):
        if one[:6] == other[:6]:  # in the same room
            continue
        size = clips[one][0].shape[1::-1]
        start, end = rng.integers(5, [len(clips[one]), len(clips[other]) - 5])
        after = [cv2.resize(image, size) for image in clips[other][end - 5 : end + 5]]
        assert cuts(clips[one][start - 5 : start] + after) == [5], (one, start, other, end)


def test_another_person_in_the_same_set_has_another_id(portraits):
    one, other = portraits
    seen = ids_and_shots([shot(one, 1)] * 8 + [shot(other, 1)] * 8)
    assert seen[:8] == [([1], 1)] * 8
    assert seen[-1] == ([2], 2)
    assert 1 not in {id for ids, _ in seen[8:] for id in ids}

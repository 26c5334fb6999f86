from dataclasses import fields, replace

import numpy as np
import pytest

from demo.display import overlay
from demo.display.overlay import annotate, face_text, id_colour
from demo.frames import Faces


def one_face(box: list[float], track: int = 1) -> Faces:
    found = Faces.detected(
        np.array([box], np.float32), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32)
    )
    return replace(found, ids=np.array([track]), ages=np.array([34.4]), male_probs=np.array([0.2]))


def test_the_label_says_what_is_known():
    nan = np.nan
    assert face_text(34.4, 8.6, 0.2) == "female 34 ± 9"
    assert face_text(34.5, nan, 0.5) == "male 34"
    assert face_text(nan, nan, 0.9) == "male"
    assert face_text(7.0, 2.2, nan) == "7 ± 2"
    assert face_text(nan, nan, nan) == "…"


def test_an_id_keeps_its_colour_and_neighbours_differ():
    assert id_colour(4) == id_colour(4)
    assert len({id_colour(k) for k in range(1, 11)}) == 10


@pytest.mark.parametrize("shape", [(24, 32, 3), (270, 480, 3), (2160, 3840, 3)])
@pytest.mark.parametrize("box", [[5, 5, 20, 20], [-50, -50, 10, 10], [300, 200, 900, 900]])
def test_any_face_can_be_drawn_on_any_frame(shape, box):
    image = np.zeros(shape, np.uint8)
    drawn = annotate(image, one_face(box), "24.0 fps · detect 12.0 · estimate 3.1 ms")
    assert drawn.any()
    assert not image.any()


def test_a_box_shows_on_black_on_white_and_on_its_own_colour():
    for ground in (0, 255, id_colour(1)):
        image = np.empty((200, 200, 3), np.uint8)
        image[:] = ground
        drawn = annotate(image, one_face([60, 60, 140, 140]))
        changed = np.abs(drawn.astype(int) - image).sum(axis=2).max(axis=1)
        assert (changed[60:140] > 100).all()


def test_a_face_without_confirmed_id_is_not_drawn():
    image = np.zeros((100, 100, 3), np.uint8)
    assert not annotate(image, one_face([20, 20, 80, 80], track=-1)).any()


def test_labels_of_neighbours_do_not_cover_one_another():
    image = np.zeros((300, 300, 3), np.uint8)
    both = [one_face([100, 100, 150, 150], 1), one_face([110, 102, 160, 152], 2)]
    columns = [field.name for field in fields(Faces)]
    faces = Faces(*(np.concatenate([getattr(f, c) for f in both]) for c in columns))
    image = annotate(image, faces)
    for track in (1, 2):
        area = (image == id_colour(track)).all(axis=2).sum()
        assert area > 800


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (200, "female 34 ± 9"),
        (105, "female 34 ± 9"),
        (75, "female 34"),
        (60, "f 34"),
        (32, "34"),
    ],
)
def test_a_label_wider_than_the_picture_is_shortened_and_never_cut(monkeypatch, width, text):
    drawn: list[str] = []
    real = overlay._label

    def noted(track: str, text: str, *rest: object) -> np.ndarray:
        drawn.append(text)
        return real(track, text, *rest)

    monkeypatch.setattr(overlay, "_label", noted)
    face = replace(one_face([5, 30, 25, 60]), age_low=np.array([27.0]), age_high=np.array([43.4]))
    image = np.zeros((140, width, 3), np.uint8)
    annotate(image, face)
    assert drawn[-1] == text


def test_a_label_that_fits_is_as_large_as_ever():
    image = np.zeros((270, 480, 3), np.uint8)
    tag = overlay._fitting_label(7, (34.4, 9.0, 0.2), 13, image.shape[1])
    assert (tag == overlay._label("7", "female 34 ± 9", 13, id_colour(7))).all()


def test_a_name_that_is_no_text_is_drawn_with_replacement_characters():
    image = np.zeros((60, 600, 3), np.uint8)
    nobody = one_face([0, 0, 9, 9], track=-1)
    drawn, expected = (annotate(image, nobody, t) for t in ("M\udcfcl\n\x1b.jpg", "M�l��.jpg"))
    assert drawn.any()
    assert (drawn == expected).all()


@pytest.mark.parametrize("width", [40, 60, 100, 300])
def test_a_long_caption_or_notice_ends_inside_the_picture(width):
    image = np.full((100, width, 3), 100, np.uint8)
    nobody, name = one_face([0, 0, 9, 9], track=-1), "a long name of a camera in the entrance.mkv"
    captioned, noticed = annotate(image, nobody, name), overlay.with_notice(image, name)
    for drawn, ground in ((captioned, 100), (noticed, 50)):
        rows = (drawn != ground).any(axis=(1, 2))
        letters = (drawn[rows] > 130).all(axis=2).any(axis=0)
        assert letters.any()
        assert not letters[-3:].any()

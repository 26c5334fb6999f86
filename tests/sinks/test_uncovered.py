from demo.events import Event
from demo.frames import Faces
from demo.sinks.uncovered import UncoveredWarning
from tests.sinks.sessions import FILE_TIMING, faces, frames_of


def warnings(rows: list[tuple[float, Faces, str]], photos: bool) -> list[str]:
    """What a run of rows of (seconds, faces, source) says at its end."""
    said: list[Event] = []
    with UncoveredWarning(photos, said.append) as sink:
        for frame, found in frames_of(rows):
            sink.write(frame, found, FILE_TIMING)
    return [event.text for event in said]


def test_a_video_in_which_no_face_was_found_is_named():
    rows = [(0.0, faces(), "a.mp4"), (0.1, faces(), "a.mp4")]
    assert warnings(rows, photos=False) == [
        "--anonymize: no face was found in a.mp4: nothing is covered there, look at it"
    ]


def test_one_face_in_a_video_is_enough_and_an_empty_run_says_nothing():
    assert warnings([(0.0, faces(), "a"), (0.1, faces((-1, 8, 0.9)), "a")], photos=False) == []
    assert warnings([], photos=False) == []


def test_several_photos_without_a_face_are_counted():
    rows = [(0.0, faces(), "a.jpg"), (0.0, faces((1, 8, 0.9)), "b.jpg"), (0.0, faces(), "c.jpg")]
    assert warnings(rows, photos=True) == [
        "--anonymize: no face was found in 2 photos, such as a.jpg: nothing is covered there, "
        "look at it"
    ]

import time

import numpy as np
import pytest

from demo import session
from demo.display import mosaic as views
from demo.display.mosaic import Mosaic, SourceView
from demo.display.overlay import draw_notice
from demo.display.tiles import LINE, grid, letterbox, letterbox_faces, tile_shape
from demo.display.window import PAUSE
from demo.frames import Faces, Frame, NoFrame
from demo.timing import Stopwatch
from tests.synthetic import NO_FACES, KeyWindow


@pytest.mark.parametrize(
    ("count", "shape"),
    [(2, (540, 960)), (3, (540, 960)), (4, (540, 960)), (5, (360, 640)), (16, (270, 480))],
)
def test_tiles_are_as_large_as_the_wall_allows(count, shape):
    assert tile_shape(count) == shape


def test_three_tiles_fill_two_rows_and_one_place_is_black():
    tiles = [np.full((4, 6, 3), k, np.uint8) for k in (10, 20, 30)]
    mosaic = grid(tiles)
    assert mosaic.shape == (8, 12, 3)
    assert mosaic[::4, ::6, 0].tolist() == [[10, 20], [30, 0]]
    assert mosaic[3].min() == mosaic[:, 5].min() == mosaic[3].max() == LINE
    assert grid(tiles[:1]) is tiles[0]


def test_a_picture_and_its_faces_are_fitted_alike():
    image = np.zeros((100, 50, 3), np.uint8)
    image[40:60, 20:30] = 255
    fitted = letterbox(image, 200, 300)
    assert fitted.shape == (200, 300, 3)
    boxes = np.array([[20, 40, 30, 60]], np.float32)
    faces = Faces.detected(boxes, np.ones(1, np.float32), np.tile(boxes[:, None, :2], (1, 5, 1)))
    moved = letterbox_faces(faces, image.shape, 200, 300)
    assert moved.boxes.tolist() == [[140, 80, 160, 120]]
    assert moved.points[0, 0].tolist() == [140, 80]
    left, top, right, bottom = moved.boxes[0].astype(int)
    assert fitted[top + 2 : bottom - 2, left + 2 : right - 2].min() > 200
    assert fitted[: top - 2].max() == fitted[:, : left - 2].max() == 0


@pytest.mark.parametrize("width", [64, 320, 1920])
def test_a_notice_is_in_the_middle_of_a_darkened_picture_of_any_size(width):
    image = np.full((width * 9 // 16, width, 3), 200, np.uint8)
    draw_notice(image, "camera lost, reconnecting (12 s)")
    assert (image[0] == 100).all()
    assert (image[-1] == 100).all()
    assert image[image.shape[0] // 2 - 3 : image.shape[0] // 2 + 3].std() > 10


class Beside:
    """A source of one picture, live and silent from then on, or a file of 30 frames."""

    photos, dropped, count, warning = False, 0, None, None

    def __init__(self, live: bool, fps: float = 60.0) -> None:
        self.live, self.fps, self.name = live, None if live else fps, "camera" if live else "file"

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def watch(self, patience: float):
        for k in range(1 if self.live else 30):
            yield Frame(np.zeros((4, 6, 3), np.uint8), k, k / (self.fps or 1), self.name)
        while self.live:
            yield NoFrame(0.0, "")


def test_a_file_beside_a_camera_plays_at_its_own_rate():
    mosaic = Mosaic([SourceView(Beside(live), lambda frame: NO_FACES) for live in (True, False)])
    start, seen = time.monotonic(), []
    while mosaic.views[1].running:
        seen += [frame.time for view, frame in mosaic.turn() if not view.source.live]
    assert len(seen) == 30
    assert 0.45 <= time.monotonic() - start < 0.8  # at 30 turns a second: 1.0


class ContinuousTimestamps:
    """Plays `time`, which passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_file_beside_a_camera_waits_while_the_viewer_pauses(monkeypatch):
    clock, seen = ContinuousTimestamps(), []
    monkeypatch.setattr(views, "time", clock)
    monkeypatch.setattr(session, "time", clock)

    def noted(frame: Frame) -> Faces:
        seen.append(clock.now)
        return NO_FACES

    def pause_of_two_seconds(look: int) -> str | None:
        clock.now += 1.0 if look in (21, 22) else 0.0
        return PAUSE if look in (20, 22) else None

    window = KeyWindow(pause_of_two_seconds)
    beside = [
        SourceView(Beside(True), lambda frame: NO_FACES),
        SourceView(Beside(False, fps=10.0), noted),
    ]
    session.run(beside, [], None, window, Stopwatch(), 31, lambda line: None)
    assert seen == pytest.approx([k / 10 + 2 * (k > 6) for k in range(30)], abs=0.035)

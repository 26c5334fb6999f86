import numpy as np
import pytest

from demo.display import mosaic as module
from demo.display.mosaic import Mosaic
from demo.display.overlay import with_notice
from demo.frames import Analysis, Frame
from demo.sources.schedule import Schedule
from tests.synthetic import NO_FACES, LiveBesideFile, feeds_of


def analysis(brightness: int, name: str, size: tuple[int, int] = (40, 60)) -> Analysis:
    frame = Frame(np.full((*size, 3), brightness, np.uint8), 7, 1.5, name)
    return Analysis(frame, NO_FACES, NO_FACES.boxes)


@pytest.mark.parametrize("width", [64, 320, 1920])
def test_a_notice_is_in_the_middle_of_a_darkened_copy_of_any_size(width):
    image = np.full((width * 9 // 16, width, 3), 200, np.uint8)
    dark = with_notice(image, "camera lost, reconnecting (12 s)")
    assert (image == 200).all()
    assert (dark[0] == 100).all()
    assert (dark[-1] == 100).all()
    assert dark[dark.shape[0] // 2 - 3 : dark.shape[0] // 2 + 3].std() > 10


def test_the_picture_of_one_source_is_its_frame_and_before_that_there_is_none():
    mosaic = Mosaic(Schedule(feeds_of(LiveBesideFile(live=False))))
    assert mosaic.picture() is None
    mosaic.update(0, analysis(80, "file"), caption="")
    picture = mosaic.picture()
    assert (picture.index, picture.source, picture.image.shape) == (7, "file", (40, 60, 3))
    assert (picture.image == 80).all()


def test_sources_are_tiles_in_their_order_and_one_without_a_frame_is_black():
    feeds = feeds_of(LiveBesideFile(live=False), LiveBesideFile(live=False))
    mosaic = Mosaic(Schedule(feeds))
    mosaic.update(1, analysis(80, "file"), caption="drawn for single sources only")
    image = mosaic.picture().image
    assert image.shape == (540, 1920, 3)
    assert image[300, 480].max() == 0
    assert image[300, 1440].tolist() == [80, 80, 80]


def test_a_picture_is_drawn_once_and_only_when_it_is_asked_for(monkeypatch):
    drawn = []

    def annotate(image: np.ndarray, faces: object, caption: str) -> np.ndarray:
        drawn.append(caption)
        return image

    monkeypatch.setattr(module, "annotate", annotate)
    mosaic = Mosaic(Schedule(feeds_of(LiveBesideFile(live=False))))
    for k in range(3):
        mosaic.update(0, analysis(80, "file"), str(k))
    assert drawn == []
    for _ in range(3):
        mosaic.picture()
    assert drawn == ["2"]

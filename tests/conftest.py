"""Faces and clips that the tests make themselves."""

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with real data, or a skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A photo (512, 512, 3) uint8 BGR with one face."""
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@pytest.fixture(scope="session")
def two_people(astronaut: np.ndarray) -> Callable[[int], np.ndarray]:
    """Frame k (270, 480, 3) of a scene in which two faces move apart, 3 pixels a frame."""
    portrait = cv2.resize(astronaut[0:256, 96:352], (150, 150), interpolation=cv2.INTER_AREA)
    mirrored = np.ascontiguousarray(portrait[:, ::-1])

    def frame(index: int) -> np.ndarray:
        image = np.full((270, 480, 3), 90, np.uint8)
        left, right = 80 - 3 * index, 250 + 3 * index
        image[60:210, left : left + 150] = portrait
        image[90:240, right : right + 150] = mirrored
        return image

    return frame


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, two_people: Callable) -> Path:
    """A video of 20 frames at 25 fps, 480x270, H.264 in Matroska."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    write_clip(path, [two_people(k) for k in range(20)])
    return path


def write_clip(path: Path, images: list[np.ndarray], fps: int = 25) -> None:
    """Encode BGR images as H.264, a key frame every five frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=fps, options={"crf": "18"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.gop_size = "yuv420p", 5
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))

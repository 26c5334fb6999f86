"""Faces and clips that the tests make themselves."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
import cv2
import numpy as np
import pytest
from skimage import data

from demo.frames import Faces

if TYPE_CHECKING:  # the live tests import no training framework
    import keras

    from models.datasets.chips import Chips

NO_FACES = Faces.detected(
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
)
TINY_NODES = (0.0, 50.0, 100.0)  # years
SHARED = Path(__file__).resolve().parents[2] / "shared"


class Answering:
    """An estimator that answers at once; those of tests add `__call__`."""

    def ask(self, crops: np.ndarray, asked: np.ndarray) -> Future:
        answers: Future = Future()
        answers.set_result(self(crops))
        return answers


class KeyWindow:
    """A window in which `pressed` says which key is pressed at the first, second, … look."""

    def __init__(self, pressed: Callable[[int], str | None]) -> None:
        self._pressed, self._looks = pressed, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, image: np.ndarray) -> None:
        pass

    def command(self, wait: float) -> str | None:
        self._looks += 1
        return self._pressed(self._looks)


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


def write_clip(path: Path, images: list[np.ndarray], fps: int = 25, codec: str = "h264") -> None:
    """Encode BGR images, a key frame every five frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "18"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.gop_size = "yuv420p", 5
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


class Broadcast:
    """An IP camera on loopback, JPEG pictures over HTTP 25 times a second, that can be made to
    fail. `picture` makes the body of the k-th part."""

    def __init__(self, picture: Callable[[int], bytes]) -> None:
        self._picture = picture
        self.sent: list[float] = []  # when each part was sent, by time.monotonic
        self.stalled = threading.Event()
        self._port = 0
        self.start()

    def start(self) -> None:
        """Serve, again on the same port after `kill`."""
        self._server = socket.create_server(("127.0.0.1", self._port))
        self._port = self._server.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def kill(self) -> None:
        """Be gone, as a process that was killed."""
        for each in (self._server, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def address(self, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self._port}/live"

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(
                b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=part\r\n\r\n"
            )
            while True:
                body = self._picture(len(self.sent))
                while self.stalled.is_set():
                    time.sleep(0.01)
                self.sent.append(time.monotonic())
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body + b"\r\n")
                time.sleep(1 / 25)


@pytest.fixture
def broadcast() -> Iterator[Callable[[Callable[[int], bytes]], Broadcast]]:
    """Makes cameras on loopback that are gone after the test."""
    made: list[Broadcast] = []

    def make(picture: Callable[[int], bytes]) -> Broadcast:
        made.append(Broadcast(picture))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def jpeg(image: np.ndarray) -> bytes:
    """A picture as an IP camera sends it."""
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a network of a few neurons with all outputs, that drops some, in the zoo."""
    from models import zoo
    from models.manifest import InputSpec

    network = zoo.Network("tiny", {}, InputSpec(size=8), TINY_NODES)
    monkeypatch.setitem(zoo.ARCHITECTURES, "tiny", tiny_network)
    monkeypatch.setitem(zoo.NETWORKS, "tiny", network)
    return "tiny"


def tiny_network() -> "keras.Model":
    """Crops (N, 8, 8, 3) to "age", "male" and "nodes"."""
    import keras

    from models.networks.heads import class_heads

    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Rescaling(1 / 255, name="scaled")(image)
    x = keras.layers.Flatten(name="pixels")(x)
    x = keras.layers.Dense(8, activation="relu", name="features")(x)
    x = keras.layers.Dropout(0.2, name="drop")(x)
    return keras.Model(image, class_heads(x, ("age", "male"), TINY_NODES, (0, 1)), name="tiny")


@pytest.fixture
def faces() -> "Chips":
    """40 chips of ten people whose brightness tells age and gender, in five folds of two people."""
    from models.datasets.chips import Chips

    rng = np.random.default_rng(0)
    person = np.arange(40) // 4
    ages = (10 * person).astype(np.float32)
    noise = rng.integers(0, 20, (40, 128, 128, 3))
    images = np.clip(2.2 * ages[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    splits = np.where(np.arange(40) % 4 == 0, "val", "train")
    subjects = np.array([f"p{p}" for p in person])
    return Chips(images, ages, ages, (person % 2).astype("f4"), splits, subjects, person // 2)

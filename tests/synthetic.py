"""What the tests make themselves: faces, clips, cameras, networks, and stand-ins for parts."""

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

from demo.display.controls import Command
from demo.events import Event
from demo.frames import Analysis, Faces, Frame, NoFrame
from demo.sources.base import Source
from demo.sources.schedule import Feed

if TYPE_CHECKING:  # the live tests import no training framework
    import keras

    from models.inference.estimator import Estimator
else:
    Estimator = object

NO_FACES = Faces.detected(
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
)
TINY_NODES = (0.0, 50.0, 100.0)  # years


class Answering(Estimator):
    """An estimator that answers at once; those of tests add `predict`."""

    def submit(self, crops: np.ndarray, asked: np.ndarray) -> Future:
        answers: Future = Future()
        answers.set_result(self.predict(crops))
        return answers


class KeyWindow:
    """A window in which `pressed` gives the command of the first, second, … look at the keys."""

    wanted = realtime = True

    def __init__(self, pressed: Callable[[int], Command | None]) -> None:
        self._pressed, self._looks = pressed, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def close(self) -> None:
        pass

    def write(self, picture: Frame) -> None:
        pass

    def command(self, wait: float) -> Command | None:
        self._looks += 1
        return self._pressed(self._looks)


class NoFaces:
    """A pipeline that finds nobody; `noted` is called for every frame."""

    def __init__(self, noted: Callable[[Frame], object] = lambda frame: None) -> None:
        self._noted = noted

    def process(self, frame: Frame) -> Analysis:
        self._noted(frame)
        return Analysis(frame, NO_FACES, NO_FACES.boxes)


class LiveBesideFile:
    """A source: live, with one frame and silent from then on, or a file of 30 frames."""

    photos, dropped, count, path = False, 0, None, None

    def __init__(self, live: bool, fps: float = 60.0) -> None:
        self.live, self.fps, self.name = live, None if live else fps, "camera" if live else "file"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        return (each for each in self.watch(1.0) if isinstance(each, Frame))

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def start_clock(self, moment: float) -> None:
        pass

    def watch(self, patience: float = 1.0) -> Iterator[Frame | NoFrame | Event]:
        for k in range(1 if self.live else 30):
            yield Frame(np.zeros((4, 6, 3), np.uint8), k, k / (self.fps or 1), self.name)
        while self.live:
            yield NoFrame(0.0)


def feeds_of(*sources: Source) -> list[Feed]:
    """A feed per source."""
    return [Feed(source) for source in sources]


def write_clip(path: Path, images: list[np.ndarray], fps: int = 25, codec: str = "h264") -> None:
    """Encode BGR images, a key frame every five frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "18"})
        assert isinstance(stream, av.VideoStream)
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
        self.connected: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def kill(self) -> None:
        """Be gone, as a process that was killed."""
        for each in (self._server, *self.connected):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def address(self, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self._port}/live"

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                self.connected.append(connection)
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


def read_image(path: Path | str) -> np.ndarray:
    """The BGR image (H, W, 3) uint8 in a file."""
    image = cv2.imread(str(path))
    assert image is not None
    return image


def jpeg(image: np.ndarray) -> bytes:
    """A picture as an IP camera sends it."""
    return cv2.imencode(".jpg", image)[1].tobytes()


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

"""Where frames come from: a camera, a stream, a video file, a photo, a folder of photos.

A live source gives its newest frame and counts those it dropped; a file drops none. `open_source`
is the one function for all of them.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlparse

import av
import cv2
import numpy as np
from av.error import FFmpegError

from demo.errors import UserError
from demo.frames import Frame

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".gif"}  # of files by http
MAX_PIXELS = 120_000_000  # of a photo: what phones take
COMPLETE = 0.98  # of what the container announces
SHORT_SECONDS = 0.25  # a last frame and the sound may last that much longer
OPEN_SECONDS = 10.0
JOIN_SECONDS = 2.0


class Source(Protocol):
    """An iterable of frames that is opened and closed by `with`."""

    @property
    def name(self) -> str: ...
    @property
    def live(self) -> bool:
        """Frames come at their own time, and only the newest is kept."""
        ...

    @property
    def photos(self) -> bool:
        """Frames have nothing to do with one another."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames a second; of a camera what it claims."""
        ...

    @property
    def count(self) -> int | None:
        """Frames in all, where that is known."""
        ...

    @property
    def warning(self) -> str | None:
        """Set after the last frame if it was not the end."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def set(self, name: int, value: float, /) -> bool: ...
    def get(self, name: int, /) -> float: ...
    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


def open_source(spec: str) -> Source:
    """The source for what the user typed. Raises UserError where it cannot be opened."""
    if spec.isdigit():
        hint = "is it plugged in, or is another program using it?"
        return LiveSource(spec, lambda: cv2.VideoCapture(int(spec)), hint)
    spec = spec.removeprefix("file://")
    if "://" in spec:
        if spec.startswith("http") and Path(urlparse(spec).path).suffix.lower() in VIDEO_SUFFIXES:
            return VideoSource(spec)
        return LiveSource(spec, lambda: cv2.VideoCapture(spec), "is the address right?")
    path = Path(spec)
    if path.is_dir():
        return PhotoSource(spec, _photos_in(path))
    if not path.exists():
        raise UserError(f"no such file or folder: {spec}")
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return PhotoSource(spec, [path])
    return VideoSource(spec)


def _photos_in(folder: Path) -> list[Path]:
    photos = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()
    )
    if not photos:
        raise UserError(f"no photos in {folder}: it needs {', '.join(sorted(PHOTO_SUFFIXES))}")
    return photos


class PhotoSource:
    """Photos, one frame each; one that cannot be read is passed over with a warning."""

    live, photos, fps = False, True, None

    def __init__(self, name: str, paths: list[Path]) -> None:
        self.name, self.paths, self.count = name, paths, len(paths)
        self.warning: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        refused = []
        for index, path in enumerate(self.paths):
            try:
                yield Frame(_read_photo(path), index, 0.0, str(path))
            except UserError as error:
                refused.append(str(error))
        if len(refused) == len(self.paths):
            raise UserError(refused[0])
        if refused:
            self.warning = f"{len(refused)} of {self.count} photos passed over: {refused[0]}"


def _read_photo(path: Path) -> np.ndarray:
    """A photo (H, W, 3) uint8 BGR. Raises UserError where it cannot be read, or is too large: its
    size is known before its pixels are decoded."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    try:
        with Image.open(path) as header:
            width, height = header.size
        if width * height > MAX_PIXELS:
            raise UserError(
                f"{path} has {width}x{height} pixels, more than {MAX_PIXELS // 1_000_000} million: "
                "make it smaller"
            )
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or "no picture in it"
        raise UserError(f"{path} is not a picture that can be read ({reason})") from None
    if image is None:
        raise UserError(f"{path} is not a picture that can be read")
    return image


class VideoSource:
    """A video file, every frame in order, decoded ahead by a thread."""

    live, photos = False, False

    def __init__(self, name: str) -> None:
        """Open a path or an http address. Raises UserError where there is no video."""
        self.name = name
        self.warning: str | None = None
        try:
            self._container = av.open(name, timeout=OPEN_SECONDS if "://" in name else None)
            self._stream = self._container.streams.video[0]
        except (FFmpegError, IndexError, OSError) as error:
            reason = getattr(error, "strerror", None) or "it has no picture track"
            raise UserError(
                f"cannot read {name} as a video or photo ({reason}): is the file complete?"
            ) from None
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps: float | None = float(rate) if rate else None
        self.count: int | None = self._expected_count()
        self._feed = _Feed(partial(_decoded, self._container, self.fps), capacity=2)

    def _expected_count(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        duration = self._container.duration
        return round(duration / av.time_base * self.fps) if duration and self.fps else None

    def __enter__(self) -> Self:
        self._feed.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._feed.stop():
            self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        index, seconds = -1, 0.0
        for index, (image, seconds) in enumerate(self._feed):
            yield Frame(image, index, seconds, self.name)
        if index < 0:
            raise UserError(f"{self.name} holds no frame that can be decoded")
        if self._feed.failure:
            self.warning = f"the video breaks off after frame {index}: {self._feed.failure}"
        elif self._is_short(index + 1, seconds):
            self.warning = (
                f"the video breaks off after frame {index}, second {seconds:.1f}: the file is "
                "truncated or damaged"
            )

    def _is_short(self, frames: int, seconds: float) -> bool:
        """Whether fewer frames came than the file says, or, if it does not, less time."""
        if self._stream.frames:
            return frames < COMPLETE * self._stream.frames - 1
        seconds_told = (self._container.duration or 0) / av.time_base
        return seconds + SHORT_SECONDS < COMPLETE * seconds_told


def _decoded(container: Any, fps: float | None) -> Iterator[tuple[np.ndarray, float]]:
    """Pictures and seconds since the first of them. No method: a thread that holds its source keeps
    the decoder and its frames in memory long after both are done."""
    start = None
    for index, picture in enumerate(container.decode(video=0)):
        seconds = picture.time if picture.time is not None else index / (fps or 25.0)
        start = seconds if start is None else start
        image = picture.to_ndarray(format="bgr24")
        turns = round((picture.rotation or 0) / 90) % 4
        yield (
            (np.ascontiguousarray(np.rot90(image, turns)) if turns else image),
            seconds - start,
        )


class LiveSource:
    """A camera or network stream: the newest frame wins."""

    live, photos, count = True, False, None

    def __init__(self, name: str, connect: Callable[[], Capture], hint: str) -> None:
        self.name = name
        self.warning: str | None = None
        self._capture = connect()
        if not self._capture.isOpened():
            kind = "camera" if name.isdigit() else "stream"
            raise UserError(f"cannot open {kind} {name}: {hint}")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.started = time.monotonic()  # of the first frame: its `Frame.time` is 0
        claimed = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = claimed if 1 <= claimed <= 240 else None
        self._feed = _Feed(self._grab, capacity=1, newest=True)

    @property
    def dropped(self) -> int:
        """Frames that were never seen because a newer one came first."""
        return self._feed.dropped

    def __enter__(self) -> Self:
        self._feed.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._feed.stop():
            self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        for index, (image, seconds) in enumerate(self._feed):
            yield Frame(image, index, seconds, self.name)
        self.warning = f"{self.name} gives no more frames"

    def _grab(self) -> Iterator[tuple[np.ndarray, float]]:
        first = True
        while True:
            ok, image = self._capture.read()
            if not ok:
                return
            now = time.monotonic()
            if first:
                self.started, first = now, False
            yield image, now - self.started


class _Feed:
    """A bounded queue fed by a thread; when full it waits or, for `newest`, drops the oldest."""

    def __init__(
        self,
        produce: Callable[[], Iterator[tuple[np.ndarray, float]]],
        capacity: int,
        newest: bool = False,
    ) -> None:
        self._produce, self._newest = produce, newest
        self._queue: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(capacity)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self.failure: str | None = None  # what broke the stream off, in FFmpeg's words
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """Ask the thread to end; whether it did, and what it read from may be closed."""
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)
        return not self._thread.is_alive()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        while (item := self._queue.get()) is not None:
            yield item
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._produce():
                self._put(item)
                if self._stopped.is_set():
                    break
        except (FFmpegError, OSError) as error:
            self.failure = getattr(error, "strerror", None) or str(error)
        except BaseException as error:  # raised again in the main thread
            self._error = error
        self._put(None)

    def _put(self, item: tuple[np.ndarray, float] | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.0 if self._newest and item else 0.1)
                return
            except queue.Full:
                if self._newest and item is not None:
                    self._drop()

    def _drop(self) -> None:
        try:
            self._queue.get_nowait()
            self.dropped += 1
        except queue.Empty:
            pass

"""Where results and pictures go: these into a recording, or into a folder of photos. All sinks and
recorders are closed by `with`."""

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, Self

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType

from demo.display.tiles import letterbox
from demo.errors import UserError
from demo.frames import Faces, Frame
from demo.sinks.audio import AudioTrack
from demo.sources.photos import PHOTO_SUFFIXES
from models.files import writable_folder

NEAR_BEAT = 0.1  # of a frame: a time this near to the source's rate is meant to be on it
TICK = Fraction(1, 90_000)  # seconds, the clock of a recording
SLOWEST = Fraction(1, 3600)  # frames a second: more ticks a frame than 2**31 crash the mp4 writer
MOST_AHEAD = "1000000"  # microseconds: pictures wait no longer for a sound that has ended
CLOSE_SECONDS = 30.0
KEY_SECONDS = 1.0  # at most, between key frames: a killed recording ends before the last of them
ENCODING = {"preset": "veryfast", "crf": "20", "bf": "0", "tune": "zerolatency"}  # holds none back
FRAGMENTS = {  # of a killed recording what is in the file is playable
    ".mkv": {"cluster_time_limit": "1000"},  # milliseconds
    ".mp4": {"movflags": "hybrid_fragmented"},
    ".mov": {"movflags": "hybrid_fragmented"},
}
VIDEO_SUFFIXES = set(FRAGMENTS)
PLOT_SUFFIXES = {".jpg", ".pdf", ".png", ".svg"}


class Sink(Protocol):
    """Takes what was found in every frame of every source."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def write(self, frame: Frame, faces: Faces) -> None: ...


class Recorder(Protocol):
    """Takes what there is to see: the frames with their overlay, or tiles of several sources."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def write(self, seen: Frame) -> None: ...

    @property
    def written(self) -> bool:
        """Whether there was a picture: before the first one, no file is touched."""
        ...


class VideoRecorder:
    """H.264 at the source's rate and size, encoded by a thread.

    Every frame keeps its time, so that a recording lasts as long as what was seen. The file is
    playable up to the last second even if the process is killed, however few frames came.
    """

    def __init__(self, path: Path, fps: float | None, sound: AudioTrack | None = None) -> None:
        """Record to `path` at `fps` frames a second, with the sound, which is closed with it."""
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(
                f"cannot record to {path}: the name must end in {', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        check_writable(path)
        self._path = path
        self._rate = max(Fraction(fps or 25.0).limit_denominator(1_000_000), SLOWEST)
        self._sound = sound
        self._container: Any = None
        self._stream: Any = None
        self._last_tick, self._key_tick = -1, 0  # of the last frame, and when a key frame is due
        self._worker = _Worker(self._encode, f"cannot record to {path}")

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        failed = self._worker.finish()
        if self._container is not None and not self._worker.busy:
            self._worker.attempt(lambda: self._close(flush=not failed))
        if self._sound is not None and not self._worker.busy:
            self._sound.close()
        self._worker.check()

    def write(self, seen: Frame) -> None:
        """Queue a picture. Raises UserError where an earlier one could not be written."""
        self._worker.put((seen.image, seen.time))

    @property
    def written(self) -> bool:
        """Whether there was a picture, and so a file."""
        return self._container is not None

    def _open(self, height: int, width: int) -> None:
        options = FRAGMENTS[self._path.suffix.lower()] | {
            "flush_packets": "1",
            "max_interleave_delta": MOST_AHEAD,
        }
        self._container = av.open(f"file:{self._path}", "w", options=options)
        self._stream = self._container.add_stream("h264", rate=self._rate, options=ENCODING)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = max(1, round(self._rate))
        self._stream.time_base = self._stream.codec_context.time_base = TICK
        if self._sound is not None:
            self._sound.attach(self._container)

    def _encode(self, item: tuple[np.ndarray, float]) -> None:
        image, seconds = item
        if self._container is None:
            self._open(*image.shape[:2])
        height, width = self._stream.height, self._stream.width
        if image.shape[:2] != (height, width):
            image = _fit(image, height, width)
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        beat = round(seconds * self._rate) / self._rate  # containers round times: undo it
        if abs(seconds - beat) < NEAR_BEAT / self._rate:
            seconds = float(beat)
        self._last_tick = max(round(seconds / TICK), self._last_tick + 1)
        picture.time_base, picture.pts = TICK, self._last_tick
        picture.duration = round(1 / self._rate / TICK)
        if self._last_tick >= self._key_tick:
            picture.pict_type = PictureType.I
            self._key_tick = self._last_tick + round(KEY_SECONDS / TICK)
        self._container.mux(self._stream.encode(picture))
        if self._sound is not None:
            self._sound.advance(float(self._last_tick * TICK + 1 / self._rate))

    def _close(self, flush: bool) -> None:
        """Finish the file. After a failed write the encoder must not be flushed into it."""
        try:
            if flush:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An odd side is padded by one pixel; another size is fitted into the recording's."""
    rows, columns = height - image.shape[0], width - image.shape[1]
    if rows in (0, 1) and columns in (0, 1):
        return cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
    return letterbox(image, height, width)


class PhotoRecorder:
    """Annotated photos under their own names in a folder, or a single one under a name given."""

    def __init__(self, target: Path, single: bool) -> None:
        self._file = target if single and target.suffix.lower() in PHOTO_SUFFIXES else None
        self._folder = target
        self.written = False  # any photo
        if self._file is not None:
            check_writable(self._file)
            return
        if target.suffix.lower() in VIDEO_SUFFIXES | PHOTO_SUFFIXES:
            raise UserError(f"photos are recorded into a folder: -o {target.with_suffix('')}")
        try:
            writable_folder(target)
        except OSError as error:
            raise UserError(f"cannot record into the folder {target}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, seen: Frame) -> None:
        """Write one photo. Raises UserError where that fails."""
        source = Path(seen.source)
        path = self._file or self._folder / source.name
        if path.exists() and path.samefile(source):
            raise UserError(f"-o {self._folder} would overwrite {source}: name another place")
        save_image(path, seen.image)
        self.written = True


def save_image(path: Path, image: np.ndarray) -> None:
    """Write a picture in the format of its suffix, as JPEG where it names none. Raises UserError
    where that fails."""
    height, width = image.shape[:2]
    try:
        suffix = path.suffix if cv2.haveImageWriter(path.name) else ".jpg"
        done, code = cv2.imencode(suffix, image)
        if not done:
            raise UserError(
                f"cannot write {path}: its format does not take {width}x{height} pixels"
            )
        path.write_bytes(code.tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def check_writable(path: Path) -> None:
    """Raise UserError where no file can be written at the path."""
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    place = path if path.exists() else folder
    if not os.access(place, os.W_OK):
        raise UserError(f"cannot write {path}: {place} is not writable")


def check_plot(path: Path) -> None:
    """Raise UserError where no plot can be written at the path."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise UserError(
            f"cannot plot to {path}: the name must end in {', '.join(sorted(PLOT_SUFFIXES))}"
        )
    check_writable(path)


class _Worker:
    """Runs `work` on queued items in a thread; its failure is raised in the main thread."""

    def __init__(self, work: Callable[[Any], None], complaint: str) -> None:
        self._work, self._complaint = work, complaint
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=4)
        self._error: BaseException | None = None  # until it was raised
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Any) -> None:
        self.check()
        self._queue.put(item)

    def finish(self) -> bool:
        """Let the thread work off what is queued; whether it failed. One that does not end within
        CLOSE_SECONDS after it took the last item has failed too, for `check`."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_SECONDS)
            self._thread.join(CLOSE_SECONDS)
        if self.busy:
            self._error = self._error or TimeoutError("the disk or the encoder does not answer")
        return self._failed

    @property
    def busy(self) -> bool:
        """Whether the thread is still at work, so that nobody else may touch what it uses."""
        return self._thread.is_alive()

    def attempt(self, work: Callable[[], None]) -> None:
        """Do the last of the work in this thread; a failure counts like one of the thread's."""
        try:
            work()
        except (FFmpegError, OSError) as error:
            self._error = self._error or error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self._failed:
                try:
                    self._work(item)
                except BaseException as error:  # raised again in the main thread
                    self._error, self._failed = error, True

    def check(self) -> None:
        """Raise what went wrong, as a UserError where the disk or the codec did."""
        error, self._error = self._error, None
        if isinstance(error, FFmpegError | OSError):
            raise UserError(f"{self._complaint}: {error.strerror or error}") from None
        if error is not None:
            raise error

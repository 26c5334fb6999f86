"""Where results go: a recording, photos in a folder, a log, a window. All are closed by `with`."""

import csv
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

import av
import cv2
import numpy as np
from av.error import FFmpegError

from demo.errors import UserError
from demo.frames import Faces, Frame

VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov"}
LOG_SUFFIXES = {".jsonl", ".csv"}
TICK = Fraction(1, 90_000)  # seconds, the clock of a recording
CSV_COLUMNS = ["source", "frame", "time", "id", "x1", "y1", "x2", "y2", "score", "age", "male"]
QUIT, PAUSE, SNAPSHOT = "quit", "pause", "snapshot"
KEYS = {ord("q"): QUIT, 27: QUIT, ord(" "): PAUSE, ord("s"): SNAPSHOT}
CLOSE_SECONDS = 30.0


class Sink(Protocol):
    """Takes every finished frame."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None: ...


class VideoRecorder:
    """H.264 at the source's rate and size, encoded by a thread.

    A file source keeps every frame at its own rate; a live one the time at which each frame was
    taken. The file is playable up to the last second even if the process is killed.
    """

    def __init__(self, path: Path, fps: float | None, live: bool) -> None:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(
                f"cannot record to {path}: the name must end in {', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        _check_writable(path)
        self._path, self._live = path, live
        self._rate = Fraction(fps or 25.0).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._last_tick = -1
        self._worker = _Worker(self._encode, f"cannot record to {path}")

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._worker.finish(self._close)

    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None:
        """Queue a picture. Raises UserError where an earlier one could not be written."""
        self._worker.put((drawn, frame.index, frame.time))

    def _open(self, height: int, width: int) -> None:
        fragmented = self._path.suffix.lower() in {".mp4", ".mov"}
        options = {"movflags": "hybrid_fragmented", "flush_packets": "1"} if fragmented else {}
        self._container = av.open(str(self._path), "w", options=options)
        self._stream = self._container.add_stream(
            "h264", rate=self._rate, options={"preset": "veryfast", "crf": "20", "bf": "0"}
        )
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = max(1, round(self._rate))
        if self._live:
            self._stream.time_base = self._stream.codec_context.time_base = TICK

    def _encode(self, item: tuple[np.ndarray, int, float]) -> None:
        image, index, seconds = item
        if self._container is None:
            self._open(*image.shape[:2])
        height, width = self._stream.height, self._stream.width
        if image.shape[:2] != (height, width):
            image = _fit(image, height, width)
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        if self._live:
            picture.time_base = TICK
            picture.pts = self._last_tick = max(round(seconds / TICK), self._last_tick + 1)
        else:
            picture.time_base, picture.pts = 1 / self._rate, index
        self._container.mux(self._stream.encode(picture))

    def _close(self) -> None:
        if self._container is not None:
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An odd side is padded by one pixel; another size is scaled to the recording's."""
    rows, columns = height - image.shape[0], width - image.shape[1]
    if rows in (0, 1) and columns in (0, 1):
        return cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


class PhotoRecorder:
    """Annotated photos under their own names in a folder."""

    def __init__(self, folder: Path) -> None:
        if folder.suffix.lower() in VIDEO_SUFFIXES:
            raise UserError(f"photos are recorded into a folder: -o {folder.with_suffix('')}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot record to {folder}: {error.strerror}") from None
        if not os.access(folder, os.W_OK):
            raise UserError(f"cannot record to {folder}: it is not writable")
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None:
        """Write one photo. Raises UserError where that fails."""
        source = Path(frame.source)
        path = self._folder / source.name
        if path.exists() and path.samefile(source):
            raise UserError(f"-o {self._folder} would overwrite the photos: name another folder")
        save_picture(path, drawn)


def save_picture(path: Path, image: np.ndarray) -> None:
    """Write a picture in the format of its suffix. Raises UserError where that fails."""
    try:
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


class Log:
    """One JSON object a frame, or one CSV row a face; complete to the last frame at any time."""

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in LOG_SUFFIXES:
            raise UserError(f"cannot log to {path}: the name must end in .jsonl or .csv")
        _check_writable(path)
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("w", newline="", encoding="utf-8")
        if self._path.suffix.lower() == ".csv":
            csv.writer(self._file).writerow(CSV_COLUMNS)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise UserError(f"cannot log to {self._path}: {error.strerror}") from None

    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None:
        """Log a frame. Raises UserError where that fails."""
        assert self._file is not None, "a log is written inside its with block"
        try:
            if self._path.suffix.lower() == ".csv":
                csv.writer(self._file).writerows(csv_rows(frame, faces))
            else:
                self._file.write(json.dumps(log_record(frame, faces), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"cannot log to {self._path}: {error.strerror}") from None


def log_record(frame: Frame, faces: Faces) -> dict[str, Any]:
    """What the JSON log says of a frame: the format others rely on."""
    return {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.time, 4),
        "faces": [
            {
                "id": int(faces.ids[row]),
                "box": [round(float(v), 1) for v in faces.boxes[row]],
                "score": round(float(faces.scores[row]), 4),
                "age": _number(faces.ages[row], 2),
                "male": _number(faces.males[row], 4),
            }
            for row in range(len(faces))
        ],
    }


def csv_rows(frame: Frame, faces: Faces) -> list[list[Any]]:
    """What the CSV log says of a frame: one row a face, columns CSV_COLUMNS."""
    record = log_record(frame, faces)
    frame_columns = [record["source"], record["frame"], record["time"]]
    return [
        [*frame_columns, face["id"], *face["box"], face["score"], face["age"], face["male"]]
        for face in record["faces"]
    ]


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _check_writable(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UserError(f"cannot write {path}: {folder} is not writable")


class Window:
    """The live picture; `command` tells what a key asked for."""

    def __init__(self, title: str) -> None:
        self._title = title
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # fonts it never uses
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise UserError("this OpenCV has no window support: use --no-display") from None
        self._sized = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_open():
            cv2.destroyWindow(self._title)

    def write(self, frame: Frame, faces: Faces, drawn: np.ndarray) -> None:
        """Show a frame."""
        if not self._sized:
            cv2.resizeWindow(self._title, drawn.shape[1], drawn.shape[0])
            self._sized = True
        cv2.imshow(self._title, drawn)

    def command(self, wait: float) -> str | None:
        """QUIT, PAUSE or SNAPSHOT if a key asked for it within `wait` seconds, QUIT if the window
        was closed."""
        key = cv2.waitKey(max(1, round(wait * 1e3))) & 0xFF
        return KEYS.get(key) if self._is_open() else QUIT

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the last window was closed and the toolkit is gone
            return False


def display_exists() -> bool:
    """Whether a window can be opened: on Linux, a display server is named."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


class _Worker:
    """Runs `work` on queued items in a thread; its failure is raised in the main thread."""

    def __init__(self, work: Callable[[Any], None], complaint: str) -> None:
        self._work, self._complaint = work, complaint
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=4)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Any) -> None:
        self._raise()
        self._queue.put(item)

    def finish(self, close: Callable[[], None]) -> None:
        """Let the thread work off what is queued, then close. Raises what went wrong."""
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)
        try:
            close()
        except (FFmpegError, OSError) as error:
            self._error = self._error or error
        self._raise()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:  # raised again in the main thread
                    self._error = error

    def _raise(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, FFmpegError | OSError):
            raise UserError(f"{self._complaint}: {error.strerror or error}") from None
        if error is not None:
            raise error

"""The recording of a run, as H.264."""

from pathlib import Path
from typing import Self

from demo.events import Event, Notify, ignore
from demo.frames import Frame
from demo.sinks.audio import AudioTrack
from demo.sinks.encoder import Encoding
from demo.sinks.hardware import check
from demo.sinks.paths import check_file
from demo.sinks.videofile import VIDEO_SUFFIXES, VideoFile
from demo.sinks.writer import BackgroundWriter

DEFAULT_FPS = 25.0
QUEUE_PICTURES = 2  # that wait for the encoder
DEFAULT_ENCODING = Encoding()
REDUCED = "the recording has a lower quality in parts: at the chosen one the encoder was too slow"


class VideoRecorder:
    """A picture sink that records H.264, encoded in a thread of its own.

    Every picture keeps its time. The first picture creates the file and sets its size; later
    pictures of another size are letterboxed. If the process is killed, the file can be played,
    except its last two seconds.
    """

    wanted, realtime = True, False

    def __init__(
        self,
        path: Path,
        fps: float | None,
        audio: AudioTrack | None = None,
        notify: Notify = ignore,
        encoding: Encoding = DEFAULT_ENCODING,
        close_seconds: float = 30.0,
    ) -> None:
        """Record to an .mp4, .mkv or .mov file at `fps`, 25 if None, with `audio`, which is closed
        with the recorder. `notify` gets the event "info" at the first change of size, and at the
        end if the quality was lowered. `close_seconds` limits how long closing waits for the disk
        and encoder.

        Raises UserError if the path or the encoder cannot be used. Nothing is opened yet.
        """
        check_file(path, VIDEO_SUFFIXES, "record to")
        check(encoding)
        self.path = path
        self._audio, self._notify = audio, notify
        self._size, self._resized = "", False  # of the first picture; whether a later one differed
        self._file = VideoFile(path, fps or DEFAULT_FPS, audio, encoding)
        self._writer = BackgroundWriter(
            self._file.write,
            self._file.close,
            f"cannot record to {path}",
            capacity=QUEUE_PICTURES,
            timeout=close_seconds,
        )

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._writer.finish()
        finally:
            if self._audio is not None:
                self._audio.close()
        if self._file.reduced:
            self._notify(Event("info", REDUCED))

    def write(self, picture: Frame) -> None:
        """Queue a picture. Raises UserError if an earlier one could not be written."""
        self._note_size(picture)
        self._writer.put(picture)

    @property
    def written(self) -> bool:
        """Whether there is a file: it is created with the first picture."""
        return self._file.opened

    def _note_size(self, picture: Frame) -> None:
        """Notify once of a picture that has another size than the recording."""
        height, width = picture.image.shape[:2]
        size = f"{width}x{height}"
        self._size = self._size or size
        if size != self._size and not self._resized:
            self._resized = True
            text = f"{picture.source} changes from {self._size} to {size}"
            text += ": the recording keeps its first size"
            self._notify(Event("info", text, picture.source, picture.time))

"""The recording of a run, as H.264."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from demo.events import Event, Notify, ignore
from demo.frames import Frame
from demo.images import letterbox
from demo.sinks.audio import AudioTrack
from demo.sinks.paths import check_file
from demo.sinks.writer import BackgroundWriter
from demo.sources.decode.colour import standard_matrix

DEFAULT_FPS = 25.0
MIN_FPS = Fraction(1, 3600)  # a frame of more than 2**31 ticks crashes FFmpeg's mp4 writer
TIME_BASE = Fraction(1, 90_000)  # seconds: the tick of a recording
SNAP_SHARE = 0.1  # of a frame: a time this near to a multiple of 1 / fps is rounded to it
KEYFRAME_SECONDS = 1.0  # between key frames at most: a killed recording ends before the last one
MAX_INTERLEAVE_DELTA = "1000000"  # microseconds for which video waits for sound that has ended
ENCODING = {"preset": "veryfast", "crf": "20", "bf": "0", "tune": "zerolatency"}  # no lookahead
FRAGMENTS = {  # options with which the file of a killed process is playable
    ".mkv": {"cluster_time_limit": "1000"},  # milliseconds
    ".mp4": {"movflags": "hybrid_fragmented"},
    ".mov": {"movflags": "hybrid_fragmented"},
}
VIDEO_SUFFIXES = set(FRAGMENTS)
COLOURS = {  # AVCOL_SPC_* of the file, its primaries and its transfer, by the matrix
    Colorspace.ITU601: (6, ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M),
    Colorspace.ITU709: (1, ColorPrimaries.BT709, ColorTrc.BT709),
}
ROUNDED = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP


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
        close_seconds: float = 30.0,
    ) -> None:
        """Record to an .mp4, .mkv or .mov file at `fps`, 25 if None, with `audio`, which is closed
        with the recorder. `notify` gets the event "info" at the first change of size.
        `close_seconds` limits how long closing waits for the disk and encoder.

        Raises UserError if the path cannot be used. Nothing is opened yet.
        """
        check_file(path, VIDEO_SUFFIXES, "record to")
        self._audio, self._notify = audio, notify
        self._size, self._resized = "", False  # of the first picture; whether a later one differed
        self._file = VideoFile(path, fps or DEFAULT_FPS, audio)
        self._writer = BackgroundWriter(
            self._file.write, self._file.close, f"cannot record to {path}", timeout=close_seconds
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


class VideoFile:
    """The file of a recording, used by one thread: a container with an H.264 encoder."""

    def __init__(self, path: Path, fps: float, audio: AudioTrack | None) -> None:
        """Nothing is opened before the first `write`; `audio` is written beside the pictures."""
        self._path, self._audio = path, audio
        self._rate = max(Fraction(fps).limit_denominator(1_000_000), MIN_FPS)
        self._container: Any = None
        self._stream: Any = None
        self._reformatter, self._matrix = VideoReformatter(), Colorspace.ITU709
        self._last_tick, self._keyframe_tick = -1, 0  # of the last frame; of the next key frame

    @property
    def opened(self) -> bool:
        """Whether there was a picture, and so a file."""
        return self._container is not None

    def write(self, picture: Frame) -> None:
        """Encode a picture, and the sound up to its end. Raises FFmpegError or OSError."""
        if self._container is None:
            self._open(*picture.image.shape[:2])
        image = fit(picture.image, self._stream.height, self._stream.width)
        frame = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="bgr24"),
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=ColorRange.MPEG,
            interpolation=ROUNDED,
        )
        frame.time_base, frame.pts = TIME_BASE, self._tick(picture.time)
        frame.duration = round(1 / self._rate / TIME_BASE)
        if frame.pts >= self._keyframe_tick:
            frame.pict_type = PictureType.I
            self._keyframe_tick = frame.pts + round(KEYFRAME_SECONDS / TIME_BASE)
        self._container.mux(self._stream.encode(frame))
        if self._audio is not None:
            self._audio.advance(float(frame.pts * TIME_BASE + 1 / self._rate))

    def close(self, complete: bool) -> None:
        """Finish the file. If it is not `complete`, because a write failed, the encoder is not
        flushed into it."""
        if self._container is None:
            return
        try:
            if complete:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _open(self, height: int, width: int) -> None:
        options = FRAGMENTS[self._path.suffix.lower()] | {
            "flush_packets": "1",
            "max_interleave_delta": MAX_INTERLEAVE_DELTA,
        }
        self._container = av.open(f"file:{self._path}", "w", options=options)
        self._stream = self._container.add_stream("h264", rate=self._rate, options=ENCODING)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = max(1, round(self._rate))
        self._stream.time_base = self._stream.codec_context.time_base = TIME_BASE
        self._matrix = standard_matrix(width, height)
        codec = self._stream.codec_context
        codec.color_range = ColorRange.MPEG
        codec.colorspace, codec.color_primaries, codec.color_trc = COLOURS[self._matrix]
        if self._audio is not None:
            self._audio.attach(self._container)

    def _tick(self, seconds: float) -> int:
        """The time in ticks, later than the last frame."""
        on_beat = round(seconds * self._rate) / self._rate
        if abs(seconds - on_beat) < SNAP_SHARE / self._rate:  # undo the rounding of containers
            seconds = float(on_beat)
        self._last_tick = max(round(seconds / TIME_BASE), self._last_tick + 1)
        return self._last_tick


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image (H, W, 3) at another size: an odd side is padded by a pixel, other sizes are
    letterboxed."""
    rows, columns = height - image.shape[0], width - image.shape[1]
    if rows == columns == 0:
        return image
    if rows in (0, 1) and columns in (0, 1):
        return cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
    return letterbox(image, height, width)

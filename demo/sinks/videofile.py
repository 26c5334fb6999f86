"""The file of a recording: H.264 and sound in a container."""

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from demo.frames import Frame
from demo.images import letterbox
from demo.sinks.audio import AudioTrack
from demo.sinks.encoder import PIXELS, TIME_BASE, Encoding, Picture, configure, opened
from demo.sinks.hardware import choose
from demo.sinks.pace import Pace
from demo.sources.decode.colour import standard_matrix

MIN_FPS = Fraction(1, 3600)  # a frame of more than 2**31 ticks crashes FFmpeg's mp4 writer
SNAP_SHARE = 0.1  # of a frame: a time this near to a multiple of 1 / fps is rounded to it
KEYFRAME_SECONDS = 1.0  # between key frames at most: a killed recording ends before the last one
MAX_INTERLEAVE_DELTA = "1000000"  # microseconds for which video waits for sound that has ended
FRAGMENTS = {  # options with which the file of a killed process is playable
    ".mkv": {"cluster_time_limit": "1000"},  # milliseconds
    ".mp4": {"movflags": "hybrid_fragmented"},
    ".mov": {"movflags": "hybrid_fragmented"},
}
VIDEO_SUFFIXES = set(FRAGMENTS)
MEAN_CHROMA = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INP  # of both pixels of a pair


class VideoFile:
    """The file of a recording, used by one thread: a container with an H.264 encoder."""

    def __init__(
        self, path: Path, fps: float, audio: AudioTrack | None, encoding: Encoding
    ) -> None:
        """Nothing is opened before the first `write`; `audio` is written beside the pictures."""
        self._path, self._audio, self._encoding = path, audio, encoding
        self._rate = max(Fraction(fps).limit_denominator(1_000_000), MIN_FPS)
        self._container: Any = None
        self._stream: Any = None
        self._encoder: Any = None  # the stream's own, or one that goes on after it
        self._step = 0  # of the encoder, in `_settings`
        self._reformatter = VideoReformatter()
        self._last_tick, self._keyframe_tick = -1, 0  # of the last frame; of the next key frame

    @property
    def opened(self) -> bool:
        """Whether there was a picture, and so a file."""
        return self._container is not None

    @property
    def reduced(self) -> bool:
        """Whether the quality was lower for a time, because the encoder was too slow."""
        return self.opened and self._pace.highest > 0

    def write(self, picture: Frame) -> None:
        """Encode a picture, and the sound up to its end. Raises FFmpegError or OSError."""
        if self._container is None:
            self._open(*picture.image.shape[:2])
        start = time.perf_counter()
        frame = self._converted(picture.image)
        frame.time_base, frame.pts = TIME_BASE, self._tick(picture.time)
        frame.duration = round(1 / self._rate / TIME_BASE)
        if frame.pts >= self._keyframe_tick:
            frame.pict_type = PictureType.I
            self._keyframe_tick = frame.pts + round(KEYFRAME_SECONDS / TIME_BASE)
        self._encode(frame)
        if self._audio is not None:
            self._audio.advance(float(frame.pts * TIME_BASE + 1 / self._rate))
        if self._encoding.live:
            self._pace.note(picture.time, time.perf_counter() - start)
            self._keep_pace()

    def close(self, complete: bool) -> None:
        """Finish the file. If it is not `complete`, because a write failed, the encoder is not
        flushed into it."""
        if self._container is None:
            return
        try:
            if complete:
                self._encode(None)
        finally:
            self._container.close()

    def _open(self, height: int, width: int) -> None:
        width, height = width + width % 2, height + height % 2
        self._picture = Picture(width, height, self._rate, standard_matrix(width, height))
        self._settings = choose(self._encoding, self._picture)
        self._pace = Pace(self._rate, len(self._settings))
        options = FRAGMENTS[self._path.suffix.lower()] | {
            "flush_packets": "1",
            "max_interleave_delta": MAX_INTERLEAVE_DELTA,
        }
        self._container = av.open(f"file:{self._path}", "w", options=options)
        self._stream = self._container.add_stream(self._settings[0].codec, rate=self._rate)
        self._stream.time_base = TIME_BASE
        self._encoder = self._stream.codec_context
        configure(self._encoder, self._settings[0], self._picture)
        if self._audio is not None:
            self._audio.attach(self._container)

    def _converted(self, image: np.ndarray) -> av.VideoFrame:
        """The image as the encoder takes it."""
        fitted = np.ascontiguousarray(fit(image, self._picture.height, self._picture.width))
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(fitted, format="bgr24"),
            format=PIXELS,
            dst_colorspace=self._picture.matrix,
            dst_color_range=ColorRange.MPEG,
            interpolation=MEAN_CHROMA,
            threads=1,
        )

    def _encode(self, frame: av.VideoFrame | None) -> None:
        """Encode a frame, or with None the ones that the encoder still holds."""
        for packet in self._encoder.encode(frame):
            packet.stream = self._stream
            self._container.mux(packet)

    def _keep_pace(self) -> None:
        """Let an encoder of another step go on, from a key frame, where that is needed."""
        if self._step == self._pace.step:
            return
        self._step = self._pace.step
        self._encode(None)
        self._encoder = opened(self._settings[self._step], self._picture)
        self._keyframe_tick = 0

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

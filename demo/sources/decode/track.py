"""The frames of a video track with their times, decoded past damaged packets."""

from collections.abc import Iterator
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError

from demo.sources.decode.completeness import StatedLength
from demo.sources.decode.timestamps import (
    ASCENT_SECONDS,
    ASSUMED_FPS,
    FileClock,
    PresentationTimes,
)
from demo.sources.decode.tracks import Tracks

DECODING_TIMES_ONLY = {"avi"}  # formats that state no presentation times


class VideoTrack:
    """The frames of a video track in the order of presentation, used by one thread."""

    def __init__(
        self, container: InputContainer, tracks: Tracks, fps: float | None, stated: StatedLength
    ) -> None:
        """Read `tracks.video` of an open container; `stated` takes note of its sound."""
        self._container, self._stream, self._sound = container, tracks.video, tracks.audio
        self._stated = stated
        self.clock = FileClock.of(container, self._stream)
        self._length = 1 / (fps or ASSUMED_FPS)  # seconds of a frame
        only = container.format.name in DECODING_TIMES_ONLY
        self._times = PresentationTimes(self._length, only)
        self._last: float | None = None  # seconds: time of the latest frame
        self._errors_before = 0  # packets that could not be decoded before the first frame
        self._errors = 0  # after it
        self._begins_within: bool | None = None  # a group of pictures; None before the first packet

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded so far.

        Those before the first frame do not count if the recording begins between two key frames.
        """
        return self._errors + (0 if self._begins_within else self._errors_before)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Yield every frame and its seconds on the file's clock, made continuous.

        Raises FFmpegError if the file cannot be read further.
        """
        found = False
        for packet in self._packets():
            try:
                frames = packet.decode()
            except FFmpegError:  # perhaps the next packet can be decoded
                self._times.drop()
                self._errors += found
                self._errors_before += not found
                continue
            for following, decoded in zip(reversed(range(len(frames))), frames, strict=True):
                found = True
                yield decoded, self._time(decoded, following)

    def _time(self, decoded: av.VideoFrame, following: int) -> float:
        """Seconds of a frame, later than those of the one before; `following` ones are decoded."""
        depth = self._stream.codec_context.reorder_depth
        seconds = self._times.of(decoded, depth, following)
        if not self.clock.shared:
            seconds = self.clock.continuous(self._stream.index, seconds, self._length)
        if self._last is not None and seconds <= self._last:  # damaged files repeat times
            seconds = self._last + min(ASCENT_SECONDS, self._length / 2)
        self._last = seconds
        return seconds

    def _packets(self) -> Iterator[Any]:
        """The packets of the video; those of the sound are noted on the way."""
        packets: Iterator[Any] = self._container.demux(self._stream, *self._container.streams.audio)
        for packet in packets:
            if packet.stream.index != self._stream.index:
                self._stated.note_audio(packet)
                if packet.stream == self._sound:
                    self.clock.restamp(packet)
                continue
            if self._begins_within is None:
                self._begins_within = not packet.is_keyframe
            if self.clock.shared:
                self.clock.restamp(packet)
            self._times.feed(packet)
            yield packet

"""The sound of a video file, carried over into its recording."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from demo.sources.timestamps import ContinuousTimestamps

COPIED = {  # by container, what players expect there beside H.264; others become AAC
    "mp4": {"aac", "mp3", "ac3", "opus"},
    "mov": {"aac", "mp3", "ac3"},
    "matroska": {"aac", "mp3", "ac3", "opus"},
}
RATE = 48_000  # samples a second, of AAC where it has no such rate as the source
SLOWEST_MP3 = 16_000  # samples a second, in mp4; what has fewer becomes AAC
AAC_SAMPLES = 1024  # of a frame


class AudioTrack:
    """The first sound track of a file, read beside the pictures and written up to their time."""

    def __init__(self, path: str, start: Callable[[], float]) -> None:
        """`start` tells where the first picture is on the file's clock, in seconds, once it was
        read. A file without sound that can be read has none: `exists` is False."""
        self._start = start
        self._input: Any = None
        self._source: Any = None
        with suppress(FFmpegError, OSError):
            self._input = av.open(f"file:{path}", metadata_errors="replace")
            self._source = next(iter(self._input.streams.audio), None)
        self.exists = self._source is not None and self._source.codec_context is not None
        self.failure: str | None = None  # what broke it off, in FFmpeg's words
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        self._last = -1  # time stamp of the last packet written

    def attach(self, container: Any) -> None:
        """Add the track to a container that is written, before its first picture."""
        self._output = container
        if self._is_copied(container.format.name):
            self._stream = container.add_stream_from_template(self._source)
            self._packets = self._copies()
        else:
            rate = self._source.rate
            rates = av.Codec("aac", "w").audio_rates or []
            self._stream = container.add_stream("aac", rate=rate if rate in rates else RATE)
            self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
            self._packets = self._encoded()

    def advance(self, seconds: float) -> None:
        """Write what is heard before this time of the recording, from its first picture on."""
        while (packet := self._waiting or self._next()) is not None:
            self._waiting = packet
            if packet.pts * packet.time_base >= seconds:
                return
            self._waiting = None
            if packet.pts > self._last:  # a damaged file may repeat itself
                self._last = packet.pts
                self._output.mux(packet)

    def close(self) -> None:
        """Close the file that was read."""
        if self._input is not None:
            self._input.close()

    def _is_copied(self, container: str) -> bool:
        name = self._source.codec.canonical_name
        slow = name == "mp3" and container == "mp4" and self._source.rate < SLOWEST_MP3
        return name in COPIED[container] and not slow

    def _next(self) -> Any:
        try:
            return next(self._packets, None)
        except FFmpegError as error:  # the pictures go on
            self.failure = error.strerror or str(error)
            return None

    def _copies(self) -> Iterator[Any]:
        """The packets as they are, in the recording's time."""
        clock = ContinuousTimestamps()
        for packet in self._input.demux(self._source):
            if packet.pts is not None:
                length = float((packet.duration or 0) * packet.time_base)
                seconds = clock(float(packet.pts * packet.time_base), length) - self._start()
                packet.pts = round(seconds / packet.time_base)
                packet.dts = packet.pts
                packet.stream = self._stream
                yield packet

    def _encoded(self) -> Iterator[Any]:
        """The sound as AAC packets, in the recording's time."""
        stream, whole = self._stream, self._resampler()
        for part in chain(self._alike(), [None]):
            for frame in whole.resample(part):
                yield from stream.encode(frame)
        yield from stream.encode(None)

    def _alike(self) -> Iterator[Any]:
        """The frames in the recording's time, layout and rate, though a broadcast may change its
        own at any time; one that ends there is shorter than the encoder takes."""
        clock, end, kind, resampler = ContinuousTimestamps(), 0.0, None, self._resampler()
        for frame in self._input.decode(self._source):
            if kind not in (None, _kind(frame)):
                yield from resampler.resample(None)
                resampler = self._resampler()
            kind, length = _kind(frame), frame.samples / frame.sample_rate
            told = end if frame.time is None else frame.time  # WMA's decoder holds the last back
            end = told + length
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round((clock(told, length) - self._start()) * frame.sample_rate)
            yield from resampler.resample(frame)
        yield from resampler.resample(None)

    def _resampler(self) -> Any:
        return av.AudioResampler("fltp", self._stream.layout, self._stream.rate, AAC_SAMPLES)


def _kind(frame: Any) -> tuple[str, str, int]:
    """What a resampler takes no change of."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def audio_of(source: str, start: Callable[[], float]) -> AudioTrack | None:
    """The sound of a source that is a file, None where there is none."""
    if not Path(source).is_file():
        return None
    sound = AudioTrack(source, start)
    return sound if sound.exists else None

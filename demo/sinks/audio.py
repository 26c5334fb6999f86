"""The sound of a video file, carried over into its recording."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from demo.events import Event, Notify, ignore
from demo.sources.timestamps import ContinuousTimestamps

COPIED_CODECS = {  # by container: what players expect beside H.264; other codecs become AAC
    "mp4": {"aac", "mp3", "ac3", "opus"},
    "mov": {"aac", "mp3", "ac3"},
    "matroska": {"aac", "mp3", "ac3", "opus"},
}
AAC_RATE = 48_000  # Hz, where AAC does not support the rate of the source
AAC_FRAME_SAMPLES = 1024
MIN_MP3_RATE = 16_000  # Hz, in mp4: FFmpeg refuses slower MP3 there; it becomes AAC


def audio_of(
    path: Path | str, first_pts: Callable[[], float], notify: Notify = ignore
) -> "AudioTrack | None":
    """The first audio track of a file; None if the path is not a file with sound that can be read.

    `first_pts` gives the time of the first frame on the file's clock, in seconds; it is called only
    after that frame was read. If the sound ends early, `notify` gets a warning at `close`.
    """
    if not Path(path).is_file():
        return None
    with suppress(FFmpegError, OSError):
        container = av.open(f"file:{path}", metadata_errors="replace")
        stream = next(iter(container.streams.audio), None)
        if stream is not None and stream.codec_context is not None:
            return AudioTrack(str(path), container, stream, first_pts, notify)
        container.close()
    return None


class AudioTrack:
    """An audio track that is read beside the frames and written up to their time.

    The thread that writes the recording calls `attach` and `advance`; `close` may come from
    another one. Packets get the time of the recording, which starts with the first frame.
    """

    def __init__(
        self,
        name: str,
        container: Any,
        stream: Any,
        first_pts: Callable[[], float],
        notify: Notify,
    ) -> None:
        """Take over an open PyAV container and its audio stream; see `audio_of`."""
        self._name, self._input, self._source = name, container, stream
        self._first_pts, self._notify = first_pts, notify
        self._reason = ""  # why the sound ends early
        self._packets: Iterator[Any] = iter(())
        self._next_packet: Any = None  # read, and not due yet
        self._last_pts = -1  # of the last packet written
        self._in_use = threading.Lock()  # held while the track is read
        self._closed = False

    def attach(self, container: Any) -> None:
        """Add the track to a container that is being written, before its first packet."""
        self._output = container
        if self._is_copied(container.format.name):
            self._stream = container.add_stream_from_template(self._source)
            self._packets = self._copied_packets()
        else:
            rate = self._source.rate
            rates = av.Codec("aac", "w").audio_rates or []
            self._stream = container.add_stream("aac", rate=rate if rate in rates else AAC_RATE)
            self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
            self._packets = self._encoded_packets()

    def advance(self, seconds: float) -> None:
        """Write the sound up to this time of the recording. Raises FFmpegError if the recording
        cannot be written; sound that cannot be read ends early, and the frames go on."""
        with self._in_use:
            if self._closed:
                return
            while (packet := self._next_packet or self._read()) is not None:
                self._next_packet = packet
                if packet.pts * packet.time_base >= seconds:
                    return
                self._next_packet = None
                if packet.pts > self._last_pts:  # a damaged file may repeat packets
                    self._last_pts = packet.pts
                    self._output.mux(packet)

    def close(self) -> None:
        """Close the file. If its sound ended early, notify once, from the calling thread. A second
        call does nothing. If a writer hangs in `advance`, the file stays open."""
        if self._closed:
            return
        self._closed = True
        if self._in_use.acquire(blocking=False):
            try:
                self._input.close()
            finally:
                self._in_use.release()
        if self._reason:
            text = f"the sound of {self._name} ends early: {self._reason}"
            self._notify(Event("warning", text, source=self._name))

    def _is_copied(self, container: str) -> bool:
        codec = self._source.codec.canonical_name
        slow = codec == "mp3" and container == "mp4" and self._source.rate < MIN_MP3_RATE
        return codec in COPIED_CODECS[container] and not slow

    def _read(self) -> Any:
        """The next packet; None at the end."""
        try:
            return next(self._packets, None)
        except FFmpegError as error:
            self._reason = error.strerror or str(error)
            return None

    def _copied_packets(self) -> Iterator[Any]:
        """The packets as they are, with the recording's time."""
        continuous = ContinuousTimestamps()
        for packet in self._input.demux(self._source):
            if packet.pts is not None:
                duration = float((packet.duration or 0) * packet.time_base)
                seconds = continuous(float(packet.pts * packet.time_base), duration)
                packet.pts = round((seconds - self._first_pts()) / packet.time_base)
                packet.dts = packet.pts
                packet.stream = self._stream
                yield packet

    def _encoded_packets(self) -> Iterator[Any]:
        """The sound as AAC packets, with the recording's time."""
        stream, whole = self._stream, self._resampler()  # whole frames of the encoder's size
        for part in chain(self._resampled(), [None]):
            for frame in whole.resample(part):
                yield from stream.encode(frame)
        yield from stream.encode(None)

    def _resampled(self) -> Iterator[Any]:
        """Audio frames with the recording's time, layout and rate, also where a broadcast changes
        its own; the last frame before a change is shorter than the encoder takes."""
        continuous, end, kind, resampler = ContinuousTimestamps(), 0.0, None, self._resampler()
        for frame in self._input.decode(self._source):
            if kind not in (None, _format_of(frame)):
                yield from resampler.resample(None)
                resampler = self._resampler()
            kind, duration = _format_of(frame), frame.samples / frame.sample_rate
            pts = end if frame.time is None else frame.time  # WMA: the last frame has no time
            end = pts + duration
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round((continuous(pts, duration) - self._first_pts()) * frame.sample_rate)
            yield from resampler.resample(frame)
        yield from resampler.resample(None)

    def _resampler(self) -> Any:
        layout, rate = self._stream.layout, self._stream.rate
        return av.AudioResampler("fltp", layout, rate, AAC_FRAME_SAMPLES)


def _format_of(frame: Any) -> tuple[str, str, int]:
    """Sample format, layout and rate: a resampler takes no change of them."""
    return frame.format.name, frame.layout.name, frame.sample_rate

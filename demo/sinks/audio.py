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
from demo.sinks import aac
from demo.sources.decode.timestamps import FileClock
from demo.sources.decode.tracks import Tracks, select_tracks

COPIED_CODECS = {  # by container: what players expect beside H.264; other codecs become AAC
    "mp4": {"aac", "mp3", "ac3", "opus"},
    "mov": {"aac", "mp3", "ac3"},
    "matroska": {"aac", "mp3", "ac3", "opus"},
}
MIN_MP3_RATE = 16_000  # Hz, in mp4: FFmpeg refuses slower MP3 there; it becomes AAC
MAX_JITTER = 0.05  # seconds: containers round times, and count them in the first rate of the sound


def audio_of(
    path: Path | str, first_pts: Callable[[], float], notify: Notify = ignore
) -> "AudioTrack | None":
    """The sound of a video file; None if the path is not a file with sound that can be read.

    `first_pts` gives the time of the first frame on the file's clock, in seconds; it is called only
    after that frame was read. If the sound ends early, `notify` gets a warning at `close`.
    """
    if not Path(path).is_file():
        return None
    with suppress(FFmpegError, OSError):
        container = av.open(f"file:{path}", metadata_errors="replace")
        tracks = select_tracks(container)
        if tracks is not None and tracks.audio is not None:
            return AudioTrack(str(path), container, tracks, first_pts, notify)
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
        tracks: Tracks,
        first_pts: Callable[[], float],
        notify: Notify,
    ) -> None:
        """Take over an open PyAV container and its tracks; see `audio_of`."""
        self._name, self._input, self._tracks = name, container, tracks
        self._source: Any = tracks.audio
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
            self._stream = container.add_stream("aac", rate=rate if rate in rates else aac.RATE)
            self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
            self._packets = aac.encoded(self._stream, self._frames(self._restamped()))

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

    def _restamped(self) -> Iterator[Any]:
        """The packets of the sound on the clock that the frames have."""
        clock = FileClock.of(self._input, self._tracks.video)
        for packet in self._input.demux(self._tracks.video, self._source):
            clock.restamp(packet)
            if packet.stream.index == self._source.index:
                yield packet

    def _copied_packets(self) -> Iterator[Any]:
        """The packets as they are, with the recording's time. From where AAC changes its rate or
        channels, it is encoded with those of its beginning: players do not expect a change."""
        packets, first = self._restamped(), None
        for packet in packets:
            if packet.pts is None:
                continue
            parameters = self._aac_parameters(packet)
            first = first or parameters
            if first and parameters and parameters != first:
                yield from self._continued(chain([packet], packets), first)
                return
            packet.pts -= round(self._first_pts() / packet.time_base)
            packet.dts = packet.pts
            packet.stream = self._stream
            yield packet

    def _aac_parameters(self, packet: Any) -> aac.Parameters | None:
        if self._source.codec.canonical_name != "aac":
            return None
        return aac.parameters_of(packet, self._source.codec_context.extradata)

    def _continued(self, packets: Iterator[Any], first: aac.Parameters) -> Iterator[Any]:
        """The packets encoded as AAC of the parameters that the track began with."""
        for packet in aac.encoded(aac.encoder_like(first), self._frames(packets)):
            whole = aac.with_header(packet, first)
            whole.pts = whole.dts = round(packet.pts * packet.time_base / self._source.time_base)
            whole.time_base, whole.stream = self._source.time_base, self._stream
            yield whole

    def _frames(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Decoded sound with the recording's time."""
        end: float | None = None  # of the latest frame, in seconds
        for frame in chain.from_iterable(packet.decode() for packet in packets):
            pts = frame.time  # None for the last frame of WMA
            if end is not None and (pts is None or abs(pts - end) < MAX_JITTER):
                pts = end
            pts = pts or 0.0
            end = pts + frame.samples / frame.sample_rate
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round((pts - self._first_pts()) * frame.sample_rate)
            yield frame

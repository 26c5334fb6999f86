"""AAC: the parameters of its packets, and an encoder for sound that changes its own."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

import av

RATE = 48_000  # Hz, where AAC does not support the rate of the source
FRAME_SAMPLES = 1024
RATES = (  # Hz, ISO 14496-3, table 1.18
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8000, 7350),
)
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "7.1"}
ADTS_BYTES = 7


class Parameters(NamedTuple):
    """What a player must know before it decodes AAC."""

    profile: int  # ISO 14496-3, table 1.17
    rate_index: int  # of RATES
    channels: int  # ISO 14496-3, table 1.19
    adts: bool  # every packet begins with them

    @property
    def rate(self) -> int:
        """Samples per second before spectral band replication."""
        return RATES[self.rate_index] if self.rate_index < len(RATES) else RATE

    def header(self, size: int) -> bytes:
        """The ADTS header of a packet of `size` bytes; empty if packets have none."""
        if not self.adts:
            return b""
        length = size + ADTS_BYTES
        bits = (0xFFF1 << 40) | (self.profile - 1 << 38) | (self.rate_index << 34)
        bits |= (self.channels << 30) | (length << 13) | 0x1FFC
        return bits.to_bytes(ADTS_BYTES, "big")


def parameters_of(packet: Any, extradata: bytes | None) -> Parameters | None:
    """The parameters of an AAC packet: its own, or those of the track's `extradata`."""
    start = bytes(memoryview(packet)[:ADTS_BYTES]) if packet.size >= ADTS_BYTES else b""
    if start[:1] == b"\xff" and start[1] & 0xF6 == 0xF0:
        bits = int.from_bytes(start, "big")
        return Parameters((bits >> 38 & 3) + 1, bits >> 34 & 15, bits >> 30 & 7, adts=True)
    if packet.has_sidedata("new_extradata"):
        extradata = bytes(packet.get_sidedata("new_extradata"))
    if extradata is None or len(extradata) < 2:
        return None
    bits = int.from_bytes(extradata[:2], "big")
    return Parameters(bits >> 11, bits >> 7 & 15, bits >> 3 & 15, adts=False)


def encoder_like(parameters: Parameters) -> Any:
    """An encoder whose packets continue a track of these parameters."""
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.rate, encoder.layout = parameters.rate, LAYOUTS.get(parameters.channels, "stereo")
    encoder.format, encoder.time_base = "fltp", Fraction(1, parameters.rate)
    return encoder


def encoded(encoder: Any, frames: Iterable[Any]) -> Iterator[Any]:
    """The packets of audio frames that have their time of the recording.

    `encoder`: a stream or a codec context. The frames may change layout and rate.
    """
    whole = _resampler(encoder)  # whole frames of the encoder's size
    for part in chain(_resampled(encoder, frames), [None]):
        for frame in whole.resample(part):
            yield from encoder.encode(frame)
    yield from encoder.encode(None)


def with_header(packet: Any, parameters: Parameters) -> Any:
    """The packet as a track of these parameters holds it, without a time."""
    content = bytes(packet)
    return av.Packet(parameters.header(len(content)) + content)


def _resampled(encoder: Any, frames: Iterable[Any]) -> Iterator[Any]:
    """Audio frames with the layout and rate of the encoder; the last one before a change of the
    source is shorter than the encoder takes."""
    kind, resampler = None, _resampler(encoder)
    for frame in frames:
        if kind not in (None, _format_of(frame)):
            yield from resampler.resample(None)
            resampler = _resampler(encoder)
        kind = _format_of(frame)
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _resampler(encoder: Any) -> Any:
    return av.AudioResampler("fltp", encoder.layout, encoder.rate, FRAME_SAMPLES)


def _format_of(frame: Any) -> tuple[str, str, int]:
    """Sample format, layout and rate: a resampler takes no change of them."""
    return frame.format.name, frame.layout.name, frame.sample_rate

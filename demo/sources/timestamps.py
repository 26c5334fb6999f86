"""When packets and frames are shown: continuous and ascending, whatever the file's clock does."""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import av
from av.container import InputContainer

CLOCK_RESTART_SECONDS = 0.5  # a larger step back is a restart; damaged files repeat less
# A larger step ahead is no pause: screens stand still and cameras wait for motion for minutes.
JUMP_SECONDS = 1800.0
MPEG_JUMP_SECONDS = 10.0  # the same where ISO 13818-1 allows 0.7 s at most; FFmpeg takes 10 s
MPEG_FORMATS = {"mpegts", "mpeg", "hls"}
PAUSE_FRAMES = 10  # at least: a time-lapse has hours between its frames
ASCENT_SECONDS = 0.001  # between two frames at least
MAX_REORDER = 32  # frames that a decoder holds back, at most
ASSUMED_FPS = 25.0  # of a file that states no frame rate
MIN_RATE_CHANGE = 1.5  # between the two rates that a file states, for the average to be wrong


def frame_rate(stream: av.VideoStream) -> float | None:
    """Frames per second; None if the container states none.

    The average over the file is wrong where empty packets count as frames, or where the picture
    stands still for long.
    """
    average, usual = stream.average_rate, stream.guessed_rate
    if average and usual and (average > usual * MIN_RATE_CHANGE or 3 * average < usual <= 120):
        return float(usual)
    rate = average or usual
    return float(rate) if rate else None


@dataclass
class _Track:
    """Where one track of a file is."""

    offset: float  # seconds to add to the file's clock
    last: float  # seconds: decoding time of the latest packet, offset included


class FileClock:
    """Makes the clock of a file continuous where it restarts or jumps ahead by far.

    All tracks get the same offset, so that they stay in step. Two clocks that see the same packets
    give the same times.
    """

    def __init__(self, limit: float = JUMP_SECONDS, length: float = 0.04) -> None:
        """`limit`: seconds of a pause; a longer one is a jump of the clock. `length`: seconds of a
        packet that states none."""
        self._limit, self._length = limit, length
        self._tracks: dict[int, _Track] = {}
        self._offset = 0.0  # the newest one
        self._end: float | None = None  # seconds: end of the latest packet of all tracks
        self.jumps: deque[tuple[float, float]] = deque()  # when it jumped ahead, how far: seconds
        self.skipped = 0.0  # seconds of all jumps ahead

    @classmethod
    def of(cls, container: InputContainer, video: av.VideoStream) -> "FileClock":
        """A clock for the packets of this container."""
        limit = MPEG_JUMP_SECONDS if container.format.name in MPEG_FORMATS else JUMP_SECONDS
        rate = video.base_rate or video.average_rate
        length = float(1 / rate) if rate else 1 / ASSUMED_FPS
        return cls(max(limit, PAUSE_FRAMES * length), length)

    def restamp(self, packet: Any) -> None:
        """Put a packet on the continuous clock, before it is decoded."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return
        base = packet.time_base
        shown = packet.pts if packet.pts is not None else stamp
        length = float((packet.duration or 0) * base)
        offset = self.offset(packet.stream.index, float(stamp * base), float(shown * base), length)
        if offset:
            ticks = round(offset / base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def offset(self, index: int, stamp: float, shown: float, length: float) -> float:
        """Seconds to add to a packet of the track `index`.

        `stamp` is its decoding time and `shown` its presentation time on the file's clock,
        `length` its duration, in seconds.
        """
        end = shown if self._end is None else self._end
        track = self._tracks.setdefault(index, _Track(self._offset, stamp + self._offset))
        if not self._follows(track, stamp + track.offset, end):
            if not self._follows(track, stamp + self._offset, end):
                self._join(stamp + track.offset, shown, end)
            track.offset = self._offset
            track.last = stamp + track.offset
        track.last = max(track.last, stamp + track.offset)
        known = 0 < length < self._limit  # a longer one reaches over a jump
        self._end = max(end, shown + track.offset + (length if known else self._length))
        return track.offset

    def _follows(self, track: _Track, seconds: float, end: float) -> bool:
        return track.last - CLOCK_RESTART_SECONDS <= seconds <= end + self._limit

    def _join(self, seconds: float, shown: float, end: float) -> None:
        """Begin a new offset with this packet, where the earlier ones end."""
        if seconds > end:
            self.jumps.append((end, seconds - end))
            self.skipped += seconds - end
        self._offset = end - shown


class PresentationTimes:
    """The times of decoded frames, which ascend.

    Some containers state only when a packet is decoded, such as AVI. There, the frames get these
    times in ascending order.
    """

    def __init__(self, length: float, decoding_times: bool) -> None:
        """`length`: seconds of a frame that has no time. `decoding_times`: the container never
        states presentation times."""
        self._length, self._decoding_times = length, decoding_times
        self._pending: list[int] = []  # heap: times of packets whose frames are not yet out, ticks
        self._delays: set[int] = set()  # ticks between decoding and presentation of packets
        self._anchor, self._since = 0.0, -1  # latest stated time; frames since then
        self._last: float | None = None

    def feed(self, packet: Any) -> None:
        """Note a packet before it is decoded."""
        stamp = packet.dts if self._decoding_times else packet.pts
        if stamp is None or not packet.size:
            return
        heappush(self._pending, stamp)
        if len(self._pending) > MAX_REORDER:
            heappop(self._pending)
        if packet.pts is not None and packet.dts is not None and len(self._delays) < 2:
            self._delays.add(packet.pts - packet.dts)

    def drop(self) -> None:
        """Note that a packet gives no frame."""
        if self._pending:
            heappop(self._pending)

    def of(self, decoded: Any, reordered: bool) -> float:
        """Seconds of a decoded frame on the file's clock, later than those of the one before.

        `reordered`: the frames were stored in another order than they are shown.
        """
        stated = self._stated(decoded, reordered)
        self._since += 1
        if stated is not None:
            self._anchor, self._since = stated, 0
        seconds = self._anchor + self._since * self._length
        if self._last is not None and seconds <= self._last:
            seconds = self._last + min(ASCENT_SECONDS, self._length / 2)
        self._last = seconds
        return seconds

    def _stated(self, decoded: Any, reordered: bool) -> float | None:
        if self._pending:
            first = heappop(self._pending)
            unordered = reordered and len(self._delays) == 1 and first != decoded.pts
            if self._decoding_times or unordered:
                return float(first * decoded.time_base)
            while self._pending and decoded.pts is not None and self._pending[0] <= decoded.pts:
                heappop(self._pending)
        return None if decoded.time is None else float(decoded.time)

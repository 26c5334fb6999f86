"""When packets and frames are shown: continuous and ascending, whatever the file's clock does."""

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

    last: float  # seconds: latest time, offset included
    end: float  # seconds: end of the latest frame or packet
    offset: float = 0.0  # seconds to add to the file's clock
    part: int = 0  # how often its clock restarted or jumped


class FileClock:
    """Makes the clock of a file continuous where it restarts, or jumps ahead by far.

    Nothing is left out while another track goes on: a slide may stand still while someone speaks.
    In MPEG streams, where recordings are joined by copying one behind the other, sound takes the
    offset of the video, so that they stay in step.
    """

    def __init__(self, video: int, shared: bool, limit: float, length: float) -> None:
        """`video`: index of the track. `shared`: its offsets hold for the sound. `limit`: seconds
        of a pause; a longer one is a jump. `length`: seconds of a packet that states none."""
        self._video, self._shared, self._limit, self._length = video, shared, limit, length
        self._tracks: dict[int, _Track] = {}
        self.jumps: list[tuple[float, float]] = []  # of the video: when, how far, in seconds
        self.skipped = 0.0  # seconds of all jumps of the video

    @classmethod
    def of(cls, container: InputContainer, video: av.VideoStream) -> "FileClock":
        """A clock for this container."""
        mpeg = container.format.name in MPEG_FORMATS
        limit = MPEG_JUMP_SECONDS if mpeg else JUMP_SECONDS
        rate = video.base_rate or video.average_rate
        length = float(1 / rate) if rate else 1 / ASSUMED_FPS
        return cls(video.index, mpeg, max(limit, PAUSE_FRAMES * length), length)

    @property
    def shared(self) -> bool:
        """Whether packets of the video are restamped; else the times of its frames are."""
        return self._shared

    def restamp(self, packet: Any) -> None:
        """Put a packet on the continuous clock, before it is decoded."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return
        base = packet.time_base
        seconds, length = float(stamp * base), float((packet.duration or 0) * base)
        if ticks := round((self.continuous(packet.stream.index, seconds, length) - seconds) / base):
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def continuous(self, index: int, seconds: float, length: float) -> float:
        """The continuous time of a frame or packet of the track `index`, in seconds.

        `seconds`: its time on the file's clock. `length`: its duration, 0 if unknown.
        """
        if index not in self._tracks:
            self._tracks[index] = self._begin(seconds)
        track = self._tracks[index]
        if not self._follows(track, seconds + track.offset):
            self._join(index, track, seconds)
        time = seconds + track.offset
        if not 0 < length < self._limit:  # unknown, or it reaches over a jump
            length = self._length
        track.last, track.end = max(track.last, time), max(track.end, time + length)
        return time

    def _begin(self, seconds: float) -> _Track:
        """The state of a track before its first packet."""
        video = self._tracks.get(self._video) if self._shared else None
        offset, part = (video.offset, video.part) if video else (0.0, 0)
        return _Track(seconds + offset, seconds + offset, offset, part)

    def _follows(self, track: _Track, time: float) -> bool:
        end = max(each.end for each in self._tracks.values())
        return track.last - CLOCK_RESTART_SECONDS <= time <= end + self._limit

    def _join(self, index: int, track: _Track, seconds: float) -> None:
        """Change the offset of a track whose clock has restarted or jumped."""
        video = self._tracks.get(self._video)
        if index == self._video:
            self._note_jump(track, seconds)
        behind = self._shared and video is not None and video.part > track.part
        if video and behind and self._follows(track, seconds + video.offset):
            track.offset, track.part = video.offset, video.part
            return
        track.offset, track.part = track.end - seconds, track.part + 1
        track.last = track.end
        if index == self._video and self._shared:
            for each in self._tracks.values():
                if each is not track and each.part >= track.part:  # its packets came first
                    change = track.offset - each.offset
                    each.last, each.end = each.last + change, each.end + change
                    each.offset = track.offset

    def _note_jump(self, track: _Track, seconds: float) -> None:
        jump = seconds + track.offset - track.end
        if jump > 0:
            self.skipped += jump
            self.jumps.append((track.end, jump))


class PresentationTimes:
    """The times of decoded frames on the file's clock.

    Some containers state only when a packet is decoded, such as AVI. There, the frames get these
    times in ascending order.
    """

    def __init__(self, length: float, decoding_times: bool) -> None:
        """`length`: seconds of a frame that has no time. `decoding_times`: the container never
        states presentation times."""
        self._length, self._decoding_times = length, decoding_times
        self._pending: list[int] = []  # heap: times of packets whose frames are not yet out, ticks
        self._began = False  # with a key frame
        self._held: int | None = None  # frames that the decoder holds back besides reordering
        self._delays: set[int] = set()  # ticks between decoding and presentation of packets
        self._anchor, self._since = 0.0, -1  # latest stated time; frames since then

    def feed(self, packet: Any) -> None:
        """Note a packet before it is decoded."""
        stamp = packet.dts if self._decoding_times else packet.pts
        if stamp is None or not packet.size:
            return
        if packet.is_keyframe and not self._began:
            self._began = True
            self._pending.clear()  # packets before the first key frame give no frames
        heappush(self._pending, stamp)
        if packet.pts is not None and packet.dts is not None and len(self._delays) < 2:
            self._delays.add(packet.pts - packet.dts)

    def drop(self) -> None:
        """Note that a packet gives no frame."""
        if self._pending:
            heappop(self._pending)

    def of(self, decoded: Any, depth: int, following: int) -> float:
        """Seconds of a decoded frame on the file's clock.

        `depth`: by how many frames the order of storage differs from that of presentation.
        `following`: frames that the decoder gave together with this one, after it.
        """
        if self._held is None:
            self._held = max(len(self._pending) - 1 - following - depth, 0)
        stated = self._stated(decoded, depth, following)
        self._since += 1
        if stated is not None:
            self._anchor, self._since = stated, 0
        return self._anchor + self._since * self._length

    def _stated(self, decoded: Any, depth: int, following: int) -> float | None:
        while len(self._pending) > 1 + (self._held or 0) + depth + following:
            heappop(self._pending)  # it gave no frame, because of damage
        if self._pending:
            first = heappop(self._pending)
            unordered = depth > 0 and len(self._delays) == 1 and first != decoded.pts
            if self._decoding_times or unordered:
                return float(first * decoded.time_base)
            while self._pending and decoded.pts is not None and self._pending[0] <= decoded.pts:
                heappop(self._pending)
        return None if decoded.time is None else float(decoded.time)

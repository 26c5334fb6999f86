"""Whether a video holds all that its file states."""

from typing import Any

import av
from av.container import InputContainer

from demo.sources.decode.timestamps import ASSUMED_FPS

COMPLETE_SHARE = (
    0.98  # of the frames or the duration that the file states; with less, it ends early
)
END_FORMATS = {"flv", "asf", "nut"}  # that state their end on the clock as their duration
LAST_FRAME_SECONDS = 0.25  # how long the last frame may last, if not as long as the others


class StatedLength:
    """The length of a video as its file states it, and where its sound ends."""

    def __init__(self, container: InputContainer, video: av.VideoStream, fps: float | None) -> None:
        """`fps`: frames per second, None if the file does not state them."""
        self._container, self._video, self._fps = container, video, fps
        self._audio_end = 0.0  # seconds on the file's clock: end of the latest audio packet

    def note_audio(self, packet: Any) -> None:
        """Note a packet of sound, with the time that the file states."""
        if packet.pts is not None:
            end = packet.pts + (packet.duration or 0)
            self._audio_end = max(self._audio_end, float(end * packet.time_base))

    def frames(self) -> int | None:
        """Number of frames; None if unknown."""
        average = self._video.average_rate  # higher than the rate if empty packets count
        if self._video.frames and not (average and self._fps and average > self._fps + 1):
            return int(self._video.frames)
        duration = self._container.duration
        return round(duration / av.time_base * self._fps) if duration and self._fps else None

    def is_short(self, frames: int, seconds: float, first_pts: float) -> bool:
        """Whether the file states more frames and a longer duration than there were.

        `seconds`: from the first frame, at `first_pts` on the file's clock, to the last one. The
        number of frames alone is not enough: an editor may have hidden frames that still count.
        """
        if self._video.frames and frames >= COMPLETE_SHARE * self._video.frames - 1:
            return False
        last_frame = max(LAST_FRAME_SECONDS, 1 / (self._fps or ASSUMED_FPS))
        before = 0.0  # of a recording that begins between two key frames
        if self._video.start_time is not None and self._video.time_base is not None:
            before = max(first_pts - float(self._video.start_time * self._video.time_base), 0.0)
        return before + seconds + last_frame < COMPLETE_SHARE * self._seconds(first_pts)

    def _seconds(self, first_pts: float) -> float:
        """Duration of the video track, in seconds.

        If the file only states the duration of all tracks together: that one, or 0 if the audio
        lasted as long.
        """
        start = (self._container.start_time or 0) / av.time_base
        if self._video.duration and self._video.time_base:
            return self._length(float(self._video.duration * self._video.time_base), start)
        try:  # in Matroska: from the start of the file to the end of this track
            hours, minutes, seconds = self._video.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - first_pts
        except (KeyError, ValueError):
            whole = self._length((self._container.duration or 0) / av.time_base, start)
            return whole if self._audio_end - start < COMPLETE_SHARE * whole else 0.0

    def _length(self, stated: float, start: float) -> float:
        """Seconds of a stated duration, which in END_FORMATS counts from 0 of the clock."""
        late = self._container.format.name in END_FORMATS and 0 < start < stated
        return stated - start if late else stated

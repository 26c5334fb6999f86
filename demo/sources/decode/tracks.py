"""Which tracks of a file or stream are its picture and its sound."""

from typing import Any, NamedTuple

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

NEVER_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails  # covers and previews
LAST_VIDEO = (  # taken if there is no other
    Disposition.still_image
    | Disposition.dependent
    | Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.non_diegetic
    | Disposition.metadata
)
LAST_AUDIO = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.descriptions
    | Disposition.clean_effects
    | Disposition.karaoke
    | Disposition.non_diegetic
    | Disposition.dependent
)
VARIANT_FORMATS = {"hls", "dash"}  # the same video in several qualities, each with its sound


class Tracks(NamedTuple):
    """The tracks that are read."""

    video: av.VideoStream
    audio: av.AudioStream | None


def select_tracks(container: InputContainer) -> Tracks | None:
    """Choose picture and sound, and let FFmpeg skip the other videos; None if there is no video.

    Pictures beside music are no video. A default track comes before others, then the largest one,
    then the first. Commentary and sound for the impaired are taken only if there is nothing else.
    """
    videos = [s for s in container.streams.video if s.codec_context and not _is(s, NEVER_VIDEO)]
    if not videos:
        return None
    video = max(videos, key=_video_rank)
    audio = _audio_beside(container, video)
    for stream in container.streams:
        beside = stream.type == "audio" and container.format.name not in VARIANT_FORMATS
        if stream.type in ("video", "audio") and stream not in (video, audio) and not beside:
            stream.discard = Discard.all
    return Tracks(video, audio)


def _audio_beside(container: InputContainer, video: av.VideoStream) -> Any:
    sounds = [s for s in container.streams.audio if s.codec_context]
    programs = len(container.streams.video) > 1 and container.format.name == "mpegts"
    if programs or container.format.name in VARIANT_FORMATS:
        related = container.streams.best("audio", related=video)
        if related in sounds and not _is(related, LAST_AUDIO):
            return related
    return max(sounds, key=_audio_rank, default=None)


def _video_rank(stream: av.VideoStream) -> tuple[bool, bool, int, int]:
    bits = stream.metadata.get("variant_bitrate", "")
    rate = int(bits) if bits.isdecimal() else stream.bit_rate or 0
    pixels = stream.width * stream.height
    return not _is(stream, LAST_VIDEO), _is(stream, Disposition.default), pixels, rate


def _audio_rank(stream: Any) -> tuple[bool, bool]:
    return not _is(stream, LAST_AUDIO), _is(stream, Disposition.default)


def _is(stream: Any, disposition: Disposition) -> bool:
    return bool(stream.disposition & disposition)

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

import stream
from demo.errors import UserError
from demo.sources.decode.tracks import select_tracks
from demo.sources.open import open_source
from tests.sources.fakes import frames_and_events
from tests.synthetic import jpeg

COVER = Disposition.attached_pic


def add_video(container: Any, size: tuple[int, int], disposition: Disposition) -> Any:
    """A track of the size (height, width)."""
    track = container.add_stream("h264", rate=25)
    track.height, track.width, track.pix_fmt = *size, "yuv420p"
    track.disposition = disposition
    return track


def write_videos(path: Path, *tracks: tuple[tuple[int, int], int]) -> None:
    """Tracks of three frames each, of a size (height, width) and a disposition."""
    with av.open(str(path), "w") as container:
        added = [add_video(container, size, Disposition(flags)) for size, flags in tracks]
        for (size, _), track in zip(tracks, added, strict=True):
            for _ in range(3):
                image = av.VideoFrame.from_ndarray(np.zeros((*size, 3), np.uint8), format="bgr24")
                container.mux(track.encode(image))
            container.mux(track.encode(None))


def write_music(path: Path, codec: str, dispositions: tuple[int, ...] = (0,), cover: bool = True,
                video: bool = False) -> None:  # fmt: skip
    """A second of silence per disposition, with a cover before it and a video of one frame."""
    with av.open(str(path), "w") as container:
        if cover:
            picture = container.add_stream("mjpeg")
            picture.height, picture.width, picture.pix_fmt = 32, 48, "yuvj420p"
            picture.disposition = COVER
        sounds: list[Any] = [container.add_stream(codec, rate=44_100) for _ in dispositions]
        shown = add_video(container, (24, 16), Disposition(0)) if video else None
        for sound, flags in zip(sounds, dispositions, strict=True):
            sound.disposition = Disposition(flags)
        if cover:
            packet = av.Packet(jpeg(np.zeros((32, 48, 3), np.uint8)))
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            container.mux(packet)
        for sound in sounds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), "fltp", "mono")
            silence.sample_rate = 44_100
            context = sound.codec_context
            whole = av.AudioResampler(context.format.name, context.layout, 44_100,
                                      context.frame_size or 1024)  # fmt: skip
            for part in whole.resample(silence) + whole.resample(None):
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
        if shown is not None:
            image = av.VideoFrame.from_ndarray(np.zeros((24, 16, 3), np.uint8), format="bgr24")
            container.mux(shown.encode(image))
            container.mux(shown.encode(None))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp3", "libmp3lame"), ("a.mp4", "aac"), ("a.flac", "flac")]
)
def test_the_cover_of_music_is_no_video(tmp_path, name, codec, capsys):
    path = tmp_path / name
    write_music(path, codec)
    with av.open(str(path)) as container:
        assert [s.disposition & COVER for s in container.streams.video] == [COVER]
    assert stream.main(f"--no-display -s {path}".split()) == 2
    line = f"cannot read {path}: there is no video in it that can be decoded (covers of music are"
    assert line in capsys.readouterr().err


def test_sound_alone_is_no_video(tmp_path):
    write_music(tmp_path / "a.mka", "aac", cover=False)
    with pytest.raises(UserError, match="there is no video in it"):
        open_source(str(tmp_path / "a.mka"))


def test_a_video_behind_its_cover_is_read(tmp_path):
    write_music(tmp_path / "a.mp4", "aac", video=True)
    with open_source(str(tmp_path / "a.mp4")) as source:
        (frame,), events = frames_and_events(source)
    assert frame.image.shape == (24, 16, 3)
    assert not events


SMALL, LARGE, HUGE = (24, 16), (48, 32), (96, 64)
DEFAULT = int(Disposition.default)
IMPAIRED = int(Disposition.visual_impaired)


@pytest.mark.parametrize(
    ("tracks", "chosen"),
    [
        ([(SMALL, 0), (LARGE, DEFAULT), (HUGE, 0)], LARGE),
        ([(SMALL, 0), (HUGE, 0), (LARGE, 0)], HUGE),
        ([(SMALL, DEFAULT), (HUGE, DEFAULT)], HUGE),
        ([(HUGE, IMPAIRED | DEFAULT), (SMALL, 0)], SMALL),
        ([(LARGE, IMPAIRED)], LARGE),
    ],
    ids=["the default", "the largest", "the largest default", "no special one", "the only one"],
)
def test_of_several_videos_one_is_read(tmp_path, tracks, chosen):
    write_videos(tmp_path / "a.mkv", *tracks)
    with open_source(str(tmp_path / "a.mkv")) as source:
        frames, events = frames_and_events(source)
    assert [frame.image.shape[:2] for frame in frames] == [chosen] * 3
    assert not events


@pytest.mark.parametrize(
    ("dispositions", "chosen"),
    [
        ((0, 0), 0),
        ((0, DEFAULT), 1),
        ((int(Disposition.comment), 0), 1),
        ((DEFAULT | IMPAIRED, 0), 1),
        ((int(Disposition.comment),), 0),
    ],
)
def test_of_several_sounds_the_default_is_taken_and_no_commentary(tmp_path, dispositions, chosen):
    write_music(tmp_path / "a.mkv", "aac", dispositions, cover=False, video=True)
    with av.open(str(tmp_path / "a.mkv")) as container:
        tracks = select_tracks(container)
        assert tracks is not None
        assert tracks.audio == container.streams.audio[chosen]


def test_the_best_variant_of_a_master_list_is_read_with_its_sound(tmp_path):
    lines = ["#EXTM3U"]
    for name, size, rate in (("low", SMALL, 20_000), ("high", LARGE, 90_000), ("mid", SMALL, 50)):
        write_variant(tmp_path / f"{name}.ts", size)
        media = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.12,", f"{name}.ts"]
        (tmp_path / f"{name}.m3u8").write_text("\n".join([*media, "#EXT-X-ENDLIST", ""]))
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={rate}", f"{name}.m3u8"]
    (tmp_path / "master.m3u8").write_text("\n".join([*lines, ""]))
    with av.open(str(tmp_path / "master.m3u8")) as container:
        tracks = select_tracks(container)
        assert tracks is not None
        assert (tracks.video.height, tracks.video.width) == LARGE
        assert tracks.audio is not None
        assert tracks.audio.metadata["variant_bitrate"] == "90000"


def write_variant(path: Path, size: tuple[int, int]) -> None:
    """Three frames with sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264", rate=25)
        video.height, video.width, video.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("aac", rate=44_100)
        for k in range(3):
            image = av.VideoFrame.from_ndarray(np.zeros((*size, 3), np.uint8), format="bgr24")
            container.mux(video.encode(image))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 44_100, 1024 * k
            container.mux(sound.encode(silence))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))

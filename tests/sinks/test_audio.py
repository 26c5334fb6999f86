"""A clip that beeps and flashes at the same moment, recorded: it still does."""

import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import stream
from demo.errors import UserError
from demo.events import Event, ignore
from demo.frames import Frame
from demo.sinks.audio import AudioTrack, audio_of
from demo.sinks.video import VideoRecorder
from demo.sinks.videofile import VideoFile
from demo.sources.decode.tracks import Tracks
from demo.sources.open import open_source
from demo.sources.video import VideoSource
from tests.sources.fakes import frames_and_events

FPS, SECONDS, MOMENT = 25, 3, 2.0
NO_TRACKS: Any = Tracks(None, None)  # type: ignore[arg-type]


def write_beep(
    path: Path,
    codec: str,
    rate: int,
    late: float = 0.0,
    heard: float = SECONDS,
    layout: str = "mono",
) -> None:
    """White from second MOMENT on, and a tone of 440 Hz; the picture starts `late` seconds after
    the sound, which ends after `heard` seconds."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Latin1"
        video = container.add_stream("h264", rate=FPS, options={"bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream(codec, rate=rate)
        sound.layout, sound.bit_rate = layout, 64_000
        for k in range(SECONDS * FPS):
            image = np.full((48, 64, 3), 255 * (k >= MOMENT * FPS), np.uint8)
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = k + round(late * FPS), Fraction(1, FPS)
            container.mux(video.encode(picture))
        at = np.arange(int(rate * heard)) / rate
        wave = np.where(at >= MOMENT + late, np.sin(2 * np.pi * 440 * at) / 2, 0)
        tone = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
        tone.sample_rate, tone.pts, tone.time_base = rate, 0, Fraction(1, rate)
        context = sound.codec_context
        resampler = av.AudioResampler(context.format.name, layout, rate, context.frame_size or 1024)
        for part in resampler.resample(tone) + resampler.resample(None):
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
        container.mux(video.encode(None))


def record(source: Path, target: Path, frames: int | None = None) -> list[Event]:
    """Record a file with its sound, and return the messages."""
    events: list[Event] = []
    with VideoSource(str(source)) as video:
        audio = audio_of(source, lambda: video.first_pts, events.append)
        with VideoRecorder(target, video.fps, audio) as recorder:
            for frame in video:
                recorder.write(frame)
                if frame.index + 1 == frames:
                    break
    return events


def beep(path: Path) -> tuple[str, float | None, float]:
    """Codec of the sound, when it is first loud, and when it ends, in seconds."""
    with av.open(str(path)) as container:
        stream, first, end = container.streams.audio[0], None, 0.0
        for part in container.decode(stream):
            wave = np.abs(av.AudioResampler("fltp").resample(part)[0].to_ndarray()[0])
            if first is None and (wave > 0.2).any():
                assert part.time is not None
                first = part.time + float(np.argmax(wave > 0.2)) / stream.rate
            end = (end if part.time is None else part.time) + part.samples / stream.rate
        return stream.codec.canonical_name, first, end


def flash(path: Path) -> tuple[float, int]:
    """When the picture is first white, and how many pictures there are."""
    with av.open(str(path)) as container:
        pictures = [(p.time, p.to_ndarray(format="gray").mean()) for p in container.decode(video=0)]
    return next(time for time, mean in pictures if mean > 128), len(pictures)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("name", "codec", "rate", "kept"),
    [
        ("a.mp4", "aac", 44_100, "aac"),
        ("a.ts", "aac", 44_100, "aac"),
        ("a.mkv", "libmp3lame", 44_100, "mp3"),
        ("a.mkv", "ac3", 48_000, "ac3"),
        ("a.mkv", "libopus", 48_000, "opus"),
        ("a.mkv", "flac", 44_100, "aac"),
        ("a.mkv", "pcm_s16le", 22_254, "aac"),
    ],
)
def test_the_sound_of_a_file_is_in_its_recording_and_in_time(tmp_path, suffix, name, codec, rate,
                                                             kept):  # fmt: skip
    source, target = tmp_path / name, tmp_path / f"out{suffix}"
    write_beep(source, codec, rate)
    record(source, target)
    codec_name, first, end = beep(target)
    assert codec_name == ("aac" if (kept, suffix) == ("opus", ".mov") else kept)
    assert flash(target) == (pytest.approx(MOMENT, abs=2e-3), SECONDS * FPS)
    assert first == pytest.approx(MOMENT, abs=0.003)
    assert end == pytest.approx(SECONDS, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_wma_whose_decoder_holds_its_last_frame_back_is_as_it_was(tmp_path, suffix):
    source, target = tmp_path / "a.wmv", tmp_path / f"out{suffix}"
    write_beep(source, "wmav2", 44_100)
    record(source, target)
    (_, heard, last), (seen, _) = beep(source), flash(source)  # its encoder is early
    assert heard is not None
    codec_name, first, end = beep(target)
    assert codec_name == "aac"
    assert first is not None
    assert first - MOMENT == pytest.approx(heard - seen, abs=0.003)
    assert end - MOMENT == pytest.approx(last - seen, abs=0.03)


@pytest.mark.parametrize(("suffix", "kept"), [(".mp4", "aac"), (".mkv", "mp3"), (".mov", "mp3")])
def test_mp3_that_is_too_slow_for_mp4_becomes_aac_there(tmp_path, suffix, kept):
    source, target = tmp_path / "a.mkv", tmp_path / f"out{suffix}"
    write_beep(source, "libmp3lame", 8000)
    record(source, target)
    codec_name, first, end = beep(target)
    assert codec_name == kept
    assert first == pytest.approx(MOMENT, abs=0.003)
    assert SECONDS - 0.01 < end < SECONDS + 1024 / 8000


def test_sound_that_starts_before_the_picture_is_cut_to_it(tmp_path):
    write_beep(tmp_path / "late.mkv", "aac", 48_000, late=0.4, heard=SECONDS + 0.4)
    record(tmp_path / "late.mkv", tmp_path / "out.mp4")
    assert beep(tmp_path / "out.mp4")[1] == pytest.approx(MOMENT, abs=0.003)
    assert flash(tmp_path / "out.mp4") == (MOMENT, SECONDS * FPS)


@pytest.mark.parametrize("late", [0.0, 1.0])
@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4", ".flv"])
def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path, suffix, late):
    path = tmp_path / f"a{suffix}"
    write_beep(path, "aac", 44_100, late, heard=SECONDS + late + 0.4)
    with open_source(str(path)) as video:
        frames, events = frames_and_events(video)
    assert len(frames) == SECONDS * FPS
    assert not events


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_a_cut_video_whose_sound_outlasts_the_picture_is_a_warning(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_beep(path, "aac", 44_100, heard=SECONDS + 0.4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_source(str(path)) as video:
        frames, (event,) = frames_and_events(video)
    assert 0 < len(frames) < SECONDS * FPS
    assert "truncated or damaged" in event.text


def test_a_recording_that_was_stopped_early_has_no_longer_sound(tmp_path):
    write_beep(tmp_path / "a.mp4", "aac", 48_000)
    record(tmp_path / "a.mp4", tmp_path / "out.mp4", frames=55)
    assert beep(tmp_path / "out.mp4")[2] == pytest.approx(55 / FPS, abs=0.03)


def test_sound_that_ends_early_holds_nothing_up(tmp_path):
    write_beep(tmp_path / "a.mkv", "aac", 48_000, heard=0.5)
    record(tmp_path / "a.mkv", tmp_path / "out.mp4")
    assert flash(tmp_path / "out.mp4") == (MOMENT, SECONDS * FPS)
    assert beep(tmp_path / "out.mp4")[2] == pytest.approx(0.5, abs=0.05)


def test_a_recording_with_sound_that_was_never_closed_is_playable(tmp_path):
    source, path, killed = (tmp_path / n for n in ("a.mp4", "out.mp4", "killed.mp4"))
    write_beep(source, "aac", 48_000)
    with VideoSource(str(source)) as video:
        recorder = VideoRecorder(path, 25.0, audio_of(source, lambda: video.first_pts))
        recorder.__enter__()
        for frame in video:
            recorder.write(frame)
        killed.write_bytes(path.read_bytes())
        recorder.__exit__(None, None, None)
    assert beep(killed)[2] > SECONDS - 2
    with av.open(str(killed)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= (SECONDS - 2) * FPS


def write_damaged(path: Path) -> None:
    """A file of frames that can be decoded and sound that cannot, from somewhere on."""
    write_beep(path, "flac", 44_100)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(3000, len(content), 300):
        content[place] ^= 0x55
    path.write_bytes(content)


def test_damaged_sound_ends_with_a_warning_and_the_frames_go_on(tmp_path):
    source = tmp_path / "a.mkv"
    write_damaged(source)
    (event,) = record(source, tmp_path / "out.mp4")
    assert (event.kind, event.source) == ("warning", str(source))
    text = f"the sound of {source} ends early: Invalid data found when processing input"
    assert event.text == text
    with open_source(str(source)) as video, av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(list(video)) > 0


def test_the_warning_comes_once_from_the_thread_that_closes(tmp_path):
    source, threads = tmp_path / "a.mkv", []
    write_damaged(source)
    with VideoSource(str(source)) as video:
        audio = audio_of(
            source, lambda: video.first_pts, lambda _: threads.append(threading.current_thread())
        )
        with VideoRecorder(tmp_path / "out.mp4", video.fps, audio) as recorder:
            for frame in video:
                recorder.write(frame)
        audio.close()
    assert threads == [threading.main_thread()]


def test_sound_that_is_complete_or_cut_with_the_frames_gives_no_warning(tmp_path):
    source, target = tmp_path / "a.mp4", tmp_path / "out.mp4"
    write_beep(source, "aac", 48_000)
    assert record(source, target) == record(source, target, frames=20) == []


class FakeInput:
    """A container that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def track() -> tuple[AudioTrack, FakeInput]:
    """An audio track that was never attached, and its file."""
    source = FakeInput()
    return AudioTrack("a.mp4", source, NO_TRACKS, lambda: 0.0, ignore), source


@pytest.mark.parametrize("started", [True, False])
def test_the_recorder_closes_the_sound_whether_it_was_started_or_not(tmp_path, track, started):
    audio, source = track
    recorder = VideoRecorder(tmp_path / "out.mp4", 25.0, audio)
    if started:
        recorder.__enter__()
    recorder.__exit__(None, None, None)
    assert source.closed == 1
    audio.close()
    assert source.closed == 1
    audio.advance(1.0)  # after the end, nothing is read


def test_the_recorder_closes_the_sound_where_the_recording_fails(tmp_path, track, monkeypatch):
    def fail(self: VideoFile, picture: Frame) -> None:
        raise OSError(28, "No space left on device")

    audio, source = track
    monkeypatch.setattr(VideoFile, "write", fail)
    recorder = VideoRecorder(tmp_path / "out.mp4", 25.0, audio)
    with pytest.raises(UserError, match="No space left"), recorder:
        recorder.write(Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0, "a.mp4"))
    assert source.closed == 1


def test_a_file_whose_reader_hangs_is_left_open():
    reading, respond = threading.Event(), threading.Event()

    class Hanging(AudioTrack):
        def _read(self) -> None:
            reading.set()
            respond.wait()

    source = FakeInput()
    audio = Hanging("a.mp4", source, NO_TRACKS, lambda: 0.0, ignore)
    thread = threading.Thread(target=audio.advance, args=(1.0,))
    thread.start()
    reading.wait()
    audio.close()
    assert source.closed == 0
    respond.set()
    thread.join()


def test_sound_and_picture_go_on_together_where_the_clock_of_a_file_starts_anew(tmp_path):
    write_beep(tmp_path / "a.ts", "aac", 48_000)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(2 * (tmp_path / "a.ts").read_bytes())
    record(joined, tmp_path / "out.mp4")
    assert flash(tmp_path / "out.mp4") == (MOMENT, 2 * SECONDS * FPS)
    _, loud, end = beep(tmp_path / "out.mp4")
    assert loud == pytest.approx(MOMENT, abs=0.03)
    assert end == pytest.approx(2 * SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("codec", "kinds"),
    [
        ("mp2", [("mono", 48_000), ("stereo", 48_000), ("stereo", 44_100), ("mono", 44_100)]),
        ("eac3", [("stereo", 48_000), ("5.1", 48_000), ("mono", 44_100)]),
    ],
)
def test_sound_that_changes_channels_or_rate_midway_goes_on_in_time(tmp_path, codec, kinds):
    joined, out = b"", tmp_path / "out.mp4"
    for layout, rate in kinds:
        write_beep(tmp_path / "a.ts", codec, rate, layout=layout)
        joined += (tmp_path / "a.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    record(tmp_path / "joined.ts", out)
    with av.open(str(out)) as container:
        parts = [(part.time, part.to_ndarray()) for part in container.decode(audio=0)]
    starts = [
        time
        for (_, before), (time, wave) in pairwise(parts)
        if np.abs(before).max() < 0.05 <= np.abs(wave).max()
    ]
    assert starts == pytest.approx([k * SECONDS + MOMENT for k in range(len(kinds))], abs=0.05)
    assert beep(out)[2] == pytest.approx(len(kinds) * SECONDS, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_aac_that_changes_channels_and_rate_midway_keeps_those_of_its_beginning(tmp_path, suffix):
    joined, out = b"", tmp_path / f"out{suffix}"
    for layout, rate in (("stereo", 48_000), ("mono", 44_100), ("stereo", 48_000)):
        write_beep(tmp_path / "a.ts", "aac", rate, layout=layout)
        joined += (tmp_path / "a.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    record(tmp_path / "joined.ts", out)
    with av.open(str(out)) as container:
        track: Any = container.streams.audio[0]
        assert (track.codec.canonical_name, track.rate, track.channels) == ("aac", 48_000, 2)
        parts: list[Any] = list(container.decode(track))
    assert {(part.layout.name, part.sample_rate) for part in parts} == {("stereo", 48_000)}
    waves = [(part.time, np.abs(part.to_ndarray()).max()) for part in parts]
    starts = [time for (_, before), (time, loudest) in pairwise(waves) if before < 0.05 <= loudest]
    assert starts == pytest.approx([k * SECONDS + MOMENT for k in range(3)], abs=0.05)
    steps = np.diff([time for time, _ in waves])
    assert np.median(steps) == pytest.approx(1024 / 48_000, abs=1e-3)
    assert (abs(steps - 1024 / 48_000) > 2e-3).sum() <= 4
    assert beep(out)[2] == pytest.approx(3 * SECONDS, abs=0.1)


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_sound_and_picture_go_on_together_where_the_clock_of_a_file_jumps_ahead(tmp_path, suffix):
    write_beep(tmp_path / f"a{suffix}", "aac", 48_000)
    jumped = tmp_path / f"jumped{suffix}"
    with av.open(str(tmp_path / f"a{suffix}")) as source, av.open(str(jumped), "w") as written:
        tracks = {s.index: written.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.pts is None or packet.dts is None:
                continue
            assert packet.time_base is not None
            if packet.pts * packet.time_base >= 3.0 - (suffix == ".mkv"):
                packet.pts += round(5 * 3600 / packet.time_base)
                packet.dts += round(5 * 3600 / packet.time_base)
            packet.stream = tracks[packet.stream.index]
            written.mux(packet)
    record(jumped, tmp_path / "out.mp4")
    when, count = flash(tmp_path / "out.mp4")
    assert (when, count) == (pytest.approx(MOMENT, abs=0.01), SECONDS * FPS)
    _, loud, end = beep(tmp_path / "out.mp4")
    assert loud == pytest.approx(when, abs=0.05)
    assert end == pytest.approx(SECONDS, abs=0.1)


def test_a_title_in_another_code_is_no_mistake(tmp_path):
    write_beep(tmp_path / "a.mp4", "aac", 48_000)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content.replace(b"Latin1", b"Lat\xefn1"))
    record(tmp_path / "a.mp4", tmp_path / "out.mp4")
    assert beep(tmp_path / "out.mp4")[1] == pytest.approx(MOMENT, abs=0.03)


def test_with_covered_faces_the_sound_is_left_out_with_a_message(tmp_path, capsys):
    source, target = tmp_path / "a.mp4", tmp_path / "out.mp4"
    write_beep(source, "aac", 48_000)
    assert stream.main(f"--no-display -s {source} -o {target} --anonymize mask".split()) == 0
    line = f"the sound of {source} is left out: voices can be recognised"
    assert f"stream: --anonymize: {line}" in capsys.readouterr().err.splitlines()
    with av.open(str(target)) as recording:
        assert [each.type for each in recording.streams] == ["video"]


def test_what_has_no_sound_is_recorded_without(tmp_path, clip):
    (tmp_path / "a.txt").write_text("no video")
    for source in (clip, tmp_path / "a.txt", tmp_path, tmp_path / "none.mp4", "rtsp://camera/1"):
        assert audio_of(source, lambda: 0.0) is None


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_file_without_sound_is_closed_at_once(clip):
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    tracks = [audio_of(clip, lambda: 0.0) for _ in range(5)]
    assert tracks == [None] * 5
    assert count() == before

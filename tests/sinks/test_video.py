import os
import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame
from demo.sinks import videofile as module
from demo.sinks.encoder import STEPS, Encoding
from demo.sinks.pace import Pace
from demo.sinks.video import QUEUE_PICTURES, VideoRecorder
from demo.sinks.videofile import VideoFile, fit
from demo.sources.open import open_source
from tests.synthetic import write_clip


def picture(index: int, height: int = 48, width: int = 64, time: float | None = None) -> Frame:
    image = np.full((height, width, 3), index * 10 % 256, np.uint8)
    return Frame(image, index, index / 10 if time is None else time, "clip")


def recorded(path: Path | str) -> tuple[tuple[int, int], float, list[float]]:
    """Size, frames per second, and the time of each frame in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(p.time) for p in container.decode(stream)]
        assert stream.average_rate is not None
        return (stream.width, stream.height), float(stream.average_rate), times


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_recording_has_every_frame_at_the_rate_and_size_of_the_source(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    with VideoRecorder(path, 10.0) as recorder:
        for k in range(25):
            recorder.write(picture(k))
    size, rate, times = recorded(path)
    assert size == (64, 48)
    assert rate == 10
    assert times == pytest.approx([k / 10 for k in range(25)], abs=2e-3)


@pytest.mark.parametrize("fps", [1 / 3600, 1 / 86_400, 1e-9])
def test_a_time_lapse_keeps_the_time_of_each_frame(tmp_path, fps):
    path = tmp_path / "slow.mp4"
    seconds = [3600.0 * k for k in range(5)]
    with VideoRecorder(path, fps) as recorder:
        for k, second in enumerate(seconds):
            recorder.write(picture(k, time=second))
    _, rate, times = recorded(path)
    assert rate == pytest.approx(1 / 3600)
    assert times == pytest.approx(seconds, abs=2e-3)


def test_a_live_recording_keeps_the_time_of_each_frame(tmp_path):
    path = tmp_path / "live.mp4"
    seconds = [0.0, 0.5, 0.6, 2.0, 2.04]
    with VideoRecorder(path, 30.0) as recorder:
        for k, second in enumerate(seconds):
            recorder.write(picture(k, time=second))
    assert recorded(path)[2] == pytest.approx(seconds, abs=2e-3)


def test_a_recording_of_uneven_frames_lasts_as_long_as_they_did(tmp_path):
    path = tmp_path / "uneven.mkv"
    seconds = [k / 10 for k in range(10)] + [1.0 + 0.35 * k for k in range(5)]
    with VideoRecorder(path, 10.0) as recorder:
        for k, second in enumerate(seconds):
            recorder.write(picture(k, time=second))
    assert recorded(path)[2] == pytest.approx(seconds, abs=2e-3)


def test_frames_of_the_same_time_follow_each_other(tmp_path):
    path = tmp_path / "same.mp4"
    with VideoRecorder(path, None) as recorder:
        for k in range(3):
            recorder.write(picture(k, time=0.0))
    times = recorded(path)[2]
    assert len(times) == len(set(times)) == 3
    assert max(times) < 0.001


def test_a_colon_in_the_name_of_a_recording_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with VideoRecorder(Path("12:31.mp4"), 10.0) as recorder:
        recorder.write(picture(0))
    assert len(recorded("file:12:31.mp4")[2]) == 1


def test_odd_sides_are_padded_by_one_pixel(tmp_path):
    path = tmp_path / "odd.mp4"
    with VideoRecorder(path, 10.0) as recorder:
        recorder.write(picture(0, 47, 63))
    assert recorded(path)[0] == (64, 48)


def test_an_image_of_the_right_size_is_not_copied():
    image = picture(0).image
    assert fit(image, 48, 64) is image


def test_pictures_of_another_size_are_fitted_into_the_first_with_their_aspect(tmp_path):
    path = tmp_path / "sizes.mp4"
    with VideoRecorder(path, 10.0) as recorder:
        for k, (height, width) in enumerate([(48, 64), (96, 96), (48, 64)]):
            recorder.write(replace(picture(k), image=np.full((height, width, 3), 200, np.uint8)))
    with av.open(str(path)) as container:
        pictures = [p.to_ndarray(format="gray") for p in container.decode(video=0)]
    assert [each.shape for each in pictures] == [(48, 64)] * 3
    assert pictures[1][24, :6].max() < 40 < 160 < pictures[1][24, 12:52].min()
    assert pictures[1][24, -6:].max() < 40


def test_a_change_of_size_is_told_once(tmp_path):
    events: list[Event] = []
    with VideoRecorder(tmp_path / "sizes.mp4", 10.0, notify=events.append) as recorder:
        for k, (height, width) in enumerate([(48, 64), (48, 64), (24, 32), (48, 64), (96, 96)]):
            recorder.write(picture(k, height, width))
    text = "clip changes from 64x48 to 32x24: the recording keeps its first size"
    assert events == [Event("info", text, "clip", 0.2)]


def test_a_video_that_changes_its_size_is_recorded_in_its_first(tmp_path):
    joined, events = tmp_path / "joined.ts", []
    for height, width in [(48, 64), (96, 96), (48, 64)]:
        write_clip(tmp_path / "part.ts", [np.full((height, width, 3), 90, np.uint8)] * 3)
        with joined.open("ab") as file:
            file.write((tmp_path / "part.ts").read_bytes())
    with (
        open_source(str(joined)) as source,
        VideoRecorder(tmp_path / "out.mp4", 25.0, notify=events.append) as recorder,
    ):
        for frame in source:
            recorder.write(frame)
    text = f"{joined} changes from 64x48 to 96x96: the recording keeps its first size"
    assert [event.text for event in events] == [text]
    size, _, times = recorded(tmp_path / "out.mp4")
    assert (size, len(times)) == ((64, 48), 9)


BT709, SMPTE170M = 1, 6  # as ITU-T H.273 numbers matrices, primaries and transfers
LIMITED = 1
PATCHES = ((30, 32, 224), (0, 192, 0), (224, 96, 48), (128, 128, 128))  # BGR


def yuv_of(bgr: tuple[int, int, int], kr: float, kb: float) -> list[float]:
    """Y, Cb and Cr of 8 bits in limited range, by the formulas of BT.601 and BT.709."""
    b, g, r = bgr
    y = kr * r + (1 - kr - kb) * g + kb * b
    return [
        16 + 219 / 255 * y,
        128 + 224 / 255 * (b - y) / (2 - 2 * kb),
        128 + 224 / 255 * (r - y) / (2 - 2 * kr),
    ]


def planes_of(decoded: av.VideoFrame) -> list[np.ndarray]:
    """The planes Y, Cb and Cr of a yuv420p frame."""
    return [
        np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, : plane.width
        ]
        for plane in decoded.planes
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("height", "tag", "weights"),
    [(720, BT709, (0.2126, 0.0722)), (480, SMPTE170M, (0.299, 0.114))],
    ids=["HD", "SD"],
)
def test_colours_are_encoded_by_the_standard_that_the_recording_states(
    tmp_path, suffix, height, tag, weights
):
    path = tmp_path / f"out{suffix}"
    image = np.empty((height, 640, 3), np.uint8)
    for k, colour in enumerate(PATCHES):
        image[:, 160 * k : 160 * k + 160] = colour
    with VideoRecorder(path, 10.0) as recorder:
        recorder.write(replace(picture(0), image=image))
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        tags = codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc
        (decoded,) = container.decode(video=0)
    assert tags == (LIMITED, tag, tag, tag)
    y, cb, cr = planes_of(decoded)
    for k, colour in enumerate(PATCHES):
        middle = 160 * k + 80
        got = [y[height // 2, middle], *(c[height // 4, middle // 2] for c in (cb, cr))]
        assert np.abs(np.array(got, float) - yuv_of(colour, *weights)).max() <= 1


class Faster(Pace):
    """Goes to the next step with every sixth picture, as on a machine that is too slow."""

    def note(self, moment: float, seconds: float) -> None:
        self._seconds.append(seconds)
        self.step = self.highest = min(len(self._seconds) // 6, self._last)


def moving(index: int) -> Frame:
    """A bright square on a dark ground, further right in each picture."""
    image = np.full((96, 320, 3), 40, np.uint8)
    image[20:70, 10 * index : 10 * index + 50] = 220
    return replace(picture(index), image=image)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("quality", list(STEPS))
def test_a_live_recording_goes_on_with_a_faster_encoder_where_one_is_too_slow(
    tmp_path, monkeypatch, suffix, quality
):
    path, events = tmp_path / f"live{suffix}", []
    monkeypatch.setattr(module, "Pace", Faster)
    encoding = Encoding("x264", quality, live=True)
    with VideoRecorder(path, 10.0, None, events.append, encoding) as recorder:
        for k in range(25):
            recorder.write(moving(k))
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.time for frame in decoded] == pytest.approx([k / 10 for k in range(25)], abs=2e-3)
    assert [k for k, frame in enumerate(decoded) if frame.key_frame] == [0, 6, 12, 22]
    for k, frame in enumerate(decoded):
        assert np.abs(frame.to_ndarray(format="bgr24").astype(int) - moving(k).image).mean() < 3
    text = "the recording has a lower quality in parts: at the chosen one the encoder was too slow"
    assert events == [Event("info", text)]


def test_a_recording_of_a_file_keeps_its_quality(tmp_path, monkeypatch):
    events: list[Event] = []
    monkeypatch.setattr(module, "Pace", Faster)
    with VideoRecorder(tmp_path / "a.mp4", 10.0, None, events.append) as recorder:
        for k in range(25):
            recorder.write(moving(k))
    assert not events


def test_a_recording_that_was_never_closed_is_playable(tmp_path):
    path = tmp_path / "killed.mp4"
    recorder = VideoRecorder(path, 10.0)
    recorder.__enter__()
    noise = np.random.default_rng(0)
    for k in range(80):
        recorder.write(replace(picture(k), image=noise.integers(0, 255, (48, 64, 3), np.uint8)))
    killed = tmp_path / "copy.mp4"
    killed.write_bytes(path.read_bytes())
    recorder.__exit__(None, None, None)
    assert len(recorded(killed)[2]) >= 20
    assert len(recorded(path)[2]) == 80


def test_before_the_first_picture_no_file_is_touched(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"another recording")
    with VideoRecorder(path, 10.0) as recorder:
        pass
    assert not recorder.written
    assert path.read_bytes() == b"another recording"
    with VideoRecorder(path, 10.0) as recorder:
        recorder.write(picture(0))
    assert recorder.written
    assert len(recorded(path)[2]) == 1


def test_a_recorder_that_was_never_started_can_be_closed_and_starts_no_thread(tmp_path):
    threads = threading.active_count()
    recorder = VideoRecorder(tmp_path / "a.mp4", 10.0)
    assert threading.active_count() == threads
    recorder.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("x.txt", r"must end in \.mkv, \.mov, \.mp4"), ("none/x.mp4", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, name, complaint):
    with pytest.raises(UserError, match=complaint):
        VideoRecorder(tmp_path / name, 25.0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_a_full_disk_is_one_clear_line(tmp_path, name):
    video = tmp_path / name
    video.symlink_to("/dev/full")
    with (  # noqa: PT012
        pytest.raises(UserError, match=r"cannot record to .*No space left"),
        VideoRecorder(video, 10.0) as recorder,
    ):
        for k in range(200):
            recorder.write(picture(k))


@pytest.mark.parametrize("frames", [1, 1 + QUEUE_PICTURES], ids=["room in the queue", "queue full"])
def test_a_disk_that_never_responds_is_an_error_when_the_recording_is_closed(
    tmp_path, monkeypatch, frames
):
    response = threading.Event()
    monkeypatch.setattr(VideoFile, "write", lambda self, item: response.wait())
    recorder = VideoRecorder(tmp_path / "a.mp4", 10.0, close_seconds=0.1)
    recorder.__enter__()
    for k in range(frames):
        recorder.write(picture(k))
    with pytest.raises(UserError, match="the disk or the encoder does not respond"):
        recorder.__exit__(None, None, None)
    response.set()

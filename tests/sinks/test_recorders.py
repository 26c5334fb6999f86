import csv
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from demo.errors import UserError
from demo.frames import Faces, Frame
from demo.sinks import video as sinks
from demo.sinks.log import CSV_COLUMNS, Log
from demo.sinks.video import PhotoRecorder, VideoRecorder, save_image


def faces() -> Faces:
    found = Faces.detected(
        np.array([[1, 2, 30.04, 40], [5, 6, 7, 8]], np.float32),
        np.array([0.99, 0.9], np.float32),
        np.zeros((2, 5, 2), np.float32),
    )
    return replace(
        found,
        ids=np.array([3, -1]),
        ages=np.array([31.256, np.nan], np.float32),
        male_probs=np.array([0.25, np.nan], np.float32),
        age_low=np.array([24.5, np.nan], np.float32),
        age_high=np.array([40.0, np.nan], np.float32),
    )


def frame(index: int, height: int = 48, width: int = 64, time: float | None = None) -> Frame:
    image = np.full((height, width, 3), index * 10 % 256, np.uint8)
    return Frame(image, index, index / 10 if time is None else time, "clip")


def recorded(path):
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
            recorder.write(frame(k))
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
            recorder.write(frame(k, time=second))
    _, rate, times = recorded(path)
    assert rate == pytest.approx(1 / 3600)
    assert times == pytest.approx(seconds, abs=2e-3)


def test_a_live_recording_keeps_the_time_of_each_frame(tmp_path):
    path = tmp_path / "live.mp4"
    seconds = [0.0, 0.5, 0.6, 2.0, 2.04]
    with VideoRecorder(path, 30.0) as recorder:
        for k, second in enumerate(seconds):
            recorder.write(frame(k, time=second))
    assert recorded(path)[2] == pytest.approx(seconds, abs=2e-3)


def test_a_recording_of_uneven_frames_lasts_as_long_as_they_did(tmp_path):
    path = tmp_path / "uneven.mkv"
    seconds = [k / 10 for k in range(10)] + [1.0 + 0.35 * k for k in range(5)]
    with VideoRecorder(path, 10.0) as recorder:
        for k, second in enumerate(seconds):
            recorder.write(frame(k, time=second))
    assert recorded(path)[2] == pytest.approx(seconds, abs=2e-3)


def test_a_colon_in_the_name_of_a_recording_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with VideoRecorder(Path("12:31.mp4"), 10.0) as recorder:
        recorder.write(frame(0))
    assert len(recorded("file:12:31.mp4")[2]) == 1


def test_a_single_photo_can_be_given_a_name(tmp_path, astronaut):
    photo = Frame(astronaut, 0, 0.0, str(tmp_path / "face.png"))
    with PhotoRecorder(tmp_path / "annotated.jpg", single=True) as recorder:
        recorder.write(photo)
    assert (tmp_path / "annotated.jpg").stat().st_size > 10_000


def test_odd_sides_are_padded_by_one_pixel(tmp_path):
    path = tmp_path / "odd.mp4"
    with VideoRecorder(path, 10.0) as recorder:
        recorder.write(frame(0, 47, 63))
    assert recorded(path)[0] == (64, 48)


def test_pictures_of_another_size_are_fitted_into_the_first_with_their_aspect(tmp_path):
    path = tmp_path / "sizes.mp4"
    with VideoRecorder(path, 10.0) as recorder:
        for k, (height, width) in enumerate([(48, 64), (96, 96), (48, 64)]):
            recorder.write(replace(frame(k), image=np.full((height, width, 3), 200, np.uint8)))
    with av.open(str(path)) as container:
        pictures = [p.to_ndarray(format="gray") for p in container.decode(video=0)]
    assert [picture.shape for picture in pictures] == [(48, 64)] * 3
    assert pictures[1][24, :6].max() < 40 < 160 < pictures[1][24, 12:52].min()
    assert pictures[1][24, -6:].max() < 40


def test_a_recording_that_was_never_closed_is_playable(tmp_path):
    path = tmp_path / "killed.mp4"
    recorder = VideoRecorder(path, 10.0)
    recorder.__enter__()
    noise = np.random.default_rng(0)
    for k in range(80):
        recorder.write(replace(frame(k), image=noise.integers(0, 255, (48, 64, 3), np.uint8)))
    killed = tmp_path / "copy.mp4"
    killed.write_bytes(path.read_bytes())
    recorder.__exit__(None, None, None)
    assert len(recorded(killed)[2]) >= 20
    assert len(recorded(path)[2]) == 80


def test_a_json_log_has_one_object_a_frame(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write(frame(0), faces())
        log.write(frame(1), faces()[:0])
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "source": "clip",
        "frame": 0,
        "time": 0.0,
        "faces": [
            {"id": 3, "box": [1.0, 2.0, 30.0, 40.0], "score": 0.99}
            | {"age": 31.26, "age_low": 24.5, "age_high": 40.0, "male": 0.25},
            {"id": -1, "box": [5.0, 6.0, 7.0, 8.0], "score": 0.9}
            | {"age": None, "age_low": None, "age_high": None, "male": None},
        ],
    }
    assert second == {"source": "clip", "frame": 1, "time": 0.1, "faces": []}


def test_a_csv_log_has_one_row_a_face(tmp_path):
    path = tmp_path / "log.csv"
    with Log(path) as log:
        log.write(frame(0), faces())
    header, *rows = csv.reader(path.open())
    assert header == CSV_COLUMNS
    assert rows[0] == "clip 0 0.0 3 1.0 2.0 30.0 40.0 0.99 31.26 24.5 40.0 0.25".split()
    assert rows[1] == ["clip", "0", "0.0", "-1", "5.0", "6.0", "7.0", "8.0", "0.9", *[""] * 4]


def test_a_log_is_complete_to_the_last_frame_while_it_is_written(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for k in range(3):
            log.write(frame(k), faces())
            assert len(path.read_text().splitlines()) == k + 1


def test_photos_are_written_under_their_names_but_never_over_the_originals(tmp_path, astronaut):
    original = tmp_path / "face.png"
    original.write_bytes(b"the original")
    photo = Frame(astronaut, 0, 0.0, str(original))
    with PhotoRecorder(tmp_path / "out" / "deep", single=True) as recorder:
        recorder.write(photo)
    assert (tmp_path / "out" / "deep" / "face.png").stat().st_size > 100_000
    with (
        pytest.raises(UserError, match="overwrite"),
        PhotoRecorder(tmp_path, single=True) as recorder,
    ):
        recorder.write(photo)
    assert original.read_bytes() == b"the original"


@pytest.mark.parametrize(
    ("make", "name", "complaint"),
    [
        (lambda p: VideoRecorder(p, 25.0), "x.txt", "must end in"),
        (lambda p: VideoRecorder(p, 25.0), "none/x.mp4", "there is no folder"),
        (Log, "x.log", "must end in"),
        (Log, "none/x.csv", "there is no folder"),
        (lambda p: PhotoRecorder(p, False), "x.mp4", "into a folder"),
        (lambda p: PhotoRecorder(p, False), "x.jpg", "into a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, make, name, complaint):
    with pytest.raises(UserError, match=complaint):
        make(tmp_path / name)


def test_a_picture_too_large_for_its_format_is_one_clear_line(tmp_path):
    path, wide = tmp_path / "a.webp", np.zeros((2, 20_000, 3), np.uint8)
    with pytest.raises(UserError, match=r"a\.webp: its format does not take 20000x2 pixels"):
        save_image(path, wide)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot log to .*No space left"), Log(path) as log:
        log.write(frame(0), faces())
    for name in ("out.mkv", "out.mp4"):
        video = tmp_path / name
        video.symlink_to("/dev/full")
        with (  # noqa: PT012
            pytest.raises(UserError, match=r"cannot record to .*No space left"),
            VideoRecorder(video, 10.0) as recorder,
        ):
            for k in range(200):
                recorder.write(frame(k))


@pytest.mark.parametrize("frames", [1, 5], ids=["room in the queue", "queue full"])
def test_a_disk_that_never_answers_is_told_when_the_recording_is_closed(
    tmp_path, monkeypatch, frames
):
    answer = threading.Event()
    monkeypatch.setattr(sinks, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(VideoRecorder, "_encode", lambda self, item: answer.wait())
    recorder = VideoRecorder(tmp_path / "a.mp4", 10.0)
    recorder.__enter__()
    for k in range(frames):
        recorder.write(frame(k))
    with pytest.raises(UserError, match="the disk or the encoder does not answer"):
        recorder.__exit__(None, None, None)
    answer.set()


@pytest.mark.parametrize("name", ["face.jfif", "face"])
def test_a_photo_without_a_suffix_of_its_own_is_written_as_jpeg(tmp_path, astronaut, name):
    save_image(tmp_path / name, astronaut)
    assert (tmp_path / name).read_bytes().startswith(b"\xff\xd8\xff")

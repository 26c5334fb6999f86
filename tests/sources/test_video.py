import gc
import os
import signal
import struct
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import av
import cv2
import numpy as np
import pytest

from demo.errors import UserError
from demo.sources import decoding, video
from demo.sources import open as opening
from demo.sources.open import open_source
from demo.sources.photos import PhotoSource
from tests.synthetic import write_clip


def test_a_video_gives_every_frame_in_order_with_its_time(clip, two_people):
    with open_source(str(clip)) as source:
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(20)], abs=1e-3)
    assert source.fps == 25
    assert source.count == 20
    assert source.warning is None
    for frame in frames[::7]:
        assert frame.image.shape == (270, 480, 3)
        assert np.abs(frame.image.astype(int) - two_people(frame.index)).mean() < 5


def test_a_slow_reader_loses_no_frame_of_a_file(clip):
    pause = threading.Event()
    with open_source(str(clip)) as source:
        indices = [frame.index for frame in source if not pause.wait(0.01)]
    assert indices == list(range(20))


def test_a_truncated_video_is_read_up_to_the_break_and_said_so(clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    with open_source(str(cut)) as source:
        count = sum(1 for _ in source)
    assert 5 <= count < 20
    assert source.warning.startswith(f"{cut} breaks off after frame {count - 1}")


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".ts", ".mp4"])
def test_the_last_frame_of_a_complete_video_may_last_long(tmp_path, two_people, suffix):
    path = tmp_path / f"slow{suffix}"
    write_clip(path, [two_people(k) for k in range(10)], 1, "vp9" if suffix == ".webm" else "h264")
    with open_source(str(path)) as source:
        assert len(list(source)) == 10
    assert source.warning is None


def copied(
    clip: Path, target: Path, change: Callable[[av.Packet, int], object], **options: str
) -> Path:
    """The packets of a clip in another file, each after a `change`."""
    with av.open(str(clip)) as source, av.open(str(target), "w", options=options) as written:
        stream = written.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(p for p in source.demux(video=0) if p.pts is not None):
            change(packet, index)
            packet.stream = stream
            written.mux(packet)
    return target


def test_frames_that_an_editor_hid_are_not_missed(clip, tmp_path):
    def earlier(packet: av.Packet, index: int) -> None:
        packet.pts -= round(0.4 / packet.time_base)
        packet.dts = round((index / 25 - 0.5) / packet.time_base)

    with open_source(str(copied(clip, tmp_path / "cut.mp4", earlier))) as source:
        assert source.count == 20
        assert len(list(source)) == 10
    assert source.warning is None


def test_time_goes_on_where_the_clock_of_a_file_starts_anew(clip, tmp_path):
    part = copied(clip, tmp_path / "part.ts", lambda packet, index: None).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    with open_source(str(tmp_path / "joined.ts")) as source:
        times = [frame.time for frame in source]
    assert times == pytest.approx([k / 25 for k in range(40)], abs=1e-3)


def test_pixels_that_are_not_square_become_so(clip, tmp_path):
    wide = tmp_path / "wide.mp4"
    with av.open(str(wide), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 58, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        image = av.VideoFrame.from_ndarray(np.zeros((58, 72, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    with open_source(str(wide)) as source:
        assert [frame.image.shape for frame in source] == [(58, 102, 3)]
    assert source.taken == "102x58"
    assert open_source(str(clip)).taken is None


def turned_clip(path: Path, image: np.ndarray, turn: tuple[int, int, int, int]) -> Path:
    """A picture as a phone films it that is held otherwise: players turn it."""

    def matrix(a: int, b: int, c: int, d: int) -> bytes:
        return struct.pack(">9i", *(part << 16 for part in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)

    write_clip(path, [image])
    head, tkhd, track = path.read_bytes().partition(b"tkhd")
    path.write_bytes(head + tkhd + track.replace(matrix(1, 0, 0, 1), matrix(*turn), 1))
    return path


@pytest.mark.parametrize(
    ("turn", "shape", "corner"),
    [
        ((0, 1, -1, 0), (96, 48, 3), (0, -1)),
        ((-1, 0, 0, -1), (48, 96, 3), (-1, -1)),
        ((0, -1, 1, 0), (96, 48, 3), (-1, 0)),
    ],
    ids=["a quarter to the right", "a half", "a quarter to the left"],
)
def test_the_video_of_a_phone_is_upright(tmp_path, turn, shape, corner):
    image = np.zeros((48, 96, 3), np.uint8)
    image[:16, :32] = 255
    with open_source(str(turned_clip(tmp_path / "phone.mp4", image, turn))) as source:
        (frame,) = source
    assert frame.image.shape == shape
    corners = {(y, x) for y in (0, -1) for x in (0, -1) if frame.image[y, x].mean() > 128}
    assert corners == {corner}


@pytest.mark.parametrize(
    ("turn", "taken"),
    [((1, 0, 0, 1), "48x24"), ((0, 1, -1, 0), "24x48"), ((-1, 0, 0, -1), "48x24")],
)
def test_the_size_at_which_large_frames_are_taken_is_told_upright(
    tmp_path, monkeypatch, turn, taken
):
    monkeypatch.setattr(decoding, "LARGE", 4000)
    monkeypatch.setattr(decoding, "TAKEN", 2000)
    path = turned_clip(tmp_path / "phone.mp4", np.zeros((48, 96, 3), np.uint8), turn)
    with open_source(str(path)) as source:
        (frame,) = source
    assert f"{frame.image.shape[1]}x{frame.image.shape[0]}" == source.taken == taken


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", "Camera"),
        ("/dev/video12", "Camera"),
        ("HTTP://host/a.MPG?b=c", "VideoSource"),
        ("http://user:a[b]c@host/clip.mp4#t", "VideoSource"),
        ("http://user:a[b]c@host/live", "Stream"),
    ],
)
def test_what_is_opened_depends_on_what_was_typed(monkeypatch, spec, kind):
    asked = []
    for name in ("Camera", "Stream", "VideoSource"):
        monkeypatch.setattr(opening, name, lambda given, name=name: asked.append((name, given)))
    monkeypatch.setattr(opening, "LiveSource", lambda name, opener, give_up: opener())
    open_source(spec)
    assert asked == [(kind, {"0": 0, "/dev/video12": 12}.get(spec, spec))]


def test_a_link_to_a_camera_is_a_camera(tmp_path, monkeypatch):
    (tmp_path / "usb-Webcam-index0").symlink_to("/dev/video12")
    monkeypatch.setattr(opening, "Camera", lambda number: number)
    monkeypatch.setattr(opening, "LiveSource", lambda name, opener, give_up: (name, opener()))
    assert open_source(str(tmp_path / "usb-Webcam-index0")) == ("12", 12)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes of POSIX")
def test_a_signal_is_heard_while_nobody_writes_into_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    main = threading.main_thread().ident
    threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        open_source(str(tmp_path / "a.mp4"))


@pytest.mark.parametrize("name", ["./7", "2024"])
def test_a_folder_or_file_whose_name_is_a_long_number_is_no_camera(
    astronaut, clip, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    cv2.imwrite(f"{name}/a.png", astronaut)
    Path(f"{name}1").write_bytes(clip.read_bytes())
    assert isinstance(open_source(name), PhotoSource)
    assert isinstance(open_source(f"{name}1"), video.VideoSource)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [("20240101123000", "no such file or folder: 20240101123000"), ("", "-s names nothing")],
)
def test_a_long_number_and_no_name_at_all_are_refused(spec, complaint):
    with pytest.raises(UserError, match=complaint):
        open_source(spec)


@pytest.mark.parametrize("prefix", ["", "file://{}/"])
def test_any_sign_may_be_in_the_name_of_a_file(clip, tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    name = "2024-01-01T12:30:00 %20 #1?.mkv"
    Path(name).write_bytes(clip.read_bytes())
    spec = prefix.format(tmp_path) + (quote(name) if prefix else name)
    with open_source(spec) as source:
        assert Path(source.name).name == name
        assert len(list(source)) == 20


def test_leaving_early_stops_the_reader(clip):
    before = set(threading.enumerate())
    with open_source(str(clip)) as source:
        next(iter(source))
        assert {t.name for t in set(threading.enumerate()) - before} == {"reader"}
    assert not set(threading.enumerate()) - before


def test_a_folder_gives_its_photos_by_name_and_passes_over_broken_ones(astronaut, tmp_path):
    for name in ("b.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), astronaut)
    (tmp_path / "c.jpg").write_text("no picture")
    (tmp_path / "notes.txt").write_text("ignored")
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert isinstance(source, PhotoSource)
    assert [Path(f.source).name for f in frames] == ["a.jpg", "b.png"]
    assert source.count == 3
    assert "c.jpg" in source.warning


def test_a_photo_is_one_frame(astronaut, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), astronaut)
    with open_source(str(path)) as source:
        (frame,) = source
    assert (frame.image == astronaut).all()
    assert frame.source == str(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("me.jfif", ".jpg"),
        ("me.JPE", ".jpg"),
        ("me.avif", ".avif"),
        ("me", ".jpg"),
        ("me.2024", ".png"),
        ("me.jpg!d", ".webp"),
    ],
)
def test_a_photo_is_known_by_its_content_where_its_suffix_is_unknown(
    astronaut, tmp_path, name, kind
):
    (tmp_path / name).write_bytes(cv2.imencode(kind, astronaut)[1].tobytes())
    with open_source(str(tmp_path / name)) as source:
        (frame,) = source
    assert source.photos
    assert np.abs(frame.image.astype(int) - astronaut).mean() < 5


def test_a_video_is_known_by_its_content_where_its_suffix_is_unknown(clip, tmp_path):
    (tmp_path / "clip").write_bytes(clip.read_bytes())
    with open_source(str(tmp_path / "clip")) as source:
        assert len(list(source)) == 20


def test_pictures_that_cannot_be_read_are_told(astronaut, tmp_path):
    for name in ("a.jpg", "b.jfif"):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", astronaut)[1].tobytes())
    for name in ("._a.jpg", ".DS_Store", "c.HEIC", "d.heic", "e.dng", "notes.txt"):
        (tmp_path / name).write_bytes(b"of another kind")
    with open_source(str(tmp_path)) as source:
        assert [Path(frame.source).name for frame in source] == ["a.jpg", "b.jfif"]
    told = f"other pictures left out of {tmp_path}: 3 (.dng, .heic), make JPEGs"
    assert source.warning == told
    with pytest.raises(UserError, match=r"c.HEIC is a picture of a kind that is not read"):
        open_source(str(tmp_path / "c.HEIC"))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("nothing.mp4", None, "no such file"),
        ("text.mp4", b"hello", "cannot read .*text.mp4 as a video"),
        ("empty.mp4", b"", "cannot read .*empty.mp4 as a video"),
    ],
)
def test_what_cannot_be_opened_is_named_in_one_line(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=complaint) as error:
        open_source(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_folder_without_photos_and_a_broken_photo_are_refused(tmp_path):
    with pytest.raises(UserError, match="no photos in"):
        open_source(str(tmp_path))
    broken = tmp_path / "x.jpg"
    broken.write_text("no picture")
    with pytest.raises(UserError, match="not a picture"), open_source(str(broken)) as source:
        list(source)


def test_an_absent_camera_is_one_clear_line():
    with pytest.raises(UserError, match=r"cannot open camera 99: .* another program"):
        open_source("99")


def test_an_error_in_the_reader_is_raised_where_frames_are_used(clip, monkeypatch):
    def broken(self, pictures):
        raise RuntimeError("our bug")
        yield

    monkeypatch.setattr(video.VideoSource, "_decode", broken)
    with pytest.raises(RuntimeError, match="our bug"), open_source(str(clip)) as source:
        list(source)


def test_a_video_that_was_read_leaves_memory_at_once(clip):
    gc.disable()
    try:
        with open_source(str(clip)) as source:
            next(iter(source))
        held = weakref.ref(source)
        del source
        assert held() is None
    finally:
        gc.enable()

import gc
import socket
import struct
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources import video
from demo.sources.base import mark_last
from demo.sources.capture import LiveTimeouts
from demo.sources.decode import frames as decoding
from demo.sources.open import open_source
from demo.sources.video import VideoSource
from tests.sources.fakes import frames_and_events, is_event, is_frame, served
from tests.synthetic import write_clip

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


def test_a_video_gives_every_frame_in_order_with_its_time(clip, two_people):
    with open_source(str(clip)) as source:
        frames, events = frames_and_events(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(20)], abs=1e-3)
    assert source.fps == 25
    assert source.count == 20
    assert source.path == clip
    assert not events
    assert np.isnan(frames[0].captured)
    for frame in frames[::7]:
        assert frame.image.shape == (270, 480, 3)
        assert np.abs(frame.image.astype(int) - two_people(frame.index)).mean() < 5


def test_a_slow_reader_loses_no_frame_of_a_file(clip):
    pause = threading.Event()
    with open_source(str(clip)) as source:
        indices = [frame.index for frame in source if not pause.wait(0.01)]
    assert indices == list(range(20))


def test_a_truncated_video_is_read_up_to_the_break_and_then_fails(clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    with open_source(str(cut)) as source:
        *frames, event = (seen for seen in source.watch() if not isinstance(seen, NoFrame))
    assert 5 <= len(frames) < 20
    assert (event.kind, event.source, event.time) == ("failed", str(cut), frames[-1].time)
    assert event.text.startswith(f"{cut} ends early after frame {len(frames) - 1}")


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".ts", ".mp4"])
def test_the_last_frame_of_a_complete_video_may_last_long(tmp_path, two_people, suffix):
    path = tmp_path / f"slow{suffix}"
    write_clip(path, [two_people(k) for k in range(10)], 1, "vp9" if suffix == ".webm" else "h264")
    with open_source(str(path)) as source:
        frames, events = frames_and_events(source)
    assert len(frames) == 10
    assert not events


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
        assert packet.pts is not None
        packet.pts -= round(0.4 / packet.time_base)
        packet.dts = round((index / 25 - 0.5) / packet.time_base)

    with open_source(str(copied(clip, tmp_path / "cut.mp4", earlier))) as source:
        assert source.count == 20
        frames, events = frames_and_events(source)
    assert len(frames) == 10
    assert not events


def test_time_goes_on_where_the_clock_of_a_file_starts_anew(clip, tmp_path):
    part = copied(clip, tmp_path / "part.ts", lambda packet, index: None).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    with open_source(str(tmp_path / "joined.ts")) as source:
        times = [frame.time for frame in source]
    assert times == pytest.approx([k / 25 for k in range(40)], abs=1e-3)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_times_ascend_in_containers_without_presentation_times(clip, two_people, tmp_path, suffix):
    def decoding_time_only(packet: av.Packet, index: int) -> None:
        packet.pts = packet.dts = round(index / 25 / packet.time_base)

    path = tmp_path / f"a{suffix}"
    if suffix == ".avi":
        write_clip(path, [two_people(k) for k in range(20)])
    else:
        copied(clip, path, decoding_time_only)
    with av.open(str(path)) as container:
        kinds = {frame.pict_type for frame in container.decode(video=0)}
    assert av.video.frame.PictureType.B in kinds
    with open_source(str(path)) as source:
        assert source.fps == pytest.approx(25, abs=0.1)
        frames, events = frames_and_events(source)
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(20)], abs=1e-3)
    assert not events


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_jump_of_the_clock_by_hours_is_left_out_and_told(clip, tmp_path, suffix):
    def jumping(packet: av.Packet, index: int) -> None:
        if index >= 10:
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts += round(5 * 3600 / packet.time_base)
            packet.dts += round(5 * 3600 / packet.time_base)

    path = copied(clip, tmp_path / f"a{suffix}", jumping)
    with open_source(str(path)) as source:
        assert source.fps == pytest.approx(25, abs=0.1)
        frames, (event,) = frames_and_events(source)
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(20)], abs=1e-3)
    assert event.kind == "warning"
    assert event.text.startswith(f"{path}: its clock jumps ahead by 18000 s after second 0.")
    assert event.text.endswith(", such gaps are left out")


def test_a_pause_of_minutes_is_kept(clip, tmp_path):
    def pausing(packet: av.Packet, index: int) -> None:
        if index >= 10:  # a key frame
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts += round(600 / packet.time_base)
            packet.dts += round(600 / packet.time_base)

    path = copied(clip, tmp_path / "a.mkv", pausing)
    with open_source(str(path)) as source:
        frames, events = frames_and_events(source)
    assert frames[-1].time == pytest.approx(600 + 19 / 25, abs=1e-3)
    assert not events


def test_times_that_a_damaged_file_repeats_still_ascend(clip, tmp_path):
    def repeating(packet: av.Packet, index: int) -> None:
        packet.pts = packet.dts = round(min(index, 3) / 25 / packet.time_base)

    with open_source(str(copied(clip, tmp_path / "a.mkv", repeating))) as source:
        times = [round(frame.time, 4) for frame in source]
    assert len(times) == 20
    assert times == sorted(set(times))


def test_pixels_that_are_not_square_become_so(tmp_path):
    wide = tmp_path / "wide.mp4"
    with av.open(str(wide), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 58, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        image = av.VideoFrame.from_ndarray(np.zeros((58, 72, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    with open_source(str(wide)) as source:
        event, frame = (seen for seen in source.watch() if not isinstance(seen, NoFrame))
    assert frame.image.shape == (58, 102, 3)
    text = f"{wide}: frames are stretched to 102x58 while decoding"
    assert (event.kind, event.text) == ("info", text)


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
        ((-1, 0, 0, 1), (48, 96, 3), (0, -1)),
        ((1, 0, 0, -1), (48, 96, 3), (-1, 0)),
        ((0, -1, -1, 0), (96, 48, 3), (-1, -1)),
    ],
    ids=["right", "half", "left", "mirrored", "upside down", "left and upside down"],
)
def test_the_video_of_a_phone_is_upright(tmp_path, turn, shape, corner):
    image = np.zeros((48, 96, 3), np.uint8)
    image[:16, :32] = 255
    with open_source(str(turned_clip(tmp_path / "phone.mp4", image, turn))) as source:
        (frame,) = source
    assert frame.image.shape == shape
    corners = {(y, x) for y in (0, -1) for x in (0, -1) if frame.image[y, x].mean() > 128}
    assert corners == {corner}


def test_an_invalid_display_matrix_counts_as_none_and_is_told_once(tmp_path):
    image = np.zeros((48, 96, 3), np.uint8)
    image[:16, :32] = 255
    path = turned_clip(tmp_path / "a.mp4", image, (0, 0, 0, 0))
    with open_source(str(path)) as source:
        (frame,), (event,) = frames_and_events(source)
    assert frame.image.shape == image.shape
    assert np.abs(frame.image.astype(int) - image).mean() < 5
    assert (event.kind, event.text) == (
        "warning",
        f"{path}: its display matrix is no quarter turn or mirror image, "
        "frames are shown as stored",
    )


@pytest.mark.parametrize(
    ("turn", "size"),
    [((1, 0, 0, 1), "48x24"), ((0, 1, -1, 0), "24x48"), ((-1, 0, 0, -1), "48x24")],
)
def test_the_size_to_which_large_frames_are_scaled_down_is_the_upright_one(
    tmp_path, monkeypatch, turn, size
):
    monkeypatch.setattr(decoding, "DOWNSCALE_ABOVE_PIXELS", 4000)
    monkeypatch.setattr(decoding, "DOWNSCALE_TO_PIXELS", 2000)
    path = turned_clip(tmp_path / "phone.mp4", np.zeros((48, 96, 3), np.uint8), turn)
    with open_source(str(path)) as source:
        event, frame = (seen for seen in source.watch() if not isinstance(seen, NoFrame))
    assert f"{frame.image.shape[1]}x{frame.image.shape[0]}" == size
    assert event.text == f"{path}: frames are scaled down to {size} while decoding"


def test_leaving_early_stops_the_reader(clip):
    before = set(threading.enumerate())
    with open_source(str(clip)) as source:
        next(iter(source))
        assert {t.name for t in set(threading.enumerate()) - before} == {"reader"}
    assert not set(threading.enumerate()) - before


def test_an_error_in_the_reader_is_raised_where_frames_are_used(clip, monkeypatch):
    def broken(self, stopped):
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


def test_a_video_whose_server_stalls_ends_early(clip):
    content, held = clip.read_bytes(), []

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[: len(content) // 2])
        held.append(connection)

    server, address = served(answer)
    with open_source(f"{address}/clip.mkv", timeouts=LiveTimeouts(open=0.5)) as source:
        frames, (event,) = frames_and_events(source)
    assert source.path is None
    assert event.kind == "failed"
    assert event.text == (
        f"{address}/clip.mkv ends early after frame {frames[-1].index}: no answer within 0.5 s"
    )
    server.close()


def open_files() -> set[str]:
    """Every file that this process has open."""
    handles = Path("/proc/self/fd").iterdir()
    return {str(handle.readlink()) for handle in handles if handle.is_symlink()}


@needs_proc
@pytest.mark.parametrize("started", [False, True])
def test_close_releases_the_file_whether_or_not_it_was_read(clip, started):
    source = open_source(str(clip))
    assert str(clip) in open_files()
    if started:
        source.start()
        source.start()
        next(iter(source))
    source.close()
    source.close()
    assert str(clip) not in open_files()
    source.start()
    assert not list(source.watch())


@needs_proc
def test_a_file_that_is_refused_is_closed(clip, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_VIDEO_PIXELS", 100)
    with pytest.raises(UserError, match="pixels per frame, more than") as error:
        open_source(str(clip))
    assert error.value
    assert str(clip) not in open_files()


def test_a_video_that_is_closed_while_it_is_read_ends_without_an_event(clip):
    source = open_source(str(clip))
    watched = source.watch()
    while not is_frame(next(watched)):
        pass
    source.close()
    assert not any(is_event(seen) for seen in watched)


def test_a_video_is_read_from_its_first_frame_without_a_with(clip):
    source = open_source(str(clip))
    assert len(list(source)) == 20
    source.close()


def test_the_time_of_the_first_frame_on_the_clock_of_the_file_is_known(clip, tmp_path):
    path = copied(clip, tmp_path / "a.ts", lambda packet, index: None)
    with av.open(str(path)) as container:
        pts = next(container.decode(video=0)).time
    with open_source(str(path)) as source:
        source.start_clock(1e9)  # without effect on a file
        first = next(iter(source))
    assert first.time == 0
    assert isinstance(source, video.VideoSource)
    assert source.first_pts == pts > 0


def test_an_error_while_reading_ends_the_video_early_and_keeps_nothing_in_memory(clip, monkeypatch):
    def broken(self, stopped):
        yield np.zeros((8, 8, 3), np.uint8), 0.0
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(video.VideoSource, "_decode", broken)
    gc.disable()
    try:
        with open_source(str(clip)) as source:
            frames, (event,) = frames_and_events(source)
        held = weakref.ref(source)
        del source
        assert held() is None
    finally:
        gc.enable()
    assert len(frames) == 1
    assert event.text == f"{clip} ends early after frame 0: Input/output error"


@pytest.mark.parametrize("count", [1, 2, 12])
def test_only_the_last_frame_of_a_video_is_marked(tmp_path, count):
    path = tmp_path / "a.mkv"
    write_clip(path, [np.full((48, 64, 3), 20 * k, np.uint8) for k in range(count)])
    with VideoSource(str(path)) as source:
        assert [frame.last for frame in source] == [False] * (count - 1) + [True]


def test_what_fails_at_the_end_of_a_video_comes_after_its_last_frame():
    one, two = (Frame(np.zeros((4, 4, 3), np.uint8), k, k / 25, "a") for k in range(2))
    failed = Event("failed", "a ends early", "a")
    seen = list(mark_last(iter([Event("info", "b", "a"), one, NoFrame(0.0), two, failed])))
    assert [type(each).__name__ for each in seen] == ["Event", "NoFrame", "Frame", "Frame", "Event"]
    assert [each.last for each in seen if isinstance(each, Frame)] == [False, True]
    assert seen[-1] is failed


@pytest.mark.parametrize(("codec", "suffix"), [("h264", "h264"), ("mjpeg", "mjpeg")])
def test_two_frames_without_a_container_are_a_video(tmp_path, codec, suffix):
    path = tmp_path / f"raw.{suffix}"
    with av.open(str(path), "w", format=suffix) as container:
        stream = container.add_stream(
            codec, rate=25, options={"bf": "3"} if codec == "h264" else {}
        )
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for shade in (40, 200):
            image = np.full((48, 64, 3), shade, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        frames, events = frames_and_events(source)
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.04], abs=1e-3)
    assert not events


def test_a_live_capture_that_begins_late_on_its_clock_is_complete(tmp_path):
    path = tmp_path / "late.flv"
    with av.open(str(path), "w", options={"flvflags": "no_duration_filesize"}) as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(50):
            image = np.full((48, 64, 3), 4 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.time_base, frame.pts = Fraction(1, 25), k + 25 * 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        frames, events = frames_and_events(source)
    assert len(frames) == 50
    assert not events

"""Live sources that fail, against streams served on loopback that are killed and come back."""

import contextlib
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import stream
from demo.display.mosaic import Mosaic, SourceView
from demo.display.window import QUIT
from demo.errors import UserError
from demo.frames import Frame, NoFrame
from demo.session import run
from demo.sources import capture, decoding, live, video
from demo.sources.live import LiveSource
from demo.sources.open import open_source
from demo.sources.redact import redact
from demo.timing import Stopwatch
from tests.synthetic import NO_FACES, KeyWindow, jpeg, write_clip

ROOT = Path(__file__).resolve().parents[2]


def numbered(index: int, height: int = 120, width: int = 160) -> bytes:
    """A grey picture that tells its number modulo 60."""
    return jpeg(np.full((height, width, 3), 4 * (index % 60) + 8, np.uint8))


def number(frame: Frame) -> int:
    return round((float(frame.image.mean()) - 8) / 4)


def delay(frame: Frame, sent: list[float]) -> float:
    """Seconds since the picture was sent."""
    index = max(k for k in range(len(sent)) if k % 60 == number(frame))
    return time.monotonic() - sent[index]


def until(seen: Iterator[Frame | NoFrame], wanted: Callable, seconds: float = 20.0) -> list:
    """What was seen up to the first that is wanted."""
    end, taken = time.monotonic() + seconds, []
    for each in seen:
        taken.append(each)
        if wanted(each):
            return taken
        assert time.monotonic() < end, "it did not come"
    raise AssertionError("the source ended")


def is_frame(seen: Frame | NoFrame) -> bool:
    return isinstance(seen, Frame)


def is_notice(seen: Frame | NoFrame) -> bool:
    return isinstance(seen, NoFrame) and bool(seen.notice)


class Pictures:
    """A camera of a few pictures, at 50 frames a second, the first of them `late` seconds later,
    that then behaves as `after` says."""

    fps = 50.0

    def __init__(
        self, count: float, after: Callable[[], None] = lambda: None, late: float = 0.0
    ) -> None:
        self._left, self._after, self._late = count, after, late
        self.released = False

    def read(self) -> np.ndarray | None:
        time.sleep(self._late + 1 / self.fps)
        self._late = 0.0
        if self._left <= 0:
            self._after()
            return None
        self._left -= 1
        return np.full((48, 64, 3), 100, np.uint8)

    def release(self) -> None:
        self.released = True


def connections(*captures: Pictures | None) -> Callable[[], Pictures]:
    """Give one after the other; None is an attempt that fails."""
    given = iter(captures)

    def connect() -> Pictures:
        capture = next(given)
        if capture is None:
            raise UserError("unplugged")
        return capture

    return connect


def test_a_server_that_is_killed_and_restarted_goes_on_with_little_delay(broadcast):
    server = broadcast(numbered)
    with open_source(server.address()) as source:
        seen = source.watch()
        for _ in range(10):
            last = until(seen, is_frame)[-1]
        server.kill()
        lost = until(seen, is_notice)[-1]
        assert lost.notice.startswith("stream lost, reconnecting (")
        assert lost.time > last.time
        time.sleep(0.5)
        server.start()
        back = until(seen, is_frame)
        assert back[-1].index == last.index + 1 + sum(map(is_frame, back[:-1]))
        assert back[-1].time - last.time > 0.5  # the time of the outage counts
        delays = [delay(until(seen, is_frame)[-1], server.sent) for _ in range(10)]
    assert min(delays) < 0.25  # a backlog would delay them all


def test_a_stream_that_stalls_is_told_and_resumes(broadcast, monkeypatch):
    monkeypatch.setattr(live, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(capture, "READ_SECONDS", 0.6)
    server = broadcast(numbered)
    with open_source(server.address()) as source:
        seen = source.watch()
        until(seen, is_frame)
        server.stalled.set()
        silence = until(seen, is_notice)
        assert any(isinstance(each, NoFrame) and not each.notice for each in silence)
        until(seen, lambda each: is_notice(each) and "(1 s)" in each.notice)
        server.stalled.clear()
        until(seen, is_frame)


def test_garbage_between_pictures_is_passed_over(broadcast):
    noise = os.urandom(3000)
    server = broadcast(lambda k: noise if k % 10 in (7, 8) else numbered(k))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.index == 30)
    assert not any(map(is_notice, seen))
    assert not {7, 8} & {number(frame) % 10 for frame in seen if is_frame(frame)}


def test_a_stream_of_garbage_alone_is_left_for_a_new_connection(broadcast, monkeypatch):
    monkeypatch.setattr(capture, "READ_SECONDS", 0.3)
    monkeypatch.setattr(live, "FIRST_WAIT", 0.1)
    server = broadcast(lambda k: b"no picture" if 10 <= k < 40 else numbered(k))
    with open_source(server.address()) as source:
        seen = source.watch()
        until(seen, is_notice)
        until(seen, is_frame)


def test_a_transport_stream_with_garbage_in_it_recovers():
    packets, server = transport_stream(50), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        for start in range(0, len(packets), 1504):
            connection.sendall(packets[start : start + 1504])
            if start % (8 * 1504) == 5 * 1504:
                connection.sendall(os.urandom(999))
            time.sleep(0.005)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with open_source(f"tcp://127.0.0.1:{server.getsockname()[1]}", give_up=0.1) as source:
        indices = [frame.index for frame in source]
    assert len(indices) + source.dropped >= 25
    server.close()


def transport_stream(count: int) -> bytes:
    """H.264 in MPEG-TS, a key frame every five."""
    memory, noise = io.BytesIO(), np.random.default_rng(0)
    with av.open(memory, "w", format="mpegts") as container:
        video = container.add_stream("h264", rate=25, options={"tune": "zerolatency"})
        video.width, video.height, video.pix_fmt, video.gop_size = 160, 120, "yuv420p", 5
        for _ in range(count):
            small = noise.integers(0, 255, (6, 8, 3), np.uint8)
            image = cv2.resize(small, (160, 120))
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(video.encode(None))
    return memory.getvalue()


def test_pictures_of_another_size_come_as_they_are(broadcast):
    server = broadcast(lambda k: numbered(k) if k < 10 else numbered(k, 240, 320))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.image.shape[0] == 240)
    assert not any(map(is_notice, seen))


@pytest.mark.parametrize("density", [(1, 1), (2, 1)], ids=["square", "wide"])
@pytest.mark.parametrize("large", [False, True])
def test_pictures_of_a_stream_are_taken_as_those_of_a_file(broadcast, monkeypatch, density, large):
    monkeypatch.setattr(decoding, "LARGE", 100_000)
    monkeypatch.setattr(decoding, "TAKEN", 50_000)
    height, width = (240, 520) if large else (120, 160)
    picture = numbered(9, height, width)
    at = picture.index(b"JFIF\0") + 7
    picture = picture[:at] + struct.pack(">BHH", 0, *density) + picture[at + 5 :]
    wide, parts = width * density[0], (3 if density[0] == 2 else 2) if large else 1
    with open_source(broadcast(lambda k: picture).address()) as source:
        (frame,) = filter(is_frame, until(source.watch(), is_frame))
    assert frame.image.shape == (height // parts, wide // parts, 3)


def test_a_stream_of_huge_frames_is_refused_when_it_is_opened(broadcast, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_VIDEO_PIXELS", 10_000)
    server = broadcast(numbered)
    with pytest.raises(UserError, match=r"\*\*\*@.* has 160x120 pixels a frame, more than"):
        open_source(server.address("me:pw@"))


def test_a_stream_whose_frames_are_too_large_to_be_looked_at_is_refused(broadcast, monkeypatch):
    monkeypatch.setattr(capture, "READ_SECONDS", 0.5)
    monkeypatch.setitem(decoding.BOUND, "max_pixels", "10000")
    monkeypatch.setitem(capture.TRANSPORT, "analyzeduration", "100000")
    with pytest.raises(UserError, match=r"holds no frame that can be decoded: .* 36 million"):
        open_source(broadcast(numbered).address())


def test_frames_of_a_stream_that_become_huge_are_passed_over(broadcast, monkeypatch):
    monkeypatch.setitem(decoding.BOUND, "max_pixels", "100000")
    server = broadcast(lambda k: numbered(k, 480, 640) if k % 10 in (7, 8) else numbered(k))
    with open_source(server.address()) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.index == 20)
    assert {frame.image.shape for frame in seen if is_frame(frame)} == {(120, 160, 3)}


def served(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server by http that answers every connection, and its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.recv(4096)
                answer(connection)

    in_background(serve)
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_address_that_gives_one_picture_each_time_is_not_lost(monkeypatch):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.2)
    picture = numbered(9)

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + picture)
        connection.close()

    server, address = served(answer)
    with open_source(f"{address}/face.jpg") as source:
        watched = source.watch()
        seen = until(watched, lambda each: is_frame(each) and each.index == 4)
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        until(watched, is_notice)
    assert not any(map(is_notice, seen))


def test_a_video_whose_server_stalls_is_told_so(clip, monkeypatch):
    monkeypatch.setattr(video, "OPEN_SECONDS", 0.5)
    content, held = clip.read_bytes(), []

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[: len(content) // 2])
        held.append(connection)

    server, address = served(answer)
    with open_source(f"{address}/clip.mkv") as source:
        frames = list(source)
    assert source.warning == (
        f"{address}/clip.mkv breaks off after frame {frames[-1].index}: no answer within 10 s"
    )
    server.close()


def test_attempts_to_reconnect_come_with_growing_pauses(monkeypatch):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(live, "LONGEST_WAIT", 0.2)
    attempts: list[float] = []
    first, last = Pictures(3), Pictures(100)
    given = iter([first, None, None, None, None, last])

    def connect() -> Pictures:
        attempts.append(time.monotonic())
        capture = next(given)
        if capture is None:
            raise UserError("unplugged")
        return capture

    with LiveSource("0", connect) as source:
        seen = source.watch()
        notice = until(seen, is_notice)[-1].notice
        until(seen, is_frame)
    assert notice == "camera lost, reconnecting (0 s)"
    assert first.released
    assert last.released
    pauses = np.diff(attempts)[1:]
    assert (pauses >= [0.1, 0.2, 0.2, 0.2]).all()


def test_the_source_gives_up_when_told(monkeypatch):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.05)
    with LiveSource("3", connections(Pictures(3), *[None] * 99), give_up=0.3) as source:
        start = time.monotonic()
        assert 1 <= len(list(source)) <= 3
        assert 0.3 <= time.monotonic() - start < 2
    assert source.warning == "camera 3 gave no picture for 0 s: gave up"


def test_a_driver_that_never_returns_is_left_to_itself(monkeypatch):
    monkeypatch.setattr(live, "STUCK_SECONDS", 0.3)
    for_ever = threading.Event()
    stuck, other = Pictures(3, for_ever.wait), Pictures(1000)
    with LiveSource("0", connections(stuck, other)) as source:
        seen = source.watch()
        until(seen, is_frame)
        until(seen, lambda each: is_frame(each) and each.index == 5)
    for_ever.set()
    deadline = time.monotonic() + 2
    while not stuck.released:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_key_is_obeyed_while_the_driver_never_returns():
    source = LiveSource("0", connections(Pictures(1, threading.Event().wait)))
    start = time.monotonic()
    view = SourceView(source, lambda frame: NO_FACES)
    window = KeyWindow(lambda look: QUIT if look >= 10 else None)
    result = run([view], [], None, window, Stopwatch(), None, lambda line: None)
    assert result.quit
    assert result.frames == 1
    assert time.monotonic() - start < 10


def ids_and_places(log: Path) -> list[dict[int, float]]:
    """Of every logged frame, the left edges by id."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [{face["id"]: face["box"][0] for face in entry["faces"]} for entry in entries]


def lines_of(capsys) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("stream: ") for line in lines]


def logged(log: Path, count: int) -> None:
    """Wait until so many frames are in the log."""
    end = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= count):
        assert time.monotonic() < end
        time.sleep(0.02)


def in_background(act: Callable[[], None]) -> None:
    threading.Thread(target=act, daemon=True).start()


def times(video: Path) -> list[float]:
    with av.open(str(video)) as container:
        return [picture.time for picture in container.decode(video=0)]


def test_ids_and_labels_resume_and_everything_is_kept_when_the_source_is_given_up(
    broadcast, two_people, tmp_path, capsys
):
    """Up, down for a moment, up again in twice the size, gone for good."""
    pictures = [jpeg(two_people(0)), jpeg(cv2.resize(two_people(0), None, fx=2, fy=2))]
    large = threading.Event()
    server = broadcast(lambda k: pictures[large.is_set()])
    log, video = tmp_path / "a.jsonl", tmp_path / "a.mp4"

    def story() -> None:
        logged(log, 15)
        server.kill()
        large.set()
        time.sleep(0.7)
        server.start()
        logged(log, 30)
        server.kill()

    in_background(story)
    arguments = f"--no-display --give-up 4 --max-frames 300 --log {log} -o {video} "
    arguments += f"-s {server.address('me:pw@')}"
    start = time.monotonic()
    assert stream.main(arguments.split()) == 2
    seconds = time.monotonic() - start
    lines = lines_of(capsys)
    name = server.address("***@")
    assert f"{name}: stream lost, reconnecting (0 s)" in lines
    assert any(line.startswith(f"{name}: back after ") for line in lines)
    assert lines[-1] == f"stream {name} gave no picture for 4 s: gave up"

    seen = ids_and_places(log)
    settled = [places for places in seen if set(places) == {1, 2}]
    assert len(settled) > len(seen) - 4
    assert settled[-1][1] == pytest.approx(2 * settled[5][1], abs=4)
    assert not any(set(places) - {-1, 1, 2} for places in seen)
    last = json.loads(log.read_text().splitlines()[-1])
    assert all(face["age"] is not None for face in last["faces"])
    recorded = times(video)
    assert last["time"] + 3.5 < recorded[-1] < seconds
    assert np.median(np.diff(recorded)[-10:]) == pytest.approx(0.2, abs=0.1)  # stills
    with av.open(str(video)) as container:
        stills = list(container.decode(video=0))
    assert {(still.width, still.height) for still in stills} == {(480, 270)}
    dark = stills[-1].to_ndarray(format="bgr24")
    assert dark[0].mean() < 60  # the last picture under a notice


def test_passwords_reach_neither_lines_nor_titles_nor_logs(
    broadcast, tmp_path, capsys, monkeypatch
):
    titles: list[str] = []

    def titled(title: str) -> KeyWindow:
        titles.append(title)
        return KeyWindow(lambda look: QUIT if look >= 20 else None)

    monkeypatch.setattr("demo.display.window.Window", titled)
    monkeypatch.setattr("demo.display.window.display_exists", lambda: True)
    server = broadcast(numbered)
    log, csv = tmp_path / "a.jsonl", tmp_path / "a.csv"
    address = server.address("admin:se@cret/1@") + "?token=hush"
    for path in (log, csv):
        source = server.address("admin:secret@") + "?user=me&password=secret&channel=2"
        assert stream.main(["-s", source, "--log", str(path)]) == 0
    refused = [
        address,
        "rtsp://admin:secret@127.0.0.1:9/1",
        "http://admin:secret@127.0.0.1:9/a.mp4?pwd=secret",
        "admin:secret@camera/1",
        "rtsp:/admin:secret@camera/" + "x" * 300,
        "nonsense://admin:secret@camera",
    ]
    for source in refused:
        assert stream.main(["-s", source, "-s", "nothing"]) == 2
    text = "".join(capsys.readouterr())
    told = text + "".join(titles) + log.read_text() + csv.read_text()
    assert not [word for word in ("secret", "cret", "hush", "admin") if word in told]
    assert "***@127.0.0.1" in text
    assert "channel=2" in titles[0]
    source = json.loads(log.read_text().splitlines()[0])["source"]
    assert source == server.address("***@") + "?user=***&password=***&channel=2"


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("0", "0"),
        ("holiday@sea.mp4", "holiday@sea.mp4"),
        ("rtsp://camera:554/1", "rtsp://camera:554/1"),
        ("rtsp://me:secret@camera:554/1", "rtsp://***@camera:554/1"),
        ("rtsp://me@camera/1", "rtsp://***@camera/1"),
        ("RTSP://me:a@b/c?d#e@camera/1", "RTSP://***@camera/1"),
        ("http://c/v.cgi?usr=me&pwd=x&rate=0", "http://c/v.cgi?usr=***&pwd=***&rate=0"),
        ("rtsp://c/user=me&password=x&channel=1", "rtsp://c/user=***&password=***&channel=1"),
        ("https://c/a.m3u8?X-Auth-Token=x#t", "https://c/a.m3u8?X-Auth-Token=***#t"),
        ("me:secret@camera", "***@camera"),
    ],
)
def test_a_public_name_has_no_login(source, public):
    assert redact(source) == public


def test_one_of_several_sources_that_fails_does_not_stop_the_others(
    broadcast, two_people, tmp_path, capsys
):
    picture = jpeg(two_people(0))
    steady, failing = broadcast(lambda k: picture), broadcast(lambda k: picture)
    log, video = tmp_path / "a.jsonl", tmp_path / "a.mp4"

    def story() -> None:
        logged(log, 30)
        failing.kill()

    in_background(story)
    arguments = f"--no-display --give-up 1 --max-frames 80 --log {log} -o {video} "
    arguments += f"-s {steady.address()} -s {failing.address()}"
    assert stream.main(arguments.split()) == 2
    lines = lines_of(capsys)
    assert lines.count(f"stream {failing.address()} gave no picture for 1 s: gave up") == 1
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    of = {
        server: [entry for entry in entries if entry["source"] == server.address()]
        for server in (steady, failing)
    }
    assert entries[-1]["source"] == steady.address()
    assert of[steady][-1]["time"] > of[failing][-1]["time"] + 1
    for seen in of.values():
        assert len(seen) >= 5
        assert [entry["frame"] for entry in seen] == list(range(len(seen)))
        assert {face["id"] for face in seen[-1]["faces"]} == {1, 2}
    with av.open(str(video)) as container:
        tiles = list(container.decode(video=0))[-1].to_ndarray(format="bgr24")
    assert tiles.shape == (540, 1920, 3)
    assert tiles[300, 960 - 100] == pytest.approx([90] * 3, abs=8)
    assert tiles[300, 1920 - 100] == pytest.approx([45] * 3, abs=8)  # dark, under a notice


def test_of_several_cameras_one_that_starts_late_has_the_time_of_the_others(monkeypatch):
    monkeypatch.setattr(live, "STALL_SECONDS", 0.3)
    cameras = [LiveSource(str(k), connections(Pictures(1000, late=k))) for k in (0, 1)]
    seen, news = {}, []
    with cameras[0], cameras[1]:
        mosaic = Mosaic([SourceView(camera, lambda frame: NO_FACES) for camera in cameras])
        while mosaic.time < 1.3:
            seen |= {frame.source: frame.time for _, frame in mosaic.turn()}
            news += mosaic.news()
    assert seen == pytest.approx({"0": mosaic.time, "1": mosaic.time}, abs=0.5)
    assert news == ["1: camera lost, reconnecting (0 s)", "1: back after 1 s"]


def test_of_a_camera_that_starts_late_it_is_told_how_long_it_was_silent(monkeypatch):
    monkeypatch.setattr(live, "STALL_SECONDS", 0.3)
    told: list[str] = []
    view = SourceView(LiveSource("0", connections(Pictures(10, late=1.0))), lambda frame: NO_FACES)
    assert run([view], [], None, None, Stopwatch(), 1, told.append).frames == 1
    assert told == ["0: camera lost, reconnecting (0 s)", "0: back after 1 s"]


def test_several_files_are_annotated_in_step_and_none_loses_a_frame(clip, tmp_path):
    log, video = tmp_path / "a.jsonl", tmp_path / "a.mp4"
    arguments = f"--no-display --log {log} -o {video} -s {clip} -s {ROOT / 'assets/demo.mp4'}"
    assert stream.main([*arguments.split(), "--max-frames", "60"]) == 0
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["frame"] for e in entries if e["source"] == str(clip)] == list(range(20))
    assert [e["frame"] for e in entries if e["source"] != str(clip)] == list(range(40))
    assert times(video) == pytest.approx([k / 25 for k in range(40)], abs=2e-3)


def test_of_several_files_the_one_that_breaks_off_is_named_once(clip, tmp_path, capsys):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    assert stream.main(["--no-display", "-s", str(clip), "-s", str(cut)]) == 2
    (line,) = [line for line in lines_of(capsys) if "breaks off" in line]
    assert line.startswith(f"{cut} breaks off after frame ")


def test_each_of_several_files_is_annotated_as_it_is_alone(clip, two_people, tmp_path):
    other = tmp_path / "other.mkv"
    write_clip(other, [two_people(20 - k) for k in range(20)])

    def annotated(name: str, *paths: Path) -> list[dict]:
        log = tmp_path / f"{name}.jsonl"
        given = [word for path in paths for word in ("-s", str(path))]
        assert stream.main(["--no-display", "--log", str(log), *given]) == 0
        return [json.loads(line) for line in log.read_text().splitlines()]

    together = annotated("together", clip, other)
    for path in (clip, other):
        seen = [entry for entry in together if entry["source"] == str(path)]
        for entry, expected in zip(seen, annotated("alone", path), strict=True):
            assert entry["time"] == expected["time"]
            for face, same in zip(entry["faces"], expected["faces"], strict=True):
                assert face.pop("box") == same.pop("box")
                assert face == pytest.approx(same, abs=1e-4)


def test_a_signal_is_heard_while_the_source_stalls(broadcast, tmp_path):
    server = broadcast(numbered)
    log = tmp_path / "a.jsonl"
    process = subprocess.Popen(
        [sys.executable, "stream.py", "-s", server.address(), "--log", log, "--no-display"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    logged(log, 3)
    server.stalled.set()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(8) == stream.INTERRUPTED


def test_a_signal_is_heard_while_the_first_connection_hangs():
    silent = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{silent.getsockname()[1]}/live"
    in_background(lambda: (time.sleep(0.5), signal.raise_signal(signal.SIGINT)))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        open_source(address)
    assert time.monotonic() - start < 2
    silent.close()

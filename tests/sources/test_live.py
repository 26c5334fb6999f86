"""Live sources that fail, against streams served on loopback that are killed and come back."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import stream
from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.session import Session
from demo.sources.capture import LiveTimeouts
from demo.sources.live import LiveSource
from demo.sources.open import open_source
from demo.sources.schedule import Schedule
from models.commands import INTERRUPTED
from tests.sources.fakes import (
    FakeCamera,
    connections,
    frames_and_events,
    in_background,
    is_event,
    is_frame,
    is_notice,
    number,
    numbered,
    served,
    until,
)
from tests.synthetic import KeyWindow, NoFaces, feeds_of, jpeg, write_clip

ROOT = Path(__file__).resolve().parents[2]


def delay(frame: Frame, sent: list[float]) -> float:
    """Seconds since the picture was sent."""
    index = max(k for k in range(len(sent)) if k % 60 == number(frame))
    return time.monotonic() - sent[index]


def test_a_server_that_is_killed_and_restarted_goes_on_with_little_delay(broadcast):
    server = broadcast(numbered)
    with open_source(server.address()) as source:
        seen = source.watch()
        for _ in range(10):
            last = until(seen, is_frame)[-1]
        server.kill()
        *_, event, lost = until(seen, is_notice)
        assert lost.notice.startswith("stream lost, reconnecting (")
        assert lost.time > last.time
        name = server.address()
        assert (event.kind, event.source, event.time) == ("lost", name, lost.time)
        assert event.text == f"{name}: stream lost, reconnecting"
        time.sleep(0.5)
        server.start()
        back = until(seen, is_frame)
        assert back[-1].index == last.index + 1
        gap = back[-1].time - last.time
        assert gap > 0.5  # the time of the outage counts
        (event,) = filter(is_event, back)  # one, however many notices there were
        assert (event.kind, event.time) == ("back", back[-1].time)
        assert event.text == f"{name}: back after {gap:.0f} s"
        delays = [delay(until(seen, is_frame)[-1], server.sent) for _ in range(10)]
    assert min(delays) < 0.25  # a backlog would delay them all


def test_a_stream_that_stalls_is_shown_as_lost_and_resumes(broadcast):
    server = broadcast(numbered)
    with open_source(server.address(), timeouts=LiveTimeouts(stall=0.3, read=0.6)) as source:
        seen = source.watch()
        until(seen, is_frame)
        server.stalled.set()
        silence = until(seen, is_notice)
        assert any(isinstance(each, NoFrame) and not each.notice for each in silence)
        until(seen, lambda each: is_notice(each) and "(1 s)" in each.notice)
        server.stalled.clear()
        until(seen, is_frame)


def test_a_stream_of_garbage_alone_is_replaced_by_a_new_connection(broadcast):
    timeouts = LiveTimeouts(read=0.3, first_wait=0.1)
    server = broadcast(lambda k: b"no picture" if 10 <= k < 40 else numbered(k))
    with open_source(server.address(), timeouts=timeouts) as source:
        seen = source.watch()
        until(seen, is_notice)
        until(seen, is_frame)


def test_an_address_that_gives_one_picture_each_time_is_not_lost():
    picture = numbered(9)

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + picture)
        connection.close()

    server, address = served(answer)
    with open_source(f"{address}/face.jpg", timeouts=LiveTimeouts(first_wait=0.2)) as source:
        watched = source.watch()
        seen = until(watched, lambda each: is_frame(each) and each.index == 4)
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        until(watched, is_notice)
    assert not any(map(is_notice, seen))
    assert not any(map(is_event, seen))


def test_attempts_to_reconnect_come_with_growing_pauses():
    timeouts = LiveTimeouts(first_wait=0.05, longest_wait=0.2)
    attempts: list[float] = []
    first, last = FakeCamera(3), FakeCamera(100)
    given = iter([first, None, None, None, None, last])

    def connect() -> FakeCamera:
        attempts.append(time.monotonic())
        capture = next(given)
        if capture is None:
            raise UserError("unplugged")
        return capture

    with LiveSource("0", connect, timeouts=timeouts) as source:
        seen = source.watch()
        notice = until(seen, is_notice)[-1].notice
        until(seen, is_frame)
    assert notice == "camera lost, reconnecting (0 s)"
    assert first.released == last.released == 1
    pauses = np.diff(attempts)[1:]
    assert (pauses >= [0.1, 0.2, 0.2, 0.2]).all()


def test_a_source_gives_up_after_as_long_without_a_frame_as_it_was_given():
    connect = connections(FakeCamera(3), *[None] * 99)
    with LiveSource("3", connect, 0.3, LiveTimeouts(first_wait=0.05)) as source:
        start = time.monotonic()
        frames, (lost, failed) = frames_and_events(source)
        assert 1 <= len(frames) <= 3
        assert 0.3 <= time.monotonic() - start < 2
    assert (lost.kind, failed.kind) == ("lost", "failed")
    assert failed.text == "camera 3 sent no frame for 0 s: gave up"


def test_a_driver_that_never_returns_is_replaced():
    for_ever = threading.Event()
    stuck, other = FakeCamera(3, for_ever.wait), FakeCamera(1000)
    with LiveSource("0", connections(stuck, other), timeouts=LiveTimeouts(hang=0.3)) as source:
        seen = source.watch()
        until(seen, is_frame)
        until(seen, lambda each: is_frame(each) and each.index == 5)
    for_ever.set()
    deadline = time.monotonic() + 2
    while not stuck.released:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_driver_that_returns_after_it_was_replaced_changes_nothing():
    hang = threading.Event()
    stuck, slow = FakeCamera(1, hang.wait), FakeCamera(1000, fps=8)  # pauses between its frames
    with LiveSource("0", connections(stuck, slow), timeouts=LiveTimeouts(hang=0.3)) as source:
        watched = source.watch()
        until(watched, lambda each: is_frame(each) and each.index == 2)
        hang.set()
        seen = until(watched, lambda each: is_frame(each) and each.index == 8)
    assert stuck.released
    assert not any(map(is_notice, seen))
    assert not any(map(is_event, seen))


def test_a_hang_is_noticed_as_early_as_the_first_one_once_frames_have_come_for_a_while():
    hangs: list[float] = []
    attempts: list[float] = []

    def hang() -> None:
        hangs.append(time.monotonic())
        threading.Event().wait()

    cameras = iter([FakeCamera(0, hang), FakeCamera(0, hang), FakeCamera(40, hang), FakeCamera(9)])

    def connect() -> FakeCamera:
        attempts.append(time.monotonic())
        return next(cameras)

    timeouts = LiveTimeouts(hang=0.3, recovery=0.5, first_wait=0.01)
    with LiveSource("0", connect, timeouts=timeouts) as source:
        until(source.watch(), lambda each: is_frame(each) and len(attempts) == 4)
    first, second, third = np.array(attempts[1:]) - hangs
    assert first + 1 / 50 >= 0.3
    assert second + 1 / 50 >= 0.6
    assert 0.3 <= third + 1 / 50 < 0.8  # without recovery 1.2


@pytest.mark.parametrize("started", [False, True])
def test_close_releases_the_camera_whether_or_not_it_was_read(started):
    camera = FakeCamera(1000)
    source = LiveSource("0", connections(camera))
    assert source.path is None
    if started:
        source.start()
        source.start()
        next(iter(source))
    source.close()
    source.close()
    assert camera.released == 1
    source.start()
    assert not list(source.watch())


def test_a_camera_that_is_opened_after_its_driver_was_given_up_is_released():
    camera, wait = FakeCamera(1), threading.Event()

    def connect() -> FakeCamera:
        wait.wait()
        return camera

    with pytest.raises(UserError, match="cannot open camera 0: its driver does not respond"):
        LiveSource("0", connect, timeouts=LiveTimeouts(open=0.1))
    wait.set()
    deadline = time.monotonic() + 2
    while not camera.released:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("stated", "fps"), [(0.0, None), (30.0, 30.0), (1e6, None)])
def test_an_absurd_frame_rate_is_not_believed(stated, fps):
    camera = FakeCamera(1)
    camera.fps = stated
    source = LiveSource("0", connections(camera))
    source.close()
    assert source.fps == fps


def test_frames_have_the_moment_of_their_capture_and_a_clock_that_can_be_set():
    with LiveSource("0", connections(FakeCamera(1000))) as source:
        source.start_clock(time.monotonic() - 100)
        frame = next(iter(source))
        now = time.monotonic()
    assert now - 1 < frame.captured <= now
    assert frame.time == pytest.approx(100, abs=1)
    assert frame.captured - source.started == frame.time


def test_the_clock_starts_at_the_first_frame():
    with LiveSource("0", connections(FakeCamera(1000, late=0.5))) as source:
        first, second = islice(source, 2)
    assert first.time == 0
    assert second.time == second.captured - first.captured


@pytest.mark.parametrize(("watched", "waiting"), [(True, 1), (False, 6)])
def test_frames_wait_for_a_busy_reader_where_nobody_watches(watched, waiting):
    all_read, end = threading.Event(), threading.Event()
    source = LiveSource("0", connections(FakeCamera(6, lambda: all_read.set() or end.wait())))
    if not watched:
        source.keep_unwatched()
    with source:
        assert all_read.wait(5)
        frames = [each for each in islice(source.watch(0.01), waiting + 1) if is_frame(each)]
        end.set()
    assert len(frames) == waiting
    assert source.dropped == 6 - waiting


def test_a_key_is_obeyed_while_the_driver_never_returns():
    source = LiveSource("0", connections(FakeCamera(1, threading.Event().wait)))
    start = time.monotonic()
    window = KeyWindow(lambda look: "quit" if look >= 10 else None)
    result = Session([(source, NoFaces())], pictures=[window], controls=[window]).run()
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
    assert f"{name}: stream lost, reconnecting" in lines
    assert any(line.startswith(f"{name}: back after ") for line in lines)
    assert lines[-1] == f"stream {name} sent no frame for 4 s: gave up"

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
        return KeyWindow(lambda look: "quit" if look >= 20 else None)

    monkeypatch.setattr("demo.outputs.Window", titled)
    monkeypatch.setattr("demo.outputs.display_exists", lambda: True)
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
    assert lines.count(f"stream {failing.address()} sent no frame for 1 s: gave up") == 1
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
        tiles = list(container.decode(video=0))[-1].to_ndarray(format="bgr24").astype(int)
    assert tiles.shape == (540, 1920, 3)
    assert tiles[300, 960 - 100] == pytest.approx([90] * 3, abs=8)
    assert tiles[300, 1920 - 100] == pytest.approx([45] * 3, abs=8)  # dark, under a notice


def test_of_several_cameras_one_that_starts_late_has_the_time_of_the_others():
    timeouts = LiveTimeouts(stall=0.3)
    cameras = [
        LiveSource(str(k), connections(FakeCamera(1000, late=k)), timeouts=timeouts) for k in (0, 1)
    ]
    seen, texts = {}, []
    with cameras[0], cameras[1]:
        schedule = Schedule(feeds_of(*cameras))
        while schedule.time < 1.3:
            due, events = schedule.turn()
            seen |= {frame.source: frame.time for _, frame in due}
            texts += [event.text for event in events]
    assert seen == pytest.approx({"0": schedule.time, "1": schedule.time}, abs=0.5)
    assert texts == ["1: camera lost, reconnecting", "1: back after 1 s"]


def test_of_a_camera_that_starts_late_it_is_told_how_long_it_was_silent():
    events: list[Event] = []
    connect = connections(FakeCamera(10, late=1.0))
    source = LiveSource("0", connect, timeouts=LiveTimeouts(stall=0.3))
    session = Session([(source, NoFaces())], max_frames=1, notify=events.append)
    assert session.run().frames == 1
    assert [event.text for event in events] == ["0: camera lost, reconnecting", "0: back after 1 s"]


def test_several_files_are_annotated_in_step_and_none_loses_a_frame(clip, tmp_path):
    log, video = tmp_path / "a.jsonl", tmp_path / "a.mp4"
    arguments = f"--no-display --log {log} -o {video} -s {clip} -s {ROOT / 'assets/demo.mp4'}"
    assert stream.main([*arguments.split(), "--max-frames", "60"]) == 0
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["frame"] for e in entries if e["source"] == str(clip)] == list(range(20))
    assert [e["frame"] for e in entries if e["source"] != str(clip)] == list(range(40))
    assert times(video) == pytest.approx([k / 25 for k in range(40)], abs=2e-3)


def test_of_several_files_the_one_that_ends_early_is_named_once(clip, tmp_path, capsys):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    assert stream.main(["--no-display", "-s", str(clip), "-s", str(cut)]) == 2
    (line,) = [line for line in lines_of(capsys) if "ends early" in line]
    assert line.startswith(f"{cut} ends early after frame ")


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
    assert process.wait(8) == INTERRUPTED

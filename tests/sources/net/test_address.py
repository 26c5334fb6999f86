"""Addresses of files and of live streams, served on loopback."""

import functools
import re
import socket
import tempfile
import time
from pathlib import Path

import av
import pytest

import stream
from demo.errors import UserError
from demo.sources.capture import LiveTimeouts
from demo.sources.live import LiveSource
from demo.sources.net.address import Remote
from demo.sources.open import open_source
from demo.sources.video import VideoSource
from tests.sources.fakes import (
    frames_and_events,
    is_event,
    is_frame,
    is_notice,
    number,
    numbered,
    served,
    until,
)
from tests.sources.servers import UdpCamera, file_server

HOST = "http://127.0.0.1"


@functools.cache
def container(clip: Path, kind: str, options: str = "") -> bytes:
    """The packets of the clip, in another container."""
    given = dict(pair.split("=") for pair in options.split())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")  # a file: FFmpeg reads it again to move an index to the front
        with av.open(str(clip)) as source, av.open(str(path), "w", kind, given) as out:
            track = out.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.pts is not None:
                    packet.stream = track
                    out.mux(packet)
        return path.read_bytes()


def playlist(*parts: str, end: bool = True) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    lines += [line for part in parts for line in ("#EXTINF:0.8,", part)]
    return "\n".join(lines + ["#EXT-X-ENDLIST"] * end + [""]).encode()


@pytest.mark.parametrize(
    ("path", "kind", "options"),
    [
        ("/watch?id=5", "mp4", "movflags=faststart"),
        ("/watch?id=5", "mp4", ""),
        ("/CLIP.MP4", "mp4", ""),
        ("/get?file=a.mp4&user=me@home", "mp4", "movflags=frag_keyframe+empty_moov"),
        ("/a", "matroska", ""),
        ("/a", "mpegts", ""),
        ("/live.flv", "flv", ""),
    ],
)
def test_a_finished_video_is_a_file_whatever_its_address(clip, path, kind, options):
    with (
        file_server({path: container(clip, kind, options)}) as (host, _),
        open_source(host + path) as source,
    ):
        assert isinstance(source, VideoSource)
        frames, events = frames_and_events(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert not events


@pytest.mark.parametrize(("kind", "options"), [("mp4", "movflags=faststart"), ("matroska", "")])
def test_a_server_that_sends_no_length_has_files_that_state_theirs(clip, kind, options):
    files = {"/a": container(clip, kind, options)}
    with (
        file_server(files, ranges=False, length=False) as (host, _),
        open_source(f"{host}/a") as source,
    ):
        frames, events = frames_and_events(source)
    assert len(frames) == 20
    assert not events


def test_an_address_that_leads_to_another_one_is_followed(clip):
    with (
        file_server({"/a": container(clip, "mp4")}) as (host, asked),
        open_source(f"{host}/to/a") as source,
    ):
        assert len(list(source)) == 20
    assert asked[:2] == ["/to/a", "/a"]


@pytest.mark.parametrize("kind", ["application/vnd.apple.mpegurl", "text/plain"])
def test_a_playlist_that_ends_is_a_file(clip, kind):
    part = container(clip, "mpegts")
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nvariant.m3u8\n"
    files = {
        "/play?id=1": playlist("part?n=0"),
        "/master.m3u8": master,
        "/variant.m3u8": playlist("part?n=0"),
        "/part?n=0": part,
    }
    with file_server(files, kind=kind) as (host, _):
        for path in ("/play?id=1", "/master.m3u8"):
            with open_source(host + path) as source:
                assert isinstance(source, VideoSource)
                frames, events = frames_and_events(source)
            assert len(frames) == 20
            assert not events


def test_a_playlist_without_an_end_is_live(clip):
    files = {"/a.m3u8": playlist("0.ts", end=False), "/0.ts": container(clip, "mpegts")}
    timeouts = LiveTimeouts(open=1)
    with file_server(files) as (host, _), open_source(f"{host}/a.m3u8", 1, timeouts) as source:
        assert isinstance(source, LiveSource)
        until(source.watch(), is_frame)


def test_a_live_playlist_that_ends_is_not_begun_anew(clip):
    part = container(clip, "mpegts")
    files = {"/a.m3u8": playlist("0.ts", end=False), "/0.ts": part}
    timeouts = LiveTimeouts(open=2, first_wait=0.05, longest_wait=0.1)
    with file_server(files) as (host, _), open_source(f"{host}/a.m3u8", 1, timeouts) as source:
        assert isinstance(source, LiveSource)
        files["/a.m3u8"] = playlist("0.ts")
        frames, (lost, failed) = frames_and_events(source)
    assert 0 < len(frames) <= 20
    assert (lost.kind, failed.kind) == ("lost", "failed")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_file_may_end_with_its_connection(clip, version):
    content = container(clip, "matroska")

    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/{version} 200 OK\r\nConnection: close\r\n\r\n".encode() + content)
        connection.close()

    server, address = served(answer)
    with open_source(f"{address}/a") as source:
        frames, events = frames_and_events(source)
    assert len(frames) == 20
    assert not events
    server.close()


@pytest.mark.parametrize(
    ("path", "kind", "options"),
    [
        ("/live.ts", "mpegts", ""),
        ("/live.flv", "flv", "flvflags=no_duration_filesize"),
        ("/live.mp4", "mp4", "movflags=frag_keyframe+empty_moov"),
        ("/live", "matroska", "live=1"),
    ],
)
def test_a_stream_without_length_and_duration_is_live(clip, path, kind, options):
    content = container(clip, kind, options)

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + content)
        connection.close()

    server, address = served(answer)
    with open_source(address + path) as source:
        assert isinstance(source, LiveSource)
        until(source.watch(), is_frame)
    server.close()


@pytest.mark.parametrize("path", ["/snapshot.jpg", "/snapshot.cgi?channel=1"])
def test_the_picture_of_a_camera_is_live(path):
    with file_server({path: numbered(9)}, kind="image/jpeg") as (host, _):
        timeouts = LiveTimeouts(first_wait=0.1)
        with open_source(host + path, timeouts=timeouts) as source:
            assert isinstance(source, LiveSource)
            until(source.watch(), lambda each: is_frame(each) and each.index == 2)


def test_a_live_stream_is_opened_once(broadcast):
    server = broadcast(numbered)
    with open_source(server.address()) as source:
        until(source.watch(), is_frame)
        assert len(server.connected) == 1


def test_the_command_ends_with_a_video_without_a_suffix(clip, tmp_path, capsys):
    log = tmp_path / "a.jsonl"
    with file_server({"/watch?id=5": container(clip, "mp4")}) as (host, _):
        arguments = ["-s", f"{host}/watch?id=5", "--no-display", "--give-up", "2"]
        assert stream.main([*arguments, "--log", str(log)]) == 0
    assert log.read_text().count("\n") == 20


def test_a_video_whose_index_comes_last_needs_a_server_that_can_seek(clip):
    pictures, index, rest = container(clip, "mp4").rpartition(b"moov")
    gap = (1_000_000).to_bytes(4, "big") + b"free" + bytes(1_000_000 - 8)  # more than FFmpeg keeps
    content = pictures[:-4] + gap + pictures[-4:] + index + rest
    with file_server({"/a.mp4": content}) as (host, _), open_source(f"{host}/a.mp4") as source:
        assert len(list(source)) == 20
    with file_server({"/a.mp4": content}, ranges=False, length=False) as (host, _):
        with pytest.raises(UserError) as error:
            open_source(f"{host}/a.mp4", timeouts=LiveTimeouts(read=0.5))
        assert str(error.value) == (
            f"cannot read {host}/a.mp4: the video has its index at the end, and its server cannot "
            "seek: download it first, or move its index to the front (ffmpeg -i IN -c copy "
            "-movflags +faststart OUT)"
        )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\n<!DOCTYPE html><html>", "it is a web page, give the address of the video"),
        (b'<?xml version="1.0"?>\n<MPD>', "DASH is not supported, give the address of an MP4"),
        (b"nonsense", r"Invalid data found when processing input\): is the address right"),
        (None, r"404 Not Found\): is the address right"),
    ],
)
def test_an_address_without_a_video_is_explained(content, complaint):
    files = {} if content is None else {"/a.mp4": content}
    with file_server(files) as (host, asked), pytest.raises(UserError, match=complaint):
        open_source(f"{host}/a.mp4")
    assert len(asked) == (1 if content is None else 2)


def test_a_file_that_stalls_may_do_so_longer_than_a_stream(clip):
    content, connections = container(clip, "mp4", "movflags=faststart"), []

    def answer(connection: socket.socket) -> None:
        connections.append(connection)
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        if len(connections) == 1:
            connection.sendall(head + content)
        else:
            connection.sendall(head + content[:-500])
            time.sleep(0.8)
            connection.sendall(content[-500:])

    server, address = served(answer)
    with open_source(f"{address}/a", timeouts=LiveTimeouts(open=5, read=0.3)) as source:
        frames, events = frames_and_events(source)
    assert len(frames) == 20
    assert not events
    server.close()


@pytest.mark.parametrize(
    ("refusal", "attempts"),
    [("461 Unsupported Transport", 1), ("406 Not Acceptable", 2), ("500 Internal Server Error", 2)],
)
def test_a_camera_that_refuses_tcp_is_asked_for_udp(refusal, attempts):
    camera = UdpCamera(refusal)
    with open_source(camera.address) as source:
        seen = until(source.watch(), lambda each: is_frame(each) and each.index == 20)
    camera.close()
    setups = [request for request in camera.asked if request.startswith("SETUP")]
    assert setups == ["SETUP RTP/AVP/TCP", "SETUP RTP/AVP/UDP"]
    assert camera.asked.count("DESCRIBE") == attempts
    assert not any(is_notice(each) or is_event(each) for each in seen)
    numbers = [number(each) for each in seen if is_frame(each)]
    assert numbers == sorted(numbers)


def test_a_connection_is_replaced_in_the_way_that_worked():
    camera = UdpCamera("406 Not Acceptable")
    remote = Remote(camera.address, LiveTimeouts())
    for _ in range(2):
        remote.connect().release()
    camera.close()
    transports = [request for request in camera.asked if request.startswith("SETUP")]
    assert transports == ["SETUP RTP/AVP/TCP", "SETUP RTP/AVP/UDP", "SETUP RTP/AVP/UDP"]


def test_a_wrong_path_of_a_camera_is_tried_once():
    camera = UdpCamera()
    with pytest.raises(UserError, match=r"404 Not Found\): is the address right\?"):
        open_source(camera.address.replace("cam", "wrong"))
    camera.close()
    assert not any(request.startswith("SETUP") for request in camera.asked)
    assert camera.asked.count("DESCRIBE") <= 1


@pytest.mark.parametrize(
    ("login", "mend"),
    [
        ("", r"give user and password, http://user:password@host$"),
        ("me:secret@", r"are user and password right\?$"),
        ("me:100%secret@", r"are user and password right\? In them, % is written %25$"),
    ],
)
def test_a_server_that_wants_another_login_says_so(login, mend):
    def answer(connection: socket.socket) -> None:
        head = 'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="a"\r\n\r\n'
        connection.sendall(head.encode())
        connection.close()

    server, address = served(answer)
    with pytest.raises(UserError, match=mend) as error:
        open_source(address.replace("//", f"//{login}") + "/live")
    assert "secret" not in str(error.value)
    server.close()


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("rtsp://admin:se#cret@camera/1", "# is written %23"),
        ("RTSP://admin:se/cr?et@camera/1", "/ is written %2F, ? is written %3F"),
        ("http://admin:se#c%20r@et@camera/a.mp4", "# is written %23, @ is written %40"),
    ],
)
def test_a_password_with_reserved_signs_is_refused_before_anything_is_asked(address, written):
    with pytest.raises(UserError) as error:
        open_source(address)
    host = re.sub("://.*@", "://***@", address.replace("RTSP", "rtsp"))
    assert str(error.value) == f"cannot open {host}: in a password, {written}"


def test_a_password_that_may_be_a_port_is_hinted_at_when_the_address_fails():
    with pytest.raises(UserError, match=r"right\? In a password, / is written %2F$") as error:
        open_source("http://127.0.0.1:1/34secret@camera/1")
    assert "secret" not in str(error.value)

import os
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import quote

import cv2
import pytest

from demo.errors import UserError
from demo.sources import open as opening
from demo.sources.net import address as network
from demo.sources.open import open_source
from demo.sources.photo.source import PhotoSource
from demo.sources.video import VideoSource
from tests.sources.fakes import in_background


@pytest.mark.parametrize("spec", ["12", "/dev/video12"])
def test_a_number_and_its_device_are_the_camera(monkeypatch, spec):
    monkeypatch.setattr(opening, "Camera", lambda number: number)
    monkeypatch.setattr(opening, "LiveSource", lambda name, connect, *_: (name, connect()))
    assert open_source(spec) == ("12", 12)


@pytest.mark.parametrize(
    ("spec", "opened"),
    [
        ("HTTP://host/A.MPG?b=C", "http://host/A.MPG?b=C"),
        ("Rtsp://user:a[b]c@Host/live#t", "rtsp://user:a[b]c@Host/live#t"),
    ],
)
def test_a_scheme_may_be_in_capitals(monkeypatch, spec, opened):
    def refused(address: str, *_: object) -> None:
        asked.append(address)
        raise UserError("no")

    asked: list[str] = []
    monkeypatch.setattr(network, "Stream", refused)
    with pytest.raises(UserError, match="no"):
        open_source(spec)
    assert asked == [opened]


def test_a_link_to_a_camera_is_a_camera(tmp_path, monkeypatch):
    (tmp_path / "usb-Webcam-index0").symlink_to("/dev/video12")
    monkeypatch.setattr(opening, "Camera", lambda number: number)
    monkeypatch.setattr(opening, "LiveSource", lambda name, connect, *_: (name, connect()))
    assert open_source(str(tmp_path / "usb-Webcam-index0")) == ("12", 12)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes of POSIX")
def test_a_signal_is_heard_while_nobody_writes_into_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    main = threading.main_thread().ident
    threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
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
    assert isinstance(open_source(f"{name}1"), VideoSource)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [("20240101123000", "no such file or folder: 20240101123000"), ("", "-s is empty")],
)
def test_a_long_number_and_no_name_at_all_are_refused(spec, complaint):
    with pytest.raises(UserError, match=complaint):
        open_source(spec)


@pytest.mark.parametrize(
    "prefix", ["", "file://{}/", "File://{}/", "file:{}/", "FILE://localhost{}/", "file://"]
)
def test_any_sign_may_be_in_the_name_of_a_file(clip, tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    name = "2024-01-01T12:30:00 %20 #1?.mkv"
    Path(name).write_bytes(clip.read_bytes())
    spec = prefix.format(tmp_path) + (quote(name) if prefix else name)
    with open_source(spec) as source:
        assert Path(source.name).name == name
        assert len(list(source)) == 20


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_a_name_in_a_file_url_may_be_no_text(clip, tmp_path):
    name = os.fsdecode(b"M\xfcller.mkv")
    (tmp_path / name).write_bytes(clip.read_bytes())
    with open_source(f"file://{tmp_path}/M%FCller.mkv") as source:
        assert source.path == tmp_path / name


@pytest.mark.parametrize(("system", "path"), [("nt", "C:/a b/c.mp4"), ("posix", "/C:/a b/c.mp4")])
def test_a_drive_of_windows_begins_the_path_of_a_file_url(monkeypatch, system, path):
    monkeypatch.setattr(opening, "_open_path", lambda given: given)
    monkeypatch.setattr(opening, "WINDOWS", system == "nt")
    assert open_source("file:///C:/a%20b/c.mp4") == path


def test_a_video_is_known_by_its_content_where_its_suffix_is_unknown(clip, tmp_path):
    (tmp_path / "clip").write_bytes(clip.read_bytes())
    with open_source(str(tmp_path / "clip")) as source:
        assert len(list(source)) == 20


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


def test_an_absent_camera_is_one_clear_line():
    with pytest.raises(UserError, match=r"cannot open camera 99: .* another program"):
        open_source("99")


def test_a_signal_is_heard_while_the_first_connection_hangs():
    silent = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{silent.getsockname()[1]}/live"
    in_background(lambda: (time.sleep(0.5), signal.raise_signal(signal.SIGINT)))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        open_source(address)
    assert time.monotonic() - start < 2
    silent.close()


def test_a_file_address_may_hold_bytes_that_are_no_text(astronaut, tmp_path):
    path = tmp_path / "M\udcfcller.png"
    path.write_bytes(cv2.imencode(".png", astronaut)[1].tobytes())
    with open_source(f"file://{tmp_path}/M%FCller.png") as source:
        assert source.path == path
        (frame,) = source
    assert frame.source == str(path)

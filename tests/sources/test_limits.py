"""Files that would take all memory are refused in one line; crowds and large folders are not."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from demo.errors import UserError
from demo.frames import Frame
from demo.sources.decode import frames as decoding
from demo.sources.open import open_source
from demo.sources.photo import files as photo_files

ROOT = Path(__file__).resolve().parents[2]
GIGABYTE = 1024  # MB
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


def peak_of(*arguments: object) -> tuple[int, list[str], float]:
    """Exit code and lines of stream.py, and the most memory that it held, in MB."""
    code = (
        "import sys, stream; from pathlib import Path; code = stream.main(sys.argv[1:]); "
        "status = Path('/proc/self/status').read_text(); "
        "print(code, int(status.partition('VmHWM:')[2].split()[0]) / 1024)"
    )
    command = [sys.executable, "-c", code, "--no-display", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    exit_code, peak = done.stdout.split()
    return int(exit_code), done.stderr.splitlines(), float(peak)


def refusal(path: Path) -> str:
    """The line with which a source is refused."""
    with pytest.raises(UserError) as error, open_source(str(path)) as source:
        list(source)
    assert "\n" not in str(error.value)
    return str(error.value)


def write_png_head(path: Path, width: int, height: int) -> None:
    """A picture without pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )


def write_gif(path: Path, width: int, height: int) -> None:
    """A picture of one pixel on a canvas of any size."""
    screen = struct.pack("<HHBBB", width, height, 0xF0, 0, 0) + b"\0\0\0\xff\xff\xff"
    picture = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    path.write_bytes(b"GIF89a" + screen + picture + b";")


def write_black(path: Path, width: int, height: int) -> None:
    """A video of one frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@needs_proc
def test_a_photo_of_20000_by_20000_is_refused_before_its_pixels_are_read(tmp_path):
    write_png_head(tmp_path / "a.png", 20_000, 20_000)
    code, (*_, line), peak = peak_of("-s", tmp_path / "a.png", "-o", tmp_path / "b.png")
    assert code == 2
    assert line.endswith("a.png has 20000x20000 pixels, more than 120 million: make it smaller")
    assert peak < GIGABYTE / 2


def test_formats_that_take_more_memory_may_have_fewer_pixels(tmp_path):
    head = struct.pack("<IiiHHIIiiII", 40, 8000, 8000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head)
    assert refusal(tmp_path / "a.bmp").endswith("40 million: make it smaller, or a JPEG")


def test_a_photo_file_of_any_size_is_not_read_whole(tmp_path, astronaut):
    cv2.imwrite(str(tmp_path / "a.jpg"), astronaut)
    os.truncate(tmp_path / "a.jpg", 10**12)  # sparse
    assert refusal(tmp_path / "a.jpg").endswith("a.jpg has more than 250 MB: make it smaller")


def test_a_phone_photo_with_a_preview_in_it_counts_as_the_jpeg_that_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_files, "MAX_PHOTO_PIXELS", 4000)
    picture = Image.new("RGB", (64, 48))
    preview = picture.resize((16, 12))
    picture.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    with open_source(str(tmp_path / "a.jpg")) as source:
        assert [frame.image.shape for frame in source] == [(48, 64, 3)]


def test_a_tiff_of_24_million_pixels_of_16_bits_is_read(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), np.zeros((4000, 6000, 3), np.uint16), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert path.stat().st_size > 6 * 24_000_000
    with open_source(str(path)) as source:
        assert [frame.image.shape for frame in source] == [(4000, 6000, 3)]
    path.unlink()


@needs_proc
def test_a_video_of_huge_frames_is_refused_and_takes_no_memory(tmp_path):
    write_gif(tmp_path / "a.gif", 16_000, 16_000)
    code, (*_, line), peak = peak_of("-s", tmp_path / "a.gif", "-o", tmp_path / "b.mp4")
    assert code == 2
    assert line.endswith("larger than 36 million pixels?")
    assert peak < GIGABYTE / 2


def test_a_video_that_states_the_size_of_its_huge_frames_is_refused_at_once(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    write_black(path, 2000, 1100)
    monkeypatch.setattr(decoding, "MAX_VIDEO_PIXELS", 2_000_000)
    with pytest.raises(UserError, match="2000x1100 pixels per frame, more than 2 million: scale"):
        open_source(str(path))


@pytest.mark.parametrize(
    ("size", "output"),
    [
        ((4096, 2160), (4096, 2160)),
        ((5120, 2880), (2560, 1440)),
        ((7680, 4320), (2560, 1440)),
        ((8192, 4320), (2730, 1440)),
    ],
)
def test_frames_beyond_4k_are_scaled_down_by_an_integer(size, output):
    assert decoding.output_size(*size) == output


@needs_proc
def test_a_video_of_8k_is_annotated_in_bounded_memory(tmp_path):
    path, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_black(path, 7680, 4320)
    code, lines, peak = peak_of("-s", path, "-o", out)
    assert code == 0
    assert f"stream: {path}: frames are scaled down to 2560x1440 while decoding" in lines
    assert peak < GIGABYTE
    with av.open(str(out)) as recording:
        assert [(p.width, p.height) for p in recording.decode(video=0)] == [(2560, 1440)]


def test_a_video_whose_frames_are_larger_than_it_says_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    write_black(path, 640, 480)
    content = path.read_bytes()
    lie = content.replace(b"\xb0\x82\x02\x80\xba\x82\x01\xe0", b"\xb0\x82\x00\x40\xba\x82\x00\x40")
    assert lie != content
    path.write_bytes(lie)
    monkeypatch.setitem(decoding.PIXEL_LIMIT, "max_pixels", "100000")
    assert "can be decoded" in refusal(path)


def test_a_folder_of_10000_photos_is_read_one_by_one(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.full((8, 8, 3), 200, np.uint8))
    (tmp_path / "broken.jpg").write_text("no picture")
    for k in range(1, 10_000):
        os.link(tmp_path / "0.png", tmp_path / f"{k}.png")
    with open_source(str(tmp_path)) as source:
        count, last = 0, None
        for last in source.watch():
            count += isinstance(last, Frame) and last.image.shape == (8, 8, 3)
    assert count == 10_000
    assert last.text.startswith("skipped 1 of 10001 photos: ")


@pytest.mark.slow
@needs_proc
def test_200_faces_are_all_found_in_bounded_memory(tmp_path, astronaut):
    face = cv2.resize(astronaut[20:220, 120:320], (60, 60), interpolation=cv2.INTER_AREA)
    crowd = np.tile(face, (10, 20, 1))
    photo, video, log = (tmp_path / name for name in ("a.png", "a.mkv", "log.jsonl"))
    cv2.imwrite(str(photo), crowd)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("h264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 1200, 600, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(crowd, format="bgr24")))
        container.mux(stream.encode(None))
    for path in (photo, video):
        code, _, peak = peak_of("-s", path, "--log", log, "--anonymize", "blur")
        assert code == 0
        assert [len(json.loads(line)["faces"]) for line in log.open()][-1] == 200
        assert peak < GIGABYTE

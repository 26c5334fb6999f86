"""Recordings that begin between key frames, have damage in the middle, or change their size."""

from pathlib import Path

import av
import numpy as np
import pytest

from demo.sources.open import open_source
from tests.sources.fakes import frames_and_events

FRAMES, GROUP = 24, 6
CODECS = {  # FFmpeg's name of the encoder and its options
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "hevc": ("libx265", {"x265-params": "log-level=error:bframes=0", "preset": "ultrafast"}),
    "mpeg2": ("mpeg2video", {}),
    "h264": ("h264", {"preset": "ultrafast"}),
    "mjpeg": ("mjpeg", {}),
    "mpeg4": ("mpeg4", {}),
}


def write_noise(path: Path, codec: str, size: tuple[int, int] = (64, 96)) -> None:
    """Frames of noise that hardly compress, a key frame every GROUP, of a size (height, width)."""
    encoder, options = CODECS[codec]
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size, stream.bit_rate = GROUP, 2_000_000
        for _ in range(FRAMES):
            image = noise.integers(0, 255, (*size, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2"])
def test_a_recording_that_begins_between_key_frames_is_complete(tmp_path, codec):
    whole, cut = tmp_path / "a.ts", tmp_path / "b.ts"
    write_noise(whole, codec)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos]
    cut.write_bytes(whole.read_bytes()[places[2] + 1000 :])
    with open_source(str(cut)) as source:
        frames, events = frames_and_events(source)
    assert not events
    assert FRAMES - GROUP - 2 <= len(frames) <= FRAMES - 3
    assert frames[0].time == 0


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("vp9", ".webm"), ("hevc", ".mp4"), ("mpeg4", ".mp4"), ("mjpeg", ".avi"), ("h264", ".mp4")],
)
def test_a_damaged_packet_costs_its_frames_and_is_told_at_the_end(tmp_path, codec, suffix):
    path = tmp_path / f"a{suffix}"
    write_noise(path, codec)
    with av.open(str(path)) as container:
        packet = [each for each in container.demux(video=0) if each.size][2 * GROUP - 2]
        content, place = bytes(packet), packet.pos
    whole = bytearray(path.read_bytes())
    assert place is not None
    place = whole.index(content, place)
    whole[place : place + len(content)] = bytes([255]) * len(content)
    path.write_bytes(whole)
    with open_source(str(path)) as source:
        frames, (event,) = frames_and_events(source)
    assert FRAMES - 3 <= len(frames) < FRAMES
    assert frames[-1].time == pytest.approx((FRAMES - 1) / 25, abs=1e-3)
    assert event.kind == "failed"
    assert event.text.startswith(f"{path} is damaged: ")
    assert event.text.endswith(" cannot be decoded")


def test_a_video_that_changes_its_size_is_read_to_the_end(tmp_path):
    joined = b""
    for size in ((64, 96), (96, 64)):
        write_noise(tmp_path / "a.ts", "h264", size)
        joined += (tmp_path / "a.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    with open_source(str(tmp_path / "joined.ts")) as source:
        frames, events = frames_and_events(source)
    assert [frame.image.shape[:2] for frame in frames] == FRAMES * [(64, 96)] + FRAMES * [(96, 64)]
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(2 * FRAMES)], abs=1e-3)
    assert not events

"""Which colours a decoded frame has: by its tags, by its size, by what HDR and wide gamuts mean."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from demo.frames import Frame
from demo.sources.decode.colour import standard_matrix, to_bgr24
from demo.sources.open import open_source
from tests.sources.fakes import frames_and_events

GBR, RESERVED = 0, 3  # not a matrix; one that the standard leaves open
UNSPECIFIED = 2
BGR = np.array([[30, 32, 224], [0, 192, 0], [224, 96, 48], [128, 128, 128], [10, 200, 240]])
BT709_TO_BT2020 = np.array(  # ITU-R BT.2087
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
REFERENCE_WHITE = 203.0  # cd/m²


def yuv444(bgr: np.ndarray, weights: tuple[float, float], full: bool) -> av.VideoFrame:
    """A frame (32, 32) per colour, side by side, by the formulas of BT.601, BT.709, …"""
    (kr, kb), (b, g, r) = weights, bgr.T / 255
    y = kr * r + (1 - kr - kb) * g + kb * b
    chroma = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    low, high, span = (0, 255, 255) if full else (16, 219, 224)
    planes = np.stack([low + high * y, *(128 + span * each for each in chroma)])
    image = np.repeat(np.round(planes)[:, None], 32, 1).repeat(32, 2)
    frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="yuv444p")
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    return frame


def seen(frame: av.VideoFrame) -> np.ndarray:
    """The colour (N, 3) in the middle of each square."""
    return to_bgr24(frame, frame.width, frame.height, 1)[16, 16::32].astype(int)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("matrix", "weights"),
    [
        (1, (0.2126, 0.0722)),
        (4, (0.30, 0.11)),
        (5, (0.299, 0.114)),
        (6, (0.299, 0.114)),
        (7, (0.212, 0.087)),
        (9, (0.2627, 0.0593)),
        (10, (0.2627, 0.0593)),
        (UNSPECIFIED, (0.299, 0.114)),
        (GBR, (0.299, 0.114)),
        (RESERVED, (0.299, 0.114)),
    ],
)
def test_a_frame_is_read_with_the_matrix_and_range_that_it_states(matrix, weights, full):
    frame = yuv444(BGR, weights, full)
    frame.colorspace = matrix
    assert np.abs(seen(frame) - BGR).max() <= 2


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((1280, 720), Colorspace.ITU709),
        ((406, 720), Colorspace.ITU709),
        ((1280, 536), Colorspace.ITU709),
        ((720, 576), Colorspace.ITU601),
        ((960, 540), Colorspace.ITU601),
    ],
)
def test_video_that_states_no_matrix_has_that_of_its_size(size, matrix):
    assert standard_matrix(*size) == matrix
    y, cb, cr = (173, 42, 26) if matrix == Colorspace.ITU709 else (145, 54, 34)  # pure green
    width, height = size
    planes = np.full((height * 3 // 2, width), y, np.uint8)
    planes[height : height * 5 // 4], planes[height * 5 // 4 :] = cb, cr
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    image = to_bgr24(frame, width, height, 1)
    assert np.abs(image[height // 2, width // 2].astype(int) - (0, 255, 0)).max() <= 2


@pytest.mark.parametrize("layout", ["gbrp", "bgr24", "gray"])
def test_frames_without_a_matrix_keep_their_values(layout):
    values = np.random.default_rng(0).integers(0, 256, (720, 64, 3), np.uint8)
    if layout == "gray":
        values = values[..., :1].repeat(3, 2)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values[..., 0]), format="gray")
    else:
        given = values[..., ::-1] if layout == "gbrp" else values
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(given), format=layout)
    assert np.array_equal(to_bgr24(frame, 64, 720, 1), values)


def test_jpeg_pictures_of_hd_have_the_matrix_of_jpeg(tmp_path):
    cv2.imwrite(str(tmp_path / "1.jpg"), np.full((720, 64, 3), (0, 192, 0), np.uint8))
    with av.open(str(tmp_path / "1.jpg")) as container:
        (frame,) = container.decode(video=0)
    assert np.abs(to_bgr24(frame, 64, 720, 1)[300, 30].astype(int) - (0, 192, 0)).max() <= 2


def light_of(bgr: np.ndarray) -> np.ndarray:
    """Light 0..1 of R, G and B of an sRGB colour."""
    code = bgr[:, ::-1] / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def hlg(light: np.ndarray) -> np.ndarray:
    """HLG's code of light in cd/m² on a display of 1000 cd/m²."""
    shown = light / 1000
    luminance = shown @ (0.2627, 0.6780, 0.0593)
    scene = shown * np.maximum(luminance, 1e-6)[:, None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def pq(light: np.ndarray) -> np.ndarray:
    """PQ's code of light in cd/m²."""
    root = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)


def hdr_frame(code: np.ndarray, transfer: ColorTrc, primaries: int) -> av.VideoFrame:
    """A frame of 10 bits with a square (32, 32) of each code (N, 3) of R, G, B."""
    image = np.round(np.clip(code, 0, 1) * 65535).astype(np.uint16)
    squares = np.ascontiguousarray(np.repeat(image[None], 32, 0).repeat(32, 1))
    frame = av.VideoFrame.from_ndarray(squares, format="rgb48le").reformat(
        format="yuv444p10le", dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG
    )
    frame.color_trc, frame.color_primaries = transfer, primaries
    return frame


HDR = [(ColorTrc.ARIB_STD_B67, hlg), (ColorTrc.SMPTE2084, pq)]


@pytest.mark.parametrize("primaries", [ColorPrimaries.BT2020, UNSPECIFIED])
@pytest.mark.parametrize(("transfer", "code_of"), HDR, ids=["HLG", "PQ"])
def test_hdr_looks_like_the_sdr_that_it_was_made_from(transfer, code_of, primaries):
    dark = BGR[BGR.max(1) < 220]
    light = light_of(dark) @ BT709_TO_BT2020.T * REFERENCE_WHITE
    frame = hdr_frame(code_of(light), transfer, primaries)
    frame.colorspace = UNSPECIFIED if primaries == UNSPECIFIED else 9
    assert np.abs(seen(frame) - dark).max() <= 3


@pytest.mark.parametrize(("transfer", "code_of"), HDR, ids=["HLG", "PQ"])
def test_highlights_of_hdr_are_compressed_into_what_is_left_above_the_knee(transfer, code_of):
    light = np.repeat([[0.7 * REFERENCE_WHITE], [REFERENCE_WHITE], [500], [1000]], 3, 1)
    frame = hdr_frame(code_of(light), transfer, ColorPrimaries.BT2020)
    # 0.7 + 0.3 · x · (1 + x / m²) / (1 + x), x = (light / 203 - 0.7) / 0.3, m = x at 1000 cd/m²
    assert np.abs(seen(frame) - np.array([[218], [238], [252], [255]])).max() <= 1


@pytest.mark.parametrize(
    ("primaries", "red"),  # sRGB's pure red in other gamuts
    [(ColorPrimaries.SMPTE432, (234, 51, 35)), (ColorPrimaries.BT2020, (207, 74, 35))],
)
def test_wide_gamuts_without_hdr_are_converted(primaries, red):
    frame = hdr_frame(np.array([red, (255, 255, 255), (90, 90, 90)]) / 255, ColorTrc.BT709, 0)
    frame.color_primaries = primaries
    expected = [[0, 0, 255], [255, 255, 255], [90, 90, 90]]
    assert np.abs(seen(frame) - expected).max() <= 3


def hdr_file(path: Path, light: float, params: str) -> tuple[list[Frame], list[str]]:
    """The frames and the events' texts of a PQ video in which all pixels have a light."""
    codes = np.full((4, 3), pq(np.array(light)))
    frame = hdr_frame(codes, ColorTrc.SMPTE2084, ColorPrimaries.BT2020)
    tags = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    options = {"x265-params": f"log-level=none:bframes=0:{tags}{params}", "crf": "5"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p10le"
        stream.codec_context.color_trc = ColorTrc.SMPTE2084
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        frames, events = frames_and_events(source)
    return frames, [event.text for event in events]


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="needs libx265")
@pytest.mark.parametrize(
    ("params", "level"),
    [
        ("", 255),
        (":max-cll=4000,400", 253),
        (
            ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)",
            253,
        ),
    ],
    ids=["unknown", "brightest pixel", "brightest of the display"],
)
def test_hdr_is_tone_mapped_from_the_peak_that_its_file_states(tmp_path, params, level):
    path = tmp_path / "hdr.mkv"
    (frame,), texts = hdr_file(path, 1000, params)
    assert texts == [f"{path}: HDR (PQ) is tone-mapped to SDR"]
    assert np.abs(frame.image.astype(int) - level).max() <= 1


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="needs libx265")
def test_the_colours_of_dolby_vision_profile_5_are_said_to_be_wrong(tmp_path):
    path = tmp_path / "dolby.mp4"
    with av.open(str(path), "w") as container:
        # with B-frames, a single frame would get a random decoding time
        options = {"x265-params": "log-level=none:bframes=0"}
        stream = container.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        stream.codec_context.codec_tag = "dvh1"
        picture = av.VideoFrame.from_ndarray(np.full((64, 64), 90, np.uint8), format="gray")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        _, (event,) = frames_and_events(source)
    assert event.kind == "warning"
    assert event.text == (
        f"{path}: the colours of Dolby Vision profile 5 are wrong: export it as HDR10 or SDR"
    )

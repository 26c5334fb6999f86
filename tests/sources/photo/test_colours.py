"""Colours of photos, checked against a calculation with the primaries of each space."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from demo.sources.photo.colours import by_profile
from demo.sources.photo.files import read_photo
from tests.sources.photo.test_files import with_chunk

P3 = (0.4866, 0.2290, 0.0), (0.2657, 0.6917, 0.0451), (0.1982, 0.0793, 1.0439)  # XYZ of R, G, B
ADOBE = (0.5767, 0.2973, 0.0270), (0.1856, 0.6274, 0.0707), (0.1882, 0.0753, 0.9911)
SRGB = (0.4124, 0.2126, 0.0193), (0.3576, 0.7152, 0.1192), (0.1805, 0.0722, 0.9505)
TO_D50 = np.array([(1.0479, 0.0229, -0.0502), (0.0296, 0.9904, -0.0171), (-0.0092, 0.0151, 0.7519)])
Columns = tuple[tuple[float, float, float], ...]


def profile(columns: Columns, gamma: float = 2.2, space: bytes = b"RGB ") -> bytes:
    """An ICC profile of three primaries, or of gray, and a gamma."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(values * 65536).astype(int))

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": xyz(np.array([0.9642, 1.0, 0.8249]))}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
            tags[name + b"XYZ"], tags[name + b"TRC"] = xyz(TO_D50 @ np.array(column)), curve
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content
    size = 132 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02100000, b"mntr", space, b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def light(image: np.ndarray) -> np.ndarray:
    level = image / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def levels(light: np.ndarray) -> np.ndarray:
    low, high = 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return 255 * np.where(light <= 0.0031308, low, high).clip(0, 1)


@pytest.fixture
def soft(astronaut: np.ndarray) -> np.ndarray:
    """RGB (128, 128, 3), of colours that all of the spaces hold."""
    small = cv2.resize(astronaut, (128, 128), interpolation=cv2.INTER_AREA)[..., ::-1]
    return np.asarray(64 + small // 2)


def stored(rgb: np.ndarray, columns: Columns, gamma: float) -> Image.Image:
    """The same colours in the numbers of a space."""
    inside = light(rgb) @ (np.linalg.inv(np.array(columns).T) @ np.array(SRGB).T).T
    return Image.fromarray(np.rint(255 * inside.clip(0, 1) ** (1 / gamma)).astype(np.uint8))


@pytest.mark.parametrize(("columns", "gamma"), [(P3, 2.2), (ADOBE, 2.2), (P3, 1.8)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_the_colours_of_a_profile_become_srgb(tmp_path, soft, columns, gamma, name):
    photo = stored(soft, columns, gamma)
    icc = profile(columns, gamma)
    photo.save(tmp_path / name, icc_profile=icc, quality=100, subsampling="4:4:4", lossless=True)
    assert np.abs(read_photo(tmp_path / name)[..., ::-1] - soft.astype(int)).mean() < 1
    before = cv2.imdecode(np.fromfile(tmp_path / name, np.uint8), cv2.IMREAD_COLOR)
    assert before is not None
    assert np.abs(before[..., ::-1] - soft.astype(int)).mean() > 2


@pytest.mark.parametrize("columns", [P3, ADOBE])
def test_colours_beside_a_transparent_part_become_srgb_too(tmp_path, soft, columns):
    photo = stored(soft, columns, 2.2)
    alpha = np.full((128, 128), 255, np.uint8)
    alpha[64:] = 0
    photo.putalpha(Image.fromarray(alpha))
    photo.save(tmp_path / "a.png", icc_profile=profile(columns))
    image = read_photo(tmp_path / "a.png")[..., ::-1]
    assert np.abs(image[:64] - soft[:64].astype(int)).mean() < 1
    assert (image[64:] == 255).all()


def test_gray_with_a_gamma_of_its_own_becomes_srgb(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=profile((), 1.8, b"GRAY"))
    assert (
        np.abs(read_photo(tmp_path / "a.png")[0, :, 1] - levels((ramp[0] / 255) ** 1.8)).max() < 1.5
    )


def test_cmyk_is_converted_by_its_profile_only(tmp_path, soft):
    photo = Image.fromarray(soft).convert("CMYK")
    photo.save(tmp_path / "plain.jpg", quality=95)
    photo.save(tmp_path / "of_rgb.jpg", quality=95, icc_profile=profile(ADOBE))
    assert (read_photo(tmp_path / "plain.jpg") == read_photo(tmp_path / "of_rgb.jpg")).all()


def srgb_profiles() -> list[bytes]:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return [made, b"", b"no profile" * 40, made[:200], profile(P3, 2.2, b"CMYK")]


@pytest.mark.parametrize("icc", srgb_profiles())
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_photo_in_srgb_or_with_a_broken_profile_keeps_its_pixels(tmp_path, astronaut, icc, name):
    file = io.BytesIO()
    Image.fromarray(astronaut).save(tmp_path / name, icc_profile=icc)
    Image.fromarray(astronaut).save(file, {"a.jpg": "JPEG", "a.png": "PNG"}[name])
    expected = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert (read_photo(tmp_path / name) == expected).all()


@pytest.mark.parametrize("icc", [b"", profile(ADOBE)])
def test_code_points_of_a_png_count_even_beside_a_profile(tmp_path, soft, icc):
    inside = light(soft) @ (np.linalg.inv(np.array(P3).T) @ np.array(SRGB).T).T
    file = io.BytesIO()
    Image.fromarray(np.rint(levels(inside)).astype(np.uint8)).save(file, "PNG", icc_profile=icc)
    (tmp_path / "a.png").write_bytes(with_chunk(file.getvalue(), b"cICP", bytes([12, 13, 0, 1])))
    assert np.abs(read_photo(tmp_path / "a.png")[..., ::-1] - soft.astype(int)).mean() < 1
    (tmp_path / "a.png").write_bytes(with_chunk(file.getvalue(), b"cICP", bytes([1, 13, 0, 1])))
    assert (read_photo(tmp_path / "a.png")[..., ::-1] == np.rint(levels(inside))).all()


def avif_of(image: Image.Image, primaries: int, transfer: int) -> bytes:
    """A lossless AVIF that states code points."""
    file = io.BytesIO()
    image.save(file, "AVIF", quality=100, subsampling="4:4:4")
    content = file.getvalue()
    stated = b"colrnclx" + struct.pack(">HH", 1, 13)
    assert stated in content
    return content.replace(stated, b"colrnclx" + struct.pack(">HH", primaries, transfer))


def test_code_points_of_an_avif_count(tmp_path, soft):
    inside = light(soft) @ (np.linalg.inv(np.array(P3).T) @ np.array(SRGB).T).T
    photo = Image.fromarray(np.rint(levels(inside)).astype(np.uint8))
    (tmp_path / "a.avif").write_bytes(avif_of(photo, 12, 13))
    assert np.abs(read_photo(tmp_path / "a.avif")[..., ::-1] - soft.astype(int)).mean() < 2


def test_hdr_is_tone_mapped_so_that_the_range_of_a_face_looks_as_in_srgb(tmp_path, soft):
    scene = 0.9 * light(soft) / light(soft).max()
    code = ((203 / 1000) * scene) ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * code - 0.28466892, 1e-9)) + 0.55991073
    hlg = np.where(code <= 1 / 12, np.sqrt(3 * code), high)
    photo = Image.fromarray(np.rint(255 * hlg).astype(np.uint8))
    (tmp_path / "a.avif").write_bytes(avif_of(photo, 1, 18))
    expected = levels(scene)
    mapped = read_photo(tmp_path / "a.avif")[..., ::-1]
    assert np.abs(mapped - expected).mean() < 5
    assert np.abs(255 * hlg - expected).mean() > 12


def test_a_profile_of_other_colours_than_the_picture_counts_as_none():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("L", "CMYK"):
        assert by_profile(srgb, mode) is None

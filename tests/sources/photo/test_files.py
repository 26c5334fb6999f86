"""What viewers show of a photo is what is read: turned, opaque."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from demo.errors import UserError
from demo.sources.photo.files import is_animated, read_photo

HIDDEN, SHOWN = (200, 100, 50), (10, 120, 240)  # RGB


def half_hidden(alpha: int = 0) -> Image.Image:
    """Above a colour, below another one under alpha: 64 pixels wide, 48 high."""
    pixels = np.empty((48, 64, 4), np.uint8)
    pixels[:24] = (*SHOWN, 255)
    pixels[24:] = (*HIDDEN, alpha)
    return Image.fromarray(pixels, "RGBA")


def premultiplied_tiff(alpha: int) -> bytes:
    """A TIFF whose colours are multiplied by their alpha, as ExtraSamples 1 states."""
    pixels = np.asarray(half_hidden(alpha)).astype(int)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8), "RGBA").save(file, "TIFF")
    plain = struct.pack("<HHIH", 338, 3, 1, 2)
    assert plain in file.getvalue()
    return file.getvalue().replace(plain, struct.pack("<HHIH", 338, 3, 1, 1))


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with a chunk after its header."""
    check = zlib.crc32(kind + body)
    return (
        png[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check) + png[33:]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
@pytest.mark.parametrize("alpha", [None, 128])
def test_a_photo_is_upright_as_viewers_show_it(tmp_path, astronaut, orientation, name, alpha):
    stored = Image.fromarray(cv2.resize(astronaut, (60, 40))[..., ::-1])
    upright = stored.copy()
    upright.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if alpha and name != "a.jpg":
        stored.putalpha(alpha)
        upright = Image.blend(upright, Image.new("RGB", upright.size, "white"), 1 - alpha / 255)
    stored.save(tmp_path / name, exif=exif, quality=95)  # in an AVIF, Pillow writes irot and imir
    expected = np.asarray(upright)[..., ::-1].astype(int)
    image = read_photo(tmp_path / name)
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 9


def avif_with_exif(orientation: int, transforms: int = 1) -> bytes:
    """An AVIF, 60 pixels wide and 40 high, with one orientation in its EXIF data and another one as
    irot and imir."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0113] = transforms, orientation  # Pillow moves the first out of EXIF
    file = io.BytesIO()
    Image.new("RGB", (60, 40)).save(file, "AVIF", exif=exif)
    (tag,) = (t for t in (b"\x01\x13\0\x03", b"\x13\x01\x03\0") if t in file.getvalue())
    return file.getvalue().replace(tag, tag.replace(b"\x13", b"\x12"))


@pytest.mark.parametrize(("exif", "transforms"), [(6, 1), (6, 6), (6, 3), (1, 6)])
def test_an_avif_is_turned_by_its_transforms_and_not_by_exif(tmp_path, exif, transforms):
    (tmp_path / "a.avif").write_bytes(avif_with_exif(exif, transforms))
    turned = (60, 40, 3) if transforms == 6 else (40, 60, 3)
    assert read_photo(tmp_path / "a.avif").shape == turned


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.avif", "a.tif"])
def test_pixels_under_transparent_parts_are_not_seen(tmp_path, name):
    half_hidden().save(tmp_path / name, quality=100, lossless=True, exact=True)
    image = read_photo(tmp_path / name)
    assert np.abs(image[:20] - np.array(SHOWN[::-1])).max() <= 3
    assert (image[28:] == 255).all()


def test_the_alpha_of_a_bmp_counts_unless_it_is_empty(tmp_path):
    pixels = np.asarray(half_hidden())[..., [2, 1, 0, 3]].copy()
    for name, rows in (("a.bmp", slice(0, 24)), ("empty.bmp", slice(0, 0))):
        pixels[..., 3] = 0
        pixels[rows, :, 3] = 255
        (tmp_path / name).write_bytes(cv2.imencode(".bmp", pixels)[1].tobytes())
    assert (read_photo(tmp_path / "a.bmp")[24:] == 255).all()
    assert (read_photo(tmp_path / "empty.bmp") == pixels[..., :3]).all()


@pytest.mark.parametrize("alpha", [0, 128, 254])
def test_half_transparent_parts_are_mixed_with_white(tmp_path, alpha):
    half_hidden(alpha).save(tmp_path / "a.png")
    (tmp_path / "a.tif").write_bytes(premultiplied_tiff(alpha))
    mixed = [round(c * alpha / 255 + 255 - alpha) for c in HIDDEN[::-1]]
    for name in ("a.png", "a.tif"):
        image = read_photo(tmp_path / name)
        assert (image[:24] == SHOWN[::-1]).all()
        assert np.abs(image[24:] - np.array(mixed)).max() <= 2


def test_transparency_of_palettes_grays_single_colours_and_16_bits_counts(tmp_path):
    rows = np.repeat([[0], [1]], 24, axis=0).repeat(64, axis=1).astype(np.uint8)
    palette = Image.fromarray(rows, "P")
    palette.putpalette([*SHOWN, *HIDDEN])
    palette.save(tmp_path / "palette.png", transparency=bytes([255, 0]))
    half_hidden().convert("LA").save(tmp_path / "gray.png")
    half_hidden(255).convert("RGB").save(tmp_path / "colour.png", transparency=HIDDEN)
    deep = np.asarray(half_hidden())[..., [2, 1, 0, 3]].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    for path in sorted(tmp_path.iterdir()):
        image = read_photo(path)
        assert (image[24:] == 255).all(), path.name
        assert (image[:24] < 255).any(), path.name


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.avif", "a.tif"])
def test_a_photo_without_a_transparent_part_has_the_pixels_that_opencv_reads(
    tmp_path, astronaut, name
):
    photo = Image.fromarray(np.ascontiguousarray(astronaut[..., ::-1]))
    for mode in ("RGB", "RGBA"):
        photo.convert(mode).save(tmp_path / name)
        expected = cv2.imdecode(np.fromfile(tmp_path / name, np.uint8), cv2.IMREAD_COLOR)
        assert (read_photo(tmp_path / name) == expected).all()


def test_a_transparent_photo_that_breaks_off_is_one_clear_line(tmp_path, astronaut):
    photo = Image.fromarray(astronaut)
    photo.putalpha(100)
    photo.save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a\.png is not a picture that can be read"):
        read_photo(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_turns_nothing(tmp_path):
    content = avif_with_exif(6)
    (head,) = (h for h in (b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0") if h in content)
    (tmp_path / "a.avif").write_bytes(content.replace(head, head[:4] + b"\x7f" * 4))
    assert read_photo(tmp_path / "a.avif").shape == (40, 60, 3)


def test_only_pictures_of_several_frames_that_follow_each_other_are_animated(tmp_path):
    frames = [Image.new("RGB", (16, 16), (60 * k, 0, 0)) for k in range(3)]
    for name in ("a.webp", "a.png", "a.avif", "pages.tif", "two.mpo"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "still.webp")
    (tmp_path / "broken.webp").write_bytes(b"RIFF")
    animated = {path.name for path in tmp_path.iterdir() if is_animated(path)}
    assert animated == {"a.webp", "a.png", "a.avif"}
    assert not is_animated(Path(tmp_path / "none.webp"))

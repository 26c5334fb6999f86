"""Photo files as images: limited in size, upright, opaque, in the colours of a screen."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from demo.errors import UserError
from demo.sources.decode.geometry import AS_STORED, Turn, upright
from demo.sources.photo.colours import Content, ToSrgb, convert_strips, to_srgb

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "AVIF", "TIFF")  # as Pillow calls them
ANIMATED_FORMATS = {"PNG", "WEBP", "AVIF"}
MAX_PHOTO_PIXELS = 120_000_000  # what phones take
LOW_MEMORY_FORMATS = {"JPEG", "MPO", "PNG"}  # the decoders of others need three times as much
MAX_PHOTO_BYTES = 250_000_000  # a file of 40 million pixels with 16 bits per channel
OPAQUE = 255  # alpha
GROUND = 255  # under transparent parts: white, as browsers and most viewers show them
ORIENTATION = 0x0112  # tag of EXIF
TURNS = {  # by orientation
    2: Turn(mirrored=True),
    3: Turn(mirrored=True, flipped=True),
    4: Turn(flipped=True),
    5: Turn(transposed=True),
    6: Turn(transposed=True, mirrored=True),
    7: Turn(transposed=True, mirrored=True, flipped=True),
    8: Turn(transposed=True, flipped=True),
}
MAX_SCANS = 100  # of a JPEG; programs write about 10, and each one takes as long as all pixels
START_OF_SCAN = b"\xff\xda"  # within the data of a scan, 255 is followed by 0

_PILLOW_LIMIT = Lock()


class Limits(NamedTuple):
    """What is accepted as a photo."""

    size: int = MAX_PHOTO_BYTES
    pixels: int = MAX_PHOTO_PIXELS
    formats: tuple[str, ...] | None = None  # as Pillow calls them; None: all that it reads


FILE_LIMITS = Limits()


def is_photo(path: Path) -> bool:
    """Whether the content of a file is a photo of a supported format, whatever its name."""
    try:
        with open_header(path, PHOTO_FORMATS):
            return True
    except Exception:  # Pillow's readers share no base class of their errors
        return False


def is_animated(path: Path) -> bool:
    """Whether a file is an animated PNG, WebP or AVIF."""
    try:
        with open_header(path) as picture:
            return picture.format in ANIMATED_FORMATS and getattr(picture, "n_frames", 1) > 1
    except Exception:  # as above
        return False


def read_photo(path: Path | str) -> np.ndarray:
    """Read a photo (H, W, 3) uint8 BGR: upright, with sRGB colours, on white where it is
    transparent; of an animated picture the first frame.

    Raises UserError if it cannot be read or is too large. The size is checked before any pixel is
    decoded.
    """
    return decode_photo(Path(path), str(path))


def decode_photo(content: Content, name: str, limits: Limits = FILE_LIMITS) -> np.ndarray:
    """Like `read_photo`, of a file or its bytes; `name` is for the errors."""
    try:
        with open_checked(content, name, limits) as picture:
            image = _decoded(content, picture)
    except UserError:
        raise
    except Exception as error:  # as above
        expected = ", ".join(limits.formats or ())
        reason = getattr(error, "strerror", None) or (
            f"expected {expected}" if expected else "its content is not a picture"
        )
        raise UserError(f"{name} is not a picture that can be read ({reason})") from None
    if image is None:
        raise UserError(f"{name} is not a picture that can be read")
    return image


@contextmanager
def open_checked(
    content: Content, name: str, limits: Limits = FILE_LIMITS
) -> Iterator["ImageFile"]:
    """Open a picture without decoding its pixels. Raises UserError if it has too many bytes or
    pixels, and whatever Pillow raises if it is none."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size > limits.size:
        raise UserError(f"{name} has more than {limits.size // 1_000_000} MB: make it smaller")
    with open_header(content, limits.formats) as picture:
        (width, height), low_memory = picture.size, picture.format in LOW_MEMORY_FORMATS
        most = limits.pixels if low_memory else min(limits.pixels, MAX_PHOTO_PIXELS // 3)
        if width * height > most:
            raise UserError(
                f"{name} has {width}x{height} pixels, more than {most // 1_000_000} million: "
                f"make it smaller{'' if low_memory else ', or a JPEG'}"
            )
        if isinstance(content, bytes) and content.count(START_OF_SCAN) > MAX_SCANS:
            raise UserError(f"{name} has more than {MAX_SCANS} scans: save it anew")
        yield picture


def open_header(content: Content, formats: tuple[str, ...] | None = None) -> "ImageFile":
    """Open a picture without decoding its pixels."""
    from PIL import Image

    with _without_pixel_limit():
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        return Image.open(file, formats=formats)


def flattened(picture: Any, convert: ToSrgb | None) -> np.ndarray:
    """The current frame of a Pillow picture as an image (H, W, 3) uint8 BGR, on white where it is
    transparent, upright; `convert` makes its colours sRGB."""
    turn = _turn(picture)
    picture.filename = ""  # otherwise Pillow 13 maps the file, and misreads a TIFF that it turns
    picture.load()  # turns a TIFF

    def pixels(top: int, bottom: int) -> np.ndarray:
        strip = picture.crop((0, top, picture.width, bottom))
        if strip.mode == "CMYK" and convert:
            return convert(np.asarray(strip))
        rgba = np.asarray(strip.convert("RGBA"))
        rgb = convert(rgba[..., :3]) if convert else rgba[..., :3]
        alpha = rgba[..., 3:].astype(np.uint16)
        on_ground = (rgb * alpha + GROUND * (OPAQUE - alpha) + 127) // OPAQUE
        return on_ground.astype(np.uint8)

    image = np.empty((picture.height, picture.width, 3), np.uint8)
    convert_strips(image, lambda strip, top: pixels(top, top + len(strip))[..., ::-1])
    return image if picture.format == "TIFF" else upright(image, turn)


def _decoded(content: Content, picture: "ImageFile") -> np.ndarray | None:
    """The image of a checked picture; None if OpenCV cannot decode it. OpenCV decodes whatever
    needs no more than a turn or other colours: it is faster and takes less memory."""
    convert = to_srgb(picture, content)
    if _hides_pixels(content, picture) or (picture.mode == "CMYK" and convert):
        return flattened(picture, convert)
    flags = cv2.IMREAD_COLOR
    if picture.format == "AVIF":  # OpenCV takes neither irot nor imir, which overrule EXIF
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    if isinstance(content, bytes):
        stored = np.frombuffer(content, np.uint8)
    else:
        stored = np.fromfile(content, np.uint8)
    image = cv2.imdecode(stored, flags)
    if image is not None and convert:
        convert_strips(image, lambda strip, _: _swapped(convert(_swapped(strip))))
    if image is not None and picture.format == "AVIF":
        return upright(image, _turn(picture))
    return image


def _swapped(pixels: np.ndarray) -> np.ndarray:
    """BGR as RGB, or the reverse: three times as fast as a copy of `pixels[..., ::-1]`."""
    return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2RGB)


def _hides_pixels(content: Content, header: "ImageFile") -> bool:
    """Whether a part of a picture is transparent, at least a little."""
    if not header.has_transparency_data or header.mode.startswith("I"):  # 16 bits of gray
        return False
    with open_header(content) as picture:  # its pixels are gone before OpenCV decodes them again
        whole = picture if "A" in picture.getbands() else picture.convert("RGBA")
        alpha = np.asarray(whole.getchannel("A"))
        if header.format == "BMP" and not alpha.any():  # left empty, as browsers take it
            return False
        return bool(alpha.min() < OPAQUE)


def _turn(picture: Any) -> Turn:
    """How a picture is made upright by EXIF; an AVIF by irot and imir."""
    try:
        for name in ("xmp", "XML:com.adobe.xmp"):  # viewers turn no picture by it
            picture.info.pop(name, None)
        return TURNS.get(int(picture.getexif().get(ORIENTATION, 1)), AS_STORED)
    except Exception:  # as above
        return AS_STORED


@contextmanager
def _without_pixel_limit() -> Iterator[None]:
    """Lift Pillow's limit on the number of pixels while a header is read.

    The limit is a setting of the process, so it is restored at once. It has to go because the error
    that it raises does not contain the size of the picture.
    """
    from PIL import Image

    with _PILLOW_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit

"""A photo or a folder of photos as a source of frames."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff")
}
UNSUPPORTED_SUFFIXES = {
    *(".heic", ".heif", ".hif", ".jxl", ".jp2", ".gif"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
}
PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "AVIF", "TIFF")  # as Pillow calls them
MAX_PHOTO_PIXELS = 120_000_000  # what phones take
LOW_MEMORY_FORMATS = {"JPEG", "MPO", "PNG"}  # the decoders of others need three times as much
MAX_PHOTO_BYTES = 250_000_000  # a file of 40 million pixels with 16 bits per channel

_PILLOW_LIMIT = Lock()


def is_photo(path: Path) -> bool:
    """Whether the content of a file is a photo of a supported format, whatever its name."""
    try:
        with _open_header(path, PHOTO_FORMATS):
            return True
    except (OSError, ValueError):
        return False


def photos_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Photos of a folder in the order of their names, and its pictures of unsupported formats.

    Raises UserError if there are no photos.
    """
    shown = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    photos = [p for p in shown if p.suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise UserError(f"no photos in {folder}: expected {', '.join(sorted(PHOTO_SUFFIXES))}")
    return photos, [p for p in shown if p.suffix.lower() in UNSUPPORTED_SUFFIXES]


def read_photo(path: Path | str) -> np.ndarray:
    """Read a photo (H, W, 3) uint8 BGR, upright as its EXIF orientation states.

    Raises UserError if it cannot be read or is too large. The size is checked before any pixel is
    decoded.
    """
    path = Path(path)
    try:
        _check_size(path)
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error) as error:  # ValueError: limits within Pillow
        reason = getattr(error, "strerror", None) or "its content is not a picture"
        raise UserError(f"{path} is not a picture that can be read ({reason})") from None
    if image is None:
        raise UserError(f"{path} is not a picture that can be read")
    return image


class PhotoSource(Source):
    """Photos, one frame each. `Frame.source` is the path of the photo, `Frame.time` is 0.

    Photos that cannot be read are skipped. If there are any, or pictures of unsupported formats,
    the last thing that `watch` yields is the event "failed", which counts them.
    """

    live, photos, dropped = False, True, 0
    path: Path | None = None
    fps: float | None = None
    count: int | None = None

    def __init__(self, name: str, paths: list[Path], unsupported: Sequence[Path] = ()) -> None:
        """Read the photos `paths` of the file or folder `name`; only count `unsupported`."""
        self.name, self.path = name, Path(name)
        self.paths, self.count = paths, len(paths)
        self._unsupported = unsupported

    def start(self) -> None:
        """Do nothing: `watch` reads."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield the photos, and no NoFrame, however long it takes to read a photo.

        Raises the UserError of the first photo if no photo can be read.
        """
        errors: list[str] = []
        for index, path in enumerate(self.paths):
            try:
                image = read_photo(path)
            except UserError as error:
                errors.append(str(error))
                continue
            yield Frame(image, index, 0.0, str(path))
        if len(errors) == len(self.paths):
            raise UserError(errors[0])
        if text := "; ".join(self._skipped(errors)):
            yield Event("failed", text, self.name)

    def _skipped(self, errors: Sequence[str]) -> Iterator[str]:
        """Describe the pictures that were skipped."""
        if errors:
            yield f"skipped {len(errors)} of {self.count} photos: {errors[0]}"
        if self._unsupported:
            kinds = ", ".join(sorted({path.suffix.lower() for path in self._unsupported}))
            count = len(self._unsupported)
            yield (
                f"skipped {count} picture{'s' * (count > 1)} of unsupported formats in "
                f"{self.name} ({kinds}): convert them to JPEG"
            )


def _check_size(path: Path) -> None:
    """Raise UserError if a photo has too many bytes or pixels.

    Raises OSError or ValueError if it is not a photo.
    """
    if path.stat().st_size > MAX_PHOTO_BYTES:
        raise UserError(f"{path} has more than {MAX_PHOTO_BYTES // 1_000_000} MB: make it smaller")
    with _open_header(path) as header:
        (width, height), low_memory = header.size, header.format in LOW_MEMORY_FORMATS
    most = MAX_PHOTO_PIXELS if low_memory else MAX_PHOTO_PIXELS // 3
    if width * height > most:
        raise UserError(
            f"{path} has {width}x{height} pixels, more than {most // 1_000_000} million: "
            f"make it smaller{'' if low_memory else ', or a JPEG'}"
        )


def _open_header(path: Path, formats: tuple[str, ...] | None = None) -> "ImageFile":
    """Open a picture without decoding its pixels."""
    from PIL import Image

    with _without_pixel_limit():
        return Image.open(path, formats=formats)


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

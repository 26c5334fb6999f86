"""A photo or a folder of photos as a source of frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from demo.errors import UserError
from demo.frames import Frame
from demo.sources.base import POLL_SECONDS

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff")
}
OTHER_SUFFIXES = {  # of pictures that are not read
    *(".heic", ".heif", ".hif", ".jxl", ".jp2", ".gif"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
}
PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "AVIF", "TIFF")
MAX_PIXELS = 120_000_000  # of a photo: what phones take
PHONE_FORMATS = {"JPEG", "MPO", "PNG"}  # decoders of others take three times the memory
MAX_BYTES = 250_000_000  # of a photo's file: 40 million pixels of 16 bits


def is_photo(path: Path) -> bool:
    """Whether a file holds what is read as a photo, whatever its name."""
    try:
        with _header(path, PHOTO_FORMATS):
            return True
    except (OSError, ValueError):
        return False


def photos_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The photos of a folder by name, and its pictures that are not read. Raises UserError if there
    are no photos."""
    shown = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    photos = [p for p in shown if p.suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise UserError(f"no photos in {folder}: it needs {', '.join(sorted(PHOTO_SUFFIXES))}")
    return photos, [p for p in shown if p.suffix.lower() in OTHER_SUFFIXES]


class PhotoSource:
    """Photos, one frame each; one that cannot be read is passed over with a warning."""

    live, photos, fps, dropped = False, True, None, 0

    def __init__(self, name: str, paths: list[Path], others: Sequence[Path] = ()) -> None:
        """Read `paths`; of the `others` only their number is told."""
        self.name, self.paths, self.count = name, paths, len(paths)
        self._others = others
        self.warning: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        return self.watch()

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame]:
        """The photos; reading one is not waited for."""
        refused, first = 0, ""
        for index, path in enumerate(self.paths):
            try:
                yield Frame(_read_photo(path), index, 0.0, str(path))
            except UserError as error:
                refused, first = refused + 1, first or str(error)
        if refused == len(self.paths):
            raise UserError(first)
        told = [f"{refused} of {self.count} photos passed over: {first}"] if refused else []
        if self._others:
            kinds = ", ".join(sorted({path.suffix.lower() for path in self._others}))
            count = len(self._others)
            told.append(f"other pictures left out of {self.name}: {count} ({kinds}), make JPEGs")
        self.warning = "; ".join(told) or None


def _header(path: Path, formats: tuple[str, ...] | None = None) -> "ImageFile":
    """A picture of which no pixel was decoded."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    return Image.open(path, formats=formats)


def _read_photo(path: Path) -> np.ndarray:
    """A photo (H, W, 3) uint8 BGR. Raises UserError where it cannot be read, or is too large: its
    size is known before its pixels are decoded."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES // 1_000_000} MB: make it smaller")
        with _header(path) as header:
            (width, height), of_phones = header.size, header.format in PHONE_FORMATS
        most = MAX_PIXELS if of_phones else MAX_PIXELS // 3
        if width * height > most:
            raise UserError(
                f"{path} has {width}x{height} pixels, more than {most // 1_000_000} million: "
                f"make it smaller{'' if of_phones else ', or a JPEG'}"
            )
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error) as error:  # ValueError: Pillow's own bounds
        reason = getattr(error, "strerror", None) or "no picture in it"
        raise UserError(f"{path} is not a picture that can be read ({reason})") from None
    if image is None:
        raise UserError(f"{path} is not a picture that can be read")
    return image

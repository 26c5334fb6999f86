"""A photo or a folder of photos as a source of frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from demo.errors import UserError
from demo.frames import Frame
from demo.live import TICK

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
MAX_PIXELS = 120_000_000  # of a photo: what phones take
PHONE_FORMATS = {"JPEG", "PNG"}  # decoders of others take three times the memory
MAX_BYTES = 128_000_000  # of a photo's file


def photos_in(folder: Path) -> list[Path]:
    """The photos of a folder by name. Raises UserError if there are none."""
    photos = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()
    )
    if not photos:
        raise UserError(f"no photos in {folder}: it needs {', '.join(sorted(PHOTO_SUFFIXES))}")
    return photos


class PhotoSource:
    """Photos, one frame each; one that cannot be read is passed over with a warning."""

    live, photos, fps, dropped = False, True, None, 0

    def __init__(self, name: str, paths: list[Path]) -> None:
        self.name, self.paths, self.count = name, paths, len(paths)
        self.warning: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        return self.watch()

    def watch(self, patience: float = TICK) -> Iterator[Frame]:
        """The photos; reading one is not waited for."""
        refused, first = 0, ""
        for index, path in enumerate(self.paths):
            try:
                yield Frame(_read_photo(path), index, 0.0, str(path))
            except UserError as error:
                refused, first = refused + 1, first or str(error)
        if refused == len(self.paths):
            raise UserError(first)
        if refused:
            self.warning = f"{refused} of {self.count} photos passed over: {first}"


def _read_photo(path: Path) -> np.ndarray:
    """A photo (H, W, 3) uint8 BGR. Raises UserError where it cannot be read, or is too large: its
    size is known before its pixels are decoded."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES // 1_000_000} MB: make it smaller")
        with Image.open(path) as header:
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

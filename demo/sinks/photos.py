"""Annotated photos."""

from pathlib import Path
from typing import Self

from demo.errors import UserError
from demo.frames import Frame
from demo.images import save_image
from demo.sinks.paths import check_file
from demo.sinks.video import VIDEO_SUFFIXES
from demo.sources.photos import PHOTO_SUFFIXES
from models.files import writable_folder


class PhotoRecorder:
    """A picture sink that writes photos under their own names into a folder, or a single photo
    under a given name. It never overwrites an original."""

    wanted, realtime = True, False

    def __init__(self, target: Path, single: bool) -> None:
        """Write to the folder `target`, which is created, or if the source is a `single` photo also
        to a file. Raises UserError if that is not possible."""
        suffix = target.suffix.lower()
        self._target, self._is_file = target, single and suffix in PHOTO_SUFFIXES
        self.written = False  # whether there was a photo
        if self._is_file:
            check_file(target, PHOTO_SUFFIXES, "write")
            return
        if suffix in VIDEO_SUFFIXES | PHOTO_SUFFIXES:
            raise UserError(f"photos are recorded into a folder: -o {target.with_suffix('')}")
        try:
            writable_folder(target)
        except OSError as error:
            raise UserError(f"cannot record into the folder {target}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, picture: Frame) -> None:
        """Write one photo; `picture.source` is the path of the original. Raises UserError."""
        original = Path(picture.source)
        path = self._target if self._is_file else self._target / original.name
        if path.exists() and path.samefile(original):
            raise UserError(f"-o {self._target} would overwrite {original}: name another place")
        save_image(path, picture.image)
        self.written = True

"""Annotated photos."""

import re
from pathlib import Path
from typing import Self

from demo.errors import UserError
from demo.frames import Frame
from demo.images import save_image
from demo.sinks.paths import check_file
from demo.sinks.videofile import VIDEO_SUFFIXES
from demo.sources.suffixes import PHOTO_SUFFIXES
from models.files import writable_folder

# a name that ends so is meant as a file, unlike "trip.2024" and "st.petersburg"
FILE_SUFFIX = re.compile(r"\.(?=.*[a-z])[a-z0-9]{2,5}", re.IGNORECASE)


class PhotoRecorder:
    """A picture sink that writes photos under their own names into a folder, or a single photo
    under a given name. It never overwrites an original."""

    wanted, realtime = True, False

    def __init__(self, target: Path, single: bool, folder: bool = False) -> None:
        """Write to the folder `target`, which is created, or if the source is a `single` photo also
        to a file; `folder`: to a folder, even if the name looks like that of a file. Raises
        UserError if that is not possible."""
        suffix = target.suffix.lower()
        folder = folder or target.is_dir()
        self._target, self._is_file = target, single and suffix in PHOTO_SUFFIXES and not folder
        self.written = False  # whether there was a photo
        if self._is_file:
            check_file(target, PHOTO_SUFFIXES, "write")
            return
        if not folder:
            _refuse_file(target, single)
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


def _refuse_file(target: Path, single: bool) -> None:
    """Raise UserError if the name is that of a file, of a kind that is not written here."""
    suffix = Path(target.name.rstrip(" .")).suffix.lower()
    if suffix in VIDEO_SUFFIXES | PHOTO_SUFFIXES:
        raise UserError(f"photos are recorded into a folder: -o {target.with_suffix('')}")
    if FILE_SUFFIX.fullmatch(suffix):
        kinds = f" in {', '.join(sorted(PHOTO_SUFFIXES))} for a photo, or" if single else ""
        raise UserError(f"cannot write {target}: the name must end{kinds} in / for a folder")

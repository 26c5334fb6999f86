"""A photo or a folder of photos as a source of frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.errors import UserError
from demo.events import Event
from demo.frames import Frame, NoFrame
from demo.sources.base import POLL_SECONDS, Source
from demo.sources.photo.files import is_animated, read_photo
from demo.sources.suffixes import PHOTO_SUFFIXES, UNSUPPORTED_SUFFIXES


def photos_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Photos of a folder in the order of their names, and its pictures of unsupported formats.

    Raises UserError if there are no photos.
    """
    shown = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    photos = [p for p in shown if p.suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise UserError(f"no photos in {folder}: expected {', '.join(sorted(PHOTO_SUFFIXES))}")
    return photos, [p for p in shown if p.suffix.lower() in UNSUPPORTED_SUFFIXES]


class PhotoSource(Source):
    """Photos, one frame each. `Frame.source` is the path of the photo, `Frame.time` is 0.

    Of an animated picture the first frame is taken; the event "info" counts them at the end.
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
        self.errors: list[str] = []  # a line for each photo that could not be read
        self._unsupported = unsupported

    def start(self) -> None:
        """Do nothing: `watch` reads."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def watch(self, patience: float = POLL_SECONDS) -> Iterator[Frame | NoFrame | Event]:
        """Yield the photos, and no NoFrame, however long it takes to read a photo.

        Raises the UserError of the first photo if no photo can be read.
        """
        animated = 0
        for index, path in enumerate(self.paths):
            try:
                image = read_photo(path)
            except UserError as error:
                self.errors.append(str(error))
                continue
            animated += is_animated(path)
            yield Frame(image, index, 0.0, str(path))
        if len(self.errors) == len(self.paths):
            raise UserError(self.errors[0])
        if animated:
            text = f"{animated} animated picture{'s' * (animated > 1)} in {self.name}: only the "
            yield Event("info", f"{text}first frame is taken", self.name)
        if text := "; ".join(self._skipped()):
            yield Event("failed", text, self.name)

    def _skipped(self) -> Iterator[str]:
        """Describe the pictures that were skipped."""
        if self.errors:
            yield f"skipped {len(self.errors)} of {self.count} photos: {self.errors[0]}"
        if self._unsupported:
            kinds = ", ".join(sorted({path.suffix.lower() for path in self._unsupported}))
            count = len(self._unsupported)
            yield (
                f"skipped {count} picture{'s' * (count > 1)} of unsupported formats in "
                f"{self.name} ({kinds}): convert them to JPEG"
            )

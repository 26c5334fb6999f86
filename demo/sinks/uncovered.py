"""A warning where nothing was covered, because no face was found."""

from typing import Self

from demo.events import Event, Notify
from demo.frames import Faces, Frame, Timing
from demo.sinks.words import some


class UncoveredWarning:
    """A sink that warns at the end of an anonymized run of videos and photos without any face: the
    detector misses faces that lie on their side, or very small ones, and they stay bare."""

    def __init__(self, photos: bool, notify: Notify) -> None:
        self._photos, self._notify = photos, notify
        self._found: dict[str, bool] = {}  # by source: whether a face was found in it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        bare = [source for source, found in self._found.items() if not found]
        if not bare:
            return
        where = bare[0]
        if len(bare) > 1:
            where = f"{some(len(bare), 'photo' if self._photos else 'source')}, such as {where}"
        text = f"--anonymize: no face was found in {where}: nothing is covered there, look at it"
        self._notify(Event("warning", text))

    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Note whether the frame has faces."""
        self._found[frame.source] = self._found.get(frame.source, False) or len(faces) > 0

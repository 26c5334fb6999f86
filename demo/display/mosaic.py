"""The picture of a run: the newest frame of its source with the overlay, or tiles of several."""

from dataclasses import replace

import numpy as np

from demo.display.overlay import annotate, with_notice
from demo.display.tiles import grid, letterbox_faces, tile_shape
from demo.frames import Analysis, Frame
from demo.images import letterbox
from demo.sources.base import title_of
from demo.sources.schedule import Schedule


class _Tile:
    """The newest frame of a source; its picture is drawn when it is first asked for."""

    def __init__(self, name: str, shape: tuple[int, int] | None) -> None:
        self._title = title_of(name)
        self._shape = shape  # height and width; None: as large as the frame
        self._analysis: Analysis | None = None
        self._caption = ""
        self._drawn: np.ndarray | None = None

    def update(self, analysis: Analysis, caption: str) -> None:
        self._analysis, self._caption, self._drawn = analysis, caption, None

    @property
    def frame(self) -> Frame | None:
        return self._analysis.frame if self._analysis else None

    def picture(self, notice: str) -> np.ndarray | None:
        """(H, W, 3) uint8 BGR; None before the first frame, where there is no tile to fill."""
        if self._drawn is None:
            self._drawn = self._draw()
        if self._drawn is None or not notice:
            return self._drawn
        return with_notice(self._drawn, notice)

    def _draw(self) -> np.ndarray | None:
        if self._analysis is None:
            return np.zeros((*self._shape, 3), np.uint8) if self._shape else None
        image, faces = self._analysis.frame.image, self._analysis.faces
        if self._shape is None:
            return annotate(image, faces, self._caption)
        faces = letterbox_faces(faces, image.shape, *self._shape)
        return annotate(letterbox(image, *self._shape), faces, self._title)


class Mosaic:
    """Draws what there is to see, once for everyone who asks, and only if someone does."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        sources = [feed.source for feed in schedule.feeds]
        shape = tile_shape(len(sources)) if len(sources) > 1 else None
        self._tiles = [_Tile(source.name, shape) for source in sources]
        self._names = ", ".join(source.name for source in sources)

    def update(self, feed: int, analysis: Analysis, caption: str) -> None:
        """Take the newest frame of a feed, by its place in the schedule. The caption is drawn into
        the corner of a single source; tiles show their names."""
        self._tiles[feed].update(analysis, caption)

    def picture(self) -> Frame | None:
        """The picture now; None before the first frame."""
        schedule = self._schedule
        drawn = [
            tile.picture(feed.notice)
            for tile, feed in zip(self._tiles, schedule.feeds, strict=True)
        ]
        images = [image for image in drawn if image is not None]
        if not images:
            return None
        if len(self._tiles) > 1:
            return Frame(grid(images), schedule.turns, schedule.time, self._names)
        frame = self._tiles[0].frame
        return replace(frame, image=images[0], time=schedule.time) if frame else None

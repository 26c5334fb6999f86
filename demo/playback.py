"""How a viewer steers a run: files play at their own rate; keys pause it, save and quit."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from demo.display.controls import Command, Controls
from demo.display.mosaic import Mosaic
from demo.errors import UserError
from demo.events import Event, Notify
from demo.images import save_image
from demo.sources.schedule import Schedule

KEY_SECONDS = 0.03  # between two looks at the keys while paused
PHOTO_SECONDS = 3.0  # for which a photo stays in view


class Playback:
    """Waits until the next frame is due for the viewer, and obeys the viewer's commands."""

    def __init__(
        self,
        controls: Sequence[Controls],
        schedule: Schedule,
        mosaic: Mosaic,
        notify: Notify,
    ) -> None:
        self._controls, self._notify = list(controls), notify
        self._schedule, self._mosaic = schedule, mosaic
        self._photos = any(feed.source.photos for feed in schedule.feeds)
        self._last: float | None = None  # time of the last picture, seconds
        self._due = time.monotonic()

    def obey(self, moment: float | None) -> bool:
        """Obey commands until the picture after the one of this moment, in seconds of the source,
        is due, at once where that is None; whether the viewer quits."""
        wait = 0.0 if moment is None else self._wait(moment)
        end, paused = time.monotonic() + wait, False
        command = self._command(max(end - time.monotonic(), 0.0))
        while command or paused:
            if command == "quit":
                return True
            if command == "snapshot":
                self._save_snapshot()
            if command == "pause":
                paused = not paused
            if not self._controls:
                break
            now = time.monotonic()
            command = self._command(KEY_SECONDS if paused else max(end - now, 0.0))
            if paused:
                self._schedule.pause(time.monotonic() - now)
        return False

    def _command(self, wait: float) -> Command | None:
        """The next command within `wait` seconds. Controls whose display is gone are dropped."""
        if not self._controls:
            time.sleep(wait)
        for place, controls in enumerate(self._controls):
            command = controls.command(wait if place == 0 else 0.0)
            if command == "lost":
                self._controls.remove(controls)
                self._notify(Event("warning", "the display is gone: going on without a window"))
            if command:
                return command
        return None

    def _wait(self, moment: float) -> float:
        """Seconds until the picture after the one of this moment is due."""
        last, self._last = self._last, moment
        if self._photos:
            return PHOTO_SECONDS
        now = time.monotonic()
        interval = 0.0 if last is None or self._schedule.live else moment - last
        self._due = max(self._due + interval, now)
        return self._due - now

    def _save_snapshot(self) -> None:
        """Save the picture in the current folder."""
        picture = self._mosaic.picture()
        if picture is None:
            return
        name = f"snapshot-{datetime.now():%Y%m%d-%H%M%S}-{picture.index:06d}.png"
        try:
            save_image(Path(name), picture.image)
        except UserError as error:
            self._notify(Event("warning", str(error)))
        else:
            self._notify(Event("info", f"saved {name}"))

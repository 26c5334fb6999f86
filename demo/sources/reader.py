"""A thread that reads ahead, so that the main loop never waits for a device."""

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
from av.error import FFmpegError

from demo.sources.decoding import reason

JOIN_SECONDS = 2.0

Picture = tuple[np.ndarray, float]  # (H, W, 3) uint8 BGR, and its time in seconds


class FrameReader:
    """A bounded queue fed by a thread; when full it waits or, for `newest`, drops the oldest.

    `produce` runs in the thread; it is given the event that asks it to end.
    """

    def __init__(
        self,
        produce: Callable[[threading.Event], Iterator[Picture]],
        capacity: int,
        newest: bool = False,
    ) -> None:
        self._produce, self._newest = produce, newest
        self._queue: queue.Queue[Picture | None] = queue.Queue(capacity)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self.failure: str | None = None  # what broke the stream off
        self.dropped = 0
        self.ended = False  # the last picture was taken

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = JOIN_SECONDS) -> bool:
        """Ask the thread to end; whether it did, and what it read from may be closed."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def take(self, patience: float) -> Picture | None:
        """The next picture; None if none came within `patience` seconds, or none will (`ended`).

        Raises what went wrong in the thread, unless the stream broke off (`failure`).
        """
        if self.ended:
            return None
        try:
            picture = self._queue.get(timeout=patience)
        except queue.Empty:
            return None
        self.ended = picture is None
        if self.ended and self._error is not None:
            raise self._error
        return picture

    def _run(self) -> None:
        try:
            for picture in self._produce(self._stopped):
                self._put(picture)
                if self._stopped.is_set():
                    break
        except (FFmpegError, OSError) as error:
            self.failure = reason(error)
        except BaseException as error:  # raised again in the main thread
            self._error = error
        del self._produce  # often a method of what holds the feed: a cycle, and its frames linger
        self._put(None)

    def _put(self, picture: Picture | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(picture, timeout=0.0 if self._newest and picture else 0.1)
                return
            except queue.Full:
                if self._newest and picture is not None:
                    self._drop()

    def _drop(self) -> None:
        try:
            self._queue.get_nowait()
            self.dropped += 1
        except queue.Empty:
            pass

"""A thread that reads frames ahead, so that the main loop never waits for a device."""

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np

from demo.frames import Frame, NoFrame

JOIN_SECONDS = 2.0  # how long `stop` waits for the thread
FULL_SECONDS = 0.1  # how often a thread whose queue is full checks whether it should stop

TimedImage = tuple[np.ndarray, float]  # (H, W, 3) uint8 BGR, and its time in seconds


class FrameReader:
    """A thread that fills a bounded queue with frames.

    When the queue is full, the thread waits, or with `newest` drops the oldest frame. `produce` is
    a generator function that runs in the thread. Its argument is set when the thread should stop;
    its `finally` clauses run in the thread, too.
    """

    def __init__(
        self,
        produce: Callable[[threading.Event], Iterator[TimedImage]],
        capacity: int,
        newest: bool = False,
    ) -> None:
        self._produce, self._newest = produce, newest
        self._queue: queue.Queue[TimedImage | None] = queue.Queue(capacity)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self.dropped = 0  # frames that newer ones replaced
        self.ended = False  # `take` will give no more frames

    def keep(self, capacity: int) -> None:
        """Let so many frames wait in the queue. Call it before `start`."""
        self._queue.maxsize = capacity

    def start(self) -> None:
        """Start the thread. A second call does nothing, nor does a call after `stop`."""
        if self._thread.ident is None and not self._stopped.is_set():
            self._thread.start()

    def stop(self, patience: float = JOIN_SECONDS) -> bool:
        """Make the thread stop, and wait for it up to `patience` seconds.

        Returns True if it has ended: its device or file can be closed now.
        """
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def take(self, patience: float) -> TimedImage | None:
        """Return the next frame, or None if none came within `patience` seconds or it `ended`.

        After the last frame, raises the error that ended the thread, if there was one.
        """
        if self._stopped.is_set():
            self.ended = True
        if self.ended:
            return None
        try:
            item = self._queue.get(timeout=patience)
        except queue.Empty:
            return None
        self.ended = item is None
        if self.ended and self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback refers to self: a cycle
        return item

    def frames(self, name: str, patience: float) -> Iterator[Frame | NoFrame]:
        """Yield the frames of a file of this name, and a NoFrame whenever none came for `patience`
        seconds. Raises as `take` does."""
        index, seconds = 0, 0.0
        while not self.ended:
            item = self.take(patience)
            if item is not None:
                seconds = item[1]
                yield Frame(item[0], index, seconds, name)
                index += 1
            elif not self.ended:
                yield NoFrame(seconds)

    def _run(self) -> None:
        try:
            for item in self._produce(self._stopped):
                self._put(item)
                if self._stopped.is_set():
                    break
        except BaseException as error:  # `take` raises it in the main thread
            self._error = error
        del self._produce  # a method of the reader's owner: the cycle would keep frames in memory
        self._put(None)

    def _put(self, item: TimedImage | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.0 if self._newest and item else FULL_SECONDS)
                return
            except queue.Full:
                if self._newest and item is not None:
                    self._drop_oldest()

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
            self.dropped += 1
        except queue.Empty:
            pass

"""A thread that writes, so that the main loop does not wait for the disk or the encoder."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from av.error import FFmpegError

from demo.errors import UserError

Item = TypeVar("Item")


class BackgroundWriter(Generic[Item]):
    """Calls `write` on queued items, one after the other, and finally `close`, all in one thread.

    The first error ends the writing: later items are dropped, `close` is still called. The main
    thread gets the error once, from the next `put` or from `finish`; an error of the disk or the
    encoder becomes a UserError.
    """

    def __init__(
        self,
        write: Callable[[Item], None],
        close: Callable[[bool], None],
        action: str,
        capacity: int = 4,
        timeout: float = 30.0,
    ) -> None:
        """`close` gets whether all items were written. `action` begins the message of an error:
        "cannot record to a.mp4". The queue holds `capacity` items; a writer that does not finish
        within `timeout` seconds after the last item counts as hanging."""
        self._write, self._close = write, close
        self._action, self._timeout = action, timeout
        self._queue: queue.Queue[Item | None] = queue.Queue(capacity)  # None is the end
        self._error: BaseException | None = None  # until the main thread gets it
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread. Call it once."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue an item; wait while the queue is full. Raises the error of an earlier item."""
        self._raise_error()
        self._queue.put(item)

    def finish(self) -> None:
        """Write the items that are still queued, close, and end the thread. Does nothing if the
        thread was never started or has ended.

        Raises the error that stopped the writing, and UserError if the thread hangs; then it stays
        behind and keeps what it has open.
        """
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put(None, timeout=self._timeout)
                self._thread.join(self._timeout)
        if self._thread.is_alive() and self._error is None:
            raise UserError(f"{self._action}: the disk or the encoder does not respond")
        self._raise_error()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self._failed:
                self._attempt(self._write, item)
        self._attempt(self._close, not self._failed)

    def _attempt(self, step: Callable[[Any], None], argument: Any) -> None:
        try:
            step(argument)
        except BaseException as error:  # raised again in the main thread
            if not self._failed:
                self._error, self._failed = error, True

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, FFmpegError | OSError):
            raise UserError(f"{self._action}: {error.strerror or error}") from None
        if error is not None:
            raise error

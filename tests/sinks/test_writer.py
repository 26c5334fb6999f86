import threading

import pytest

from demo.errors import UserError
from demo.sinks.writer import BackgroundWriter


class Disk:
    """Takes numbers, and fails at one of them or while closing."""

    def __init__(self, failing: int | str = "", error: Exception | None = None) -> None:
        self._failing, self._error = failing, error or OSError(28, "No space left on device")
        self.numbers: list[int] = []
        self.closed: list[bool] = []
        self.threads: set[str] = set()

    def write(self, number: int) -> None:
        self.threads.add(threading.current_thread().name)
        if number == self._failing:
            raise self._error
        self.numbers.append(number)

    def close(self, complete: bool) -> None:
        self.threads.add(threading.current_thread().name)
        self.closed.append(complete)
        if self._failing == "close":
            raise self._error


def writer_to(disk: Disk) -> BackgroundWriter[int]:
    return BackgroundWriter(disk.write, disk.close, "cannot record to a.mp4")


def test_items_are_written_in_order_and_the_end_is_closed_in_one_thread():
    disk = Disk()
    writer = writer_to(disk)
    writer.start()
    for number in range(100):
        writer.put(number)
    writer.finish()
    assert (disk.numbers, disk.closed) == (list(range(100)), [True])
    assert disk.threads == {"writer"}
    writer.finish()
    assert disk.closed == [True]


def test_the_first_error_ends_the_writing_and_is_raised_once():
    disk = Disk(failing=2)
    writer = writer_to(disk)
    writer.start()
    with pytest.raises(  # noqa: PT012
        UserError, match=r"^cannot record to a\.mp4: No space left on device$"
    ):
        for number in range(1000):
            writer.put(number)
    writer.finish()
    assert (disk.numbers, disk.closed) == ([0, 1], [False])


@pytest.mark.parametrize("failing", [0, "close"])
def test_an_error_after_the_last_put_is_raised_at_the_end(failing):
    disk = Disk(failing)
    writer = writer_to(disk)
    writer.start()
    writer.put(0)
    with pytest.raises(UserError, match="No space left"):
        writer.finish()
    assert disk.closed == [failing == "close"]


def test_an_error_of_the_program_is_raised_as_it_is():
    writer = writer_to(Disk(0, ZeroDivisionError("bug")))
    writer.start()
    writer.put(0)
    with pytest.raises(ZeroDivisionError, match="bug"):
        writer.finish()


def test_a_writer_that_was_never_started_has_nothing_to_finish():
    disk = Disk()
    writer_to(disk).finish()
    assert disk.closed == []


@pytest.mark.parametrize("count", [1, 3], ids=["room in the queue", "queue full"])
def test_a_writer_that_hangs_is_left_behind_after_the_timeout(count):
    response = threading.Event()

    def hang(number: int) -> None:
        response.wait()

    disk = Disk()
    writer = BackgroundWriter(hang, disk.close, "cannot record to a.mp4", capacity=2, timeout=0.1)
    writer.start()
    for number in range(count):
        writer.put(number)
    with pytest.raises(UserError, match="the disk or the encoder does not respond"):
        writer.finish()
    assert disk.closed == []
    response.set()

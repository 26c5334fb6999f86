"""The thread that reads ahead."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from demo.sources.reader import FrameReader, TimedImage

IMAGE = np.zeros((1, 1, 3), np.uint8)
PATIENCE = 5.0  # seconds


def five(stopped: threading.Event) -> Iterator[TimedImage]:
    for k in range(5):
        yield IMAGE, float(k)


def taken(reader: FrameReader) -> list[float]:
    """The times of the frames up to the end."""
    times = []
    while not reader.ended:
        item = reader.take(PATIENCE)
        if item is not None:
            times.append(item[1])
    return times


def test_every_frame_comes_in_order():
    reader = FrameReader(five, capacity=1)
    reader.start()
    assert taken(reader) == [0, 1, 2, 3, 4]
    assert reader.take(0) is None
    assert reader.dropped == 0
    assert reader.stop()


def test_only_the_newest_frame_is_kept_where_that_is_wanted():
    read = threading.Event()

    def produce(stopped: threading.Event) -> Iterator[TimedImage]:
        yield from five(stopped)
        read.set()

    reader = FrameReader(produce, capacity=1, newest=True)
    reader.start()
    assert read.wait(PATIENCE)
    assert taken(reader) == [4]
    assert reader.dropped == 4


def test_waiting_for_a_frame_takes_no_longer_than_was_asked():
    def produce(stopped: threading.Event) -> Iterator[TimedImage]:
        stopped.wait()
        yield IMAGE, 0.0

    reader = FrameReader(produce, capacity=1)
    reader.start()
    start = time.monotonic()
    assert reader.take(0.05) is None
    assert not reader.ended
    assert time.monotonic() - start < 1
    assert reader.stop()
    assert reader.take(PATIENCE) is None
    assert reader.ended


def test_an_error_in_the_thread_comes_after_its_last_frame():
    def produce(stopped: threading.Event) -> Iterator[TimedImage]:
        yield IMAGE, 0.0
        raise OSError("unplugged")

    reader = FrameReader(produce, capacity=2)
    reader.start()
    assert reader.take(PATIENCE) == (IMAGE, 0.0)
    with pytest.raises(OSError, match="unplugged"):
        reader.take(PATIENCE)
    assert reader.ended
    assert reader.take(PATIENCE) is None


def test_a_thread_that_does_not_return_is_not_waited_for_and_cleans_up_later():
    hang, cleaned = threading.Event(), threading.Event()

    def produce(stopped: threading.Event) -> Iterator[TimedImage]:
        try:
            hang.wait()
            yield IMAGE, 0.0
        finally:
            cleaned.set()

    reader = FrameReader(produce, capacity=1)
    reader.start()
    assert not reader.stop(patience=0.05)
    assert not cleaned.is_set()
    hang.set()
    assert cleaned.wait(PATIENCE)
    assert reader.stop()


def test_a_reader_that_was_stopped_before_it_started_never_starts():
    reader = FrameReader(five, capacity=1)
    assert reader.stop()
    reader.start()
    assert taken(reader) == []

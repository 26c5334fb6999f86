import math
from typing import Any, Self

import numpy as np
import pytest

from demo.display import mosaic as mosaic_module
from demo.display.overlay import annotate
from demo.errors import UserError
from demo.events import Event
from demo.frames import Analysis, Faces, Frame, NoFrame, Timing
from demo.session import Session
from tests.synthetic import NO_FACES, LiveBesideFile, NoFaces


class Recorder:
    """A sink of results or of pictures that keeps everything."""

    realtime = False

    def __init__(self, wanted: bool = True) -> None:
        self.wanted, self.written, self.timings = wanted, [], []
        self.opened = self.closed = 0

    def __enter__(self) -> Self:
        self.opened += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed += 1

    def write(self, frame: Frame, faces: Faces | None = None, timing: Timing | None = None) -> None:
        self.written.append(frame)
        self.timings.append(timing)


class OneFace:
    """A pipeline that finds a confirmed face in every frame."""

    def process(self, frame: Frame) -> Analysis:
        frame.image.flags.writeable = False
        box = np.array([[1, 1, 3, 3]], np.float32)
        faces = Faces.detected(box, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))
        faces.ids[:] = 1
        return Analysis(frame, faces, box)


@pytest.mark.parametrize("count", [1, 3])
def test_sinks_get_clean_frames_and_picture_sinks_the_overlay(count):
    sink, picture = Recorder(), Recorder()
    inputs = [(LiveBesideFile(live=False), OneFace()) for _ in range(count)]
    Session(inputs, sinks=[sink], pictures=[picture]).run()
    assert len(sink.written) == 30 * count
    assert not any(frame.image.any() for frame in sink.written)
    assert len(picture.written) == 30
    assert all(frame.image.any() for frame in picture.written)


def test_nothing_is_drawn_where_no_picture_is_wanted(monkeypatch):
    def annotate(*given: object) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr(mosaic_module, "annotate", annotate)
    sink, asleep = Recorder(), Recorder(wanted=False)
    inputs = [(LiveBesideFile(live=False), OneFace())]
    result = Session(inputs, sinks=[sink], pictures=[asleep]).run()
    assert result.frames == len(sink.written) == 30
    assert asleep.written == []


def test_every_picture_sink_gets_the_same_picture_once():
    sinks = [Recorder(), Recorder(), Recorder(wanted=False)]
    Session([(LiveBesideFile(live=False), OneFace())], pictures=sinks).run()
    first, second, asleep = (sink.written for sink in sinks)
    assert [a is b for a, b in zip(first, second, strict=True)] == [True] * 30
    assert asleep == []
    assert [sink.closed for sink in sinks] == [1, 1, 1]


def test_processing_time_is_measured_for_files_and_latency_for_live_sources_too():
    class Camera(LiveBesideFile):
        def watch(self, patience: float = 1.0):
            for frame in super().watch(patience):
                if isinstance(frame, NoFrame):
                    return
                yield Frame(frame.image, frame.index, frame.time, frame.source, captured=0.0)

    file_sink, live_sink = Recorder(), Recorder()
    Session([(LiveBesideFile(live=False), NoFaces())], sinks=[file_sink]).run()
    Session([(Camera(live=True), NoFaces())], sinks=[live_sink]).run()
    assert all(0 <= timing.processing_ms < 1000 for timing in file_sink.timings)
    assert all(math.isnan(timing.latency_ms) for timing in file_sink.timings)
    assert live_sink.timings[0].latency_ms > 1000  # since the start of this machine's clock


def test_progress_is_called_for_each_frame_and_a_limit_ends_the_run():
    calls: list[None] = []
    session = Session([(LiveBesideFile(live=False), NoFaces())], max_frames=7)
    assert session.run(lambda: calls.append(None)).frames == len(calls) == 7


def test_ctrl_c_anywhere_ends_the_run_and_closes_everything():
    def interrupt() -> None:
        raise KeyboardInterrupt

    for pipeline, progress in ((NoFaces(lambda frame: interrupt()), None), (NoFaces(), interrupt)):
        sink = Recorder()
        result = Session([(LiveBesideFile(live=False), pipeline)], sinks=[sink]).run(progress)
        assert result.interrupted
        assert sink.closed == 1


def test_ctrl_c_while_a_picture_is_drawn_leaves_all_outputs_at_the_same_frame(monkeypatch):
    original, drawn = annotate, []

    def interrupted(*given: Any) -> np.ndarray:
        drawn.append(given)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr("demo.display.mosaic.annotate", interrupted)
    sink, picture = Recorder(), Recorder()
    inputs = [(LiveBesideFile(live=False), NoFaces())]
    result = Session(inputs, sinks=[sink], pictures=[picture]).run()
    assert result.interrupted
    assert result.frames == len(sink.written) == len(picture.written) == 4


def test_an_interrupt_while_sinks_are_written_waits_until_all_have_the_frame():
    class Interrupted(Recorder):
        def write(self, *given: Any) -> None:
            super().write(*given)
            if len(self.written) == 5:
                deferred.append(session.defer_interrupt())
                deferred.append(session.defer_interrupt())  # a second one is not deferred

    deferred: list[bool] = []
    first, second, picture = Interrupted(), Recorder(), Recorder()
    inputs = [(LiveBesideFile(live=False), NoFaces())]
    session = Session(inputs, sinks=[first, second], pictures=[picture])
    assert not session.defer_interrupt()
    assert session.run().interrupted
    assert deferred == [True, False]
    assert [len(sink.written) for sink in (first, second, picture)] == [5, 5, 5]


def test_an_iteration_that_is_left_closes_everything_and_ctrl_c_reaches_its_loop():
    sink = Recorder()
    session = Session([(LiveBesideFile(live=False), NoFaces())], sinks=[sink])
    analyses = iter(session)
    assert next(analyses).faces is NO_FACES
    analyses.close()
    assert (sink.opened, sink.closed) == (1, 1)

    def interrupt(frame: Frame) -> None:
        raise KeyboardInterrupt

    session = Session([(LiveBesideFile(live=False), NoFaces(interrupt))], sinks=[sink])
    with pytest.raises(KeyboardInterrupt):
        list(session)
    assert sink.closed == 2


class Failing(LiveBesideFile):
    """A file that ends before its end."""

    def watch(self, patience: float = 1.0):
        yield next(super().watch(patience))
        yield Event("failed", "file ends early", self.name, 0.1)


def test_a_source_that_ends_early_is_an_event_and_a_failure_of_the_run():
    events: list[Event] = []
    result = Session([(Failing(live=False), NoFaces())], notify=events.append).run()
    assert (result.frames, result.failures) == (1, ["file ends early"])
    assert [event.kind for event in events] == ["failed"]


def test_a_sink_that_fails_ends_the_run_and_the_others_are_closed():
    class Full(Recorder):
        def write(self, *given: object) -> None:
            raise UserError("disk full")

    sinks = [Recorder(), Full()]
    session = Session([(LiveBesideFile(live=False), NoFaces())], sinks=sinks)
    with pytest.raises(UserError, match="disk full"):
        session.run()
    assert [sink.closed for sink in sinks] == [1, 1]
    assert not session.defer_interrupt()

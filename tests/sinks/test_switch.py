import av
import pytest

from demo.sinks.switch import SwitchedRecorder
from demo.sinks.video import VideoRecorder
from tests.sinks.test_video import picture


def test_the_time_for_which_a_recording_was_off_is_cut_out(tmp_path):
    path = tmp_path / "a.mp4"
    with SwitchedRecorder(VideoRecorder(path, 10.0)) as recorder:
        for index in range(30):
            recorder.on = not 10 <= index < 20
            assert recorder.wanted == recorder.on
            if recorder.wanted:
                recorder.write(picture(index))
        assert (recorder.path, recorder.written) == (path, True)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([k / 10 for k in range(20)], abs=1e-3)


def test_a_recording_that_is_off_from_the_start_has_no_file(tmp_path):
    path = tmp_path / "a.mp4"
    with SwitchedRecorder(VideoRecorder(path, 10.0)) as recorder:
        recorder.on = False
        assert not recorder.wanted
    assert not path.exists()

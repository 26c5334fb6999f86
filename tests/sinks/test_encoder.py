from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from demo import arguments
from demo.errors import UserError
from demo.sinks import hardware as module
from demo.sinks.encoder import PIXELS, STEPS, TIME_BASE, Encoding, Picture, Setting, opened, x264
from demo.sinks.hardware import BITS, ENCODERS, HARDWARE, check, choose, works

PICTURE = Picture(64, 48, Fraction(10), Colorspace.ITU601)
NOISE = np.random.default_rng(0).integers(0, 255, (9, 72, 64), np.uint8)


def encoded(setting: Setting) -> list[av.Packet]:
    encoder = opened(setting, PICTURE)
    packets: list[av.Packet] = []
    for k, planes in enumerate(NOISE):
        frame = av.VideoFrame.from_ndarray(planes, format=PIXELS)
        frame.time_base, frame.pts = TIME_BASE, 9000 * k
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (1920, 1080)])
@pytest.mark.parametrize("quality", list(STEPS))
def test_all_steps_of_a_quality_have_the_same_header(quality, size):
    picture = PICTURE._replace(width=size[0], height=size[1])
    assert len({bytes(opened(step, picture).extradata) for step in STEPS[quality]}) == 1


def test_x264_holds_no_frame_back_for_later_ones():
    assert [packet.dts for packet in encoded(STEPS["normal"][0])] == [9000 * k for k in range(9)]


def test_a_higher_quality_makes_larger_files():
    sizes = [sum(p.size for p in encoded(STEPS[q][0])) for q in ("small", "normal", "high")]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.8 * sizes[2]


def test_the_arguments_offer_every_encoder_and_quality():
    actions = {action.dest: action for action in arguments.parser()._actions}
    assert actions["encoder"].choices == ["auto", *ENCODERS]
    assert actions["quality"].choices == [*STEPS] == [*BITS]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (x264("superfast", 22), True),
        (Setting("libx264", {"bf": "0"}, 0.3), True),
        (x264("ultrafast", 51), False),  # grey blocks
        (Setting("libx264", {"bf": "2", "preset": "fast"}, 0.3), False),  # another order
        (Setting("mpeg4"), False),
        (Setting("h264_of_tomorrow"), False),
    ],
)
def test_an_encoder_works_if_a_trial_comes_back_as_it_was(monkeypatch, setting, expected):
    monkeypatch.setattr(module, "LOAD", 100.0)  # whatever else this machine does
    assert works(setting, PICTURE._replace(width=320, height=240)) is expected


def test_an_encoder_that_is_too_slow_does_not_work(monkeypatch):
    monkeypatch.setattr(module, "LOAD", 0.0)
    assert not works(x264("superfast", 22), PICTURE)


def test_auto_takes_the_first_encoder_of_the_hardware_that_works(monkeypatch):
    tried: list[str] = []

    def only_amf(setting: Setting, picture: Picture) -> bool:
        tried.append(setting.codec)
        return setting.codec == "h264_amf"

    monkeypatch.setattr(module, "works", only_amf)
    (setting,) = choose(Encoding(quality="small"), PICTURE)
    assert (setting.codec, setting.bits) == ("h264_amf", 0.08)
    assert tried == ["h264_nvenc", "h264_qsv", "h264_amf"]
    tried.clear()
    assert choose(Encoding("x264"), PICTURE) == STEPS["normal"]
    assert choose(Encoding("qsv"), PICTURE)[0].codec == "h264_qsv"
    assert not tried


def test_where_no_hardware_encodes_auto_is_x264(monkeypatch):
    monkeypatch.setattr(module, "works", lambda setting, picture: False)
    assert choose(Encoding(quality="high"), PICTURE) == STEPS["high"]
    for name in HARDWARE:
        with pytest.raises(UserError, match=f"--encoder {name}: .*remove it, or choose x264"):
            check(Encoding(name))


@pytest.mark.parametrize(
    ("encoding", "complaint"),
    [
        (Encoding("theora"), "--encoder theora: choose auto, x264, nvenc"),
        (Encoding(quality="best"), "--quality best: choose small, normal, high"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(encoding, complaint):
    with pytest.raises(UserError, match=complaint):
        check(encoding)

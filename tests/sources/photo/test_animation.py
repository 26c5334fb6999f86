from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from demo.errors import UserError
from demo.sources.open import open_source
from demo.sources.photo import animation
from demo.sources.photo.source import PhotoSource
from tests.sources.fakes import frames_and_events

DURATIONS = [100, 200, 300, 40]  # ms
NAMES = ["a.webp", "a.png", "a.avif"]


def save(path, alpha: int | None = None) -> None:
    frames = [Image.new("RGB", (64, 48), (60 * k, 0, 0)) for k in range(4)]
    if alpha is not None:
        for frame in frames:
            frame.putalpha(alpha)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=DURATIONS, lossless=True)


@pytest.mark.parametrize("name", NAMES)
def test_an_animated_picture_is_a_video(tmp_path, name):
    save(tmp_path / name)
    with open_source(str(tmp_path / name)) as source:
        frames, events = frames_and_events(source)
    assert not events
    assert (source.photos, source.live, source.path) == (False, False, tmp_path / name)
    assert (source.count, source.fps) == (4, 10.0)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert np.allclose([frame.time for frame in frames], [0.0, 0.1, 0.3, 0.6])
    for k, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        assert np.abs(frame.image - np.array([0, 0, 60 * k])).max() <= 4
        assert frame.source == str(tmp_path / name)


def test_transparent_frames_are_on_white(tmp_path):
    save(tmp_path / "a.webp", alpha=0)
    with open_source(str(tmp_path / "a.webp")) as source:
        assert all((frame.image == 255).all() for frame in source)


def test_a_frame_that_states_no_duration_lasts_as_long_as_in_browsers(tmp_path):
    frames = [Image.new("RGB", (8, 8), (60 * k, 0, 0)) for k in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=0)
    with open_source(str(tmp_path / "a.webp")) as source:
        times = [Fraction(frame.time).limit_denominator(1000) for frame in source]
    assert times == [0, Fraction(1, 10), Fraction(1, 5)]


def test_a_still_picture_is_a_photo(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp")
    with open_source(str(tmp_path / "a.webp")) as source:
        assert isinstance(source, PhotoSource)


def test_in_a_folder_of_photos_the_first_frame_is_taken_and_this_is_said(tmp_path):
    for name in NAMES:
        save(tmp_path / name)
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    with open_source(str(tmp_path)) as source:
        frames, (event,) = frames_and_events(source)
    assert len(frames) == 4
    assert event.kind == "info"
    assert event.text == f"3 animated pictures in {tmp_path}: only the first frame is taken"


def test_an_animation_that_breaks_off_says_so(tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)) for _ in range(5)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with open_source(str(tmp_path / "a.png")) as source:
        read, (event,) = frames_and_events(source)
    assert 1 <= len(read) < 5
    assert event.kind == "failed"
    assert event.text.startswith(f"{tmp_path}/a.png ends early after frame {len(read) - 1}: ")
    assert "\n" not in event.text


def test_frames_that_are_too_large_are_refused(tmp_path, monkeypatch):
    save(tmp_path / "a.webp")
    monkeypatch.setattr(animation, "MAX_VIDEO_PIXELS", 1000)
    with pytest.raises(UserError, match=r"a\.webp has more than .* pixels per frame"):
        open_source(str(tmp_path / "a.webp"))


def test_an_animation_can_be_closed_before_its_end(tmp_path):
    save(tmp_path / "a.webp")
    source = open_source(str(tmp_path / "a.webp"))
    assert next(iter(source)).index == 0
    source.close()
    source.close()
    assert not list(source)

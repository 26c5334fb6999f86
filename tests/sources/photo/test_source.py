import io
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from demo.errors import UserError
from demo.sources.open import open_source
from demo.sources.photo.files import Limits, decode_photo, is_photo, read_photo
from demo.sources.photo.source import PhotoSource
from tests.sources.fakes import frames_and_events


def test_a_folder_gives_its_photos_by_name_and_skips_broken_ones(astronaut, tmp_path):
    for name in ("b.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), astronaut)
    (tmp_path / "c.jpg").write_text("no picture")
    (tmp_path / "notes.txt").write_text("ignored")
    with open_source(str(tmp_path)) as source:
        frames, (event,) = frames_and_events(source)
    assert isinstance(source, PhotoSource)
    assert source.path == tmp_path
    assert [Path(f.source).name for f in frames] == ["a.jpg", "b.png"]
    assert source.count == 3
    assert (event.kind, event.source) == ("failed", str(tmp_path))
    assert event.text.startswith(f"skipped 1 of 3 photos: {tmp_path}/c.jpg is not a picture")


def test_a_photo_is_one_frame(astronaut, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), astronaut)
    with open_source(str(path)) as source:
        (frame,), events = frames_and_events(source)
    assert (frame.image == astronaut).all()
    assert frame.source == str(path)
    assert source.path == path
    assert not events


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("me.jfif", ".jpg"),
        ("me.JPE", ".jpg"),
        ("me.avif", ".avif"),
        ("me", ".jpg"),
        ("me.2024", ".png"),
        ("me.jpg!d", ".webp"),
    ],
)
def test_a_photo_is_known_by_its_content_where_its_suffix_is_unknown(
    astronaut, tmp_path, name, kind
):
    (tmp_path / name).write_bytes(cv2.imencode(kind, astronaut)[1].tobytes())
    with open_source(str(tmp_path / name)) as source:
        (frame,) = source
    assert source.photos
    assert np.abs(frame.image.astype(int) - astronaut).mean() < 5


def test_pictures_of_unsupported_formats_are_counted(astronaut, tmp_path):
    for name in ("a.jpg", "b.jfif"):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", astronaut)[1].tobytes())
    for name in ("._a.jpg", ".DS_Store", "c.HEIC", "d.heic", "e.dng", "notes.txt"):
        (tmp_path / name).write_bytes(b"of another kind")
    with open_source(str(tmp_path)) as source:
        frames, (event,) = frames_and_events(source)
    assert [Path(frame.source).name for frame in frames] == ["a.jpg", "b.jfif"]
    assert event.kind == "failed"
    assert event.text == (
        f"skipped 3 pictures of unsupported formats in {tmp_path} (.dng, .heic): convert them to "
        "JPEG"
    )
    with pytest.raises(UserError, match=r"c.HEIC: pictures of this format are not supported"):
        open_source(str(tmp_path / "c.HEIC"))


def test_a_folder_without_photos_and_a_broken_photo_are_refused(tmp_path):
    with pytest.raises(UserError, match="no photos in"):
        open_source(str(tmp_path))
    broken = tmp_path / "x.jpg"
    broken.write_text("no picture")
    with pytest.raises(UserError, match="not a picture"), open_source(str(broken)) as source:
        list(source)


def test_a_photo_is_read_from_python_by_path_or_name(astronaut, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), astronaut)
    assert (read_photo(path) == astronaut).all()
    assert (read_photo(str(path)) == astronaut).all()


def test_the_pixel_limit_that_a_program_sets_in_pillow_is_kept_and_not_applied(
    astronaut, tmp_path, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), astronaut)
    threads = [threading.Thread(target=read_photo, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_photo(path).shape == astronaut.shape
    assert not is_photo(tmp_path)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_a_photo_has_the_same_pixels_from_a_file_and_from_its_bytes(astronaut, tmp_path, suffix):
    path = tmp_path / f"face{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.fromarray(np.ascontiguousarray(astronaut[100:300, :300, ::-1]))
    photo.putalpha(200) if suffix in (".png", ".tif") else None
    photo.save(path, exif=exif)
    assert (decode_photo(path.read_bytes(), "upload") == read_photo(path)).all()


def test_an_upload_of_a_thousand_scans_is_refused_before_they_are_decoded():
    """Each scan of a progressive JPEG takes as long as all of its pixels."""
    picture = Image.new("RGB", (64, 64), "gray")
    file = io.BytesIO()
    picture.save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan = content[content.rindex(b"\xff\xda") : content.rindex(b"\xff\xd9")]
    assert decode_photo(content, "upload").shape == (64, 64, 3)
    with pytest.raises(UserError, match="has more than 100 scans: save it anew"):
        decode_photo(content[:-2] + 1000 * scan + b"\xff\xd9", "upload")


def test_bytes_beyond_the_limits_are_refused_before_they_are_decoded(astronaut):
    content = cv2.imencode(".png", astronaut)[1].tobytes()
    with pytest.raises(UserError, match="upload has 512x512 pixels, more than 0 million"):
        decode_photo(content, "upload", Limits(pixels=512 * 511))
    with pytest.raises(UserError, match="upload has more than 0 MB"):
        decode_photo(content, "upload", Limits(size=len(content) - 1))
    with pytest.raises(UserError, match="upload is not a picture that can be read"):
        decode_photo(content, "upload", Limits(formats=("JPEG",)))

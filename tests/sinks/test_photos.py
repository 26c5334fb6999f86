import pytest

from demo.arguments import options, parser
from demo.errors import UserError
from demo.frames import Frame
from demo.sinks.photos import PhotoRecorder


def test_a_single_photo_can_be_given_a_name(tmp_path, astronaut):
    photo = Frame(astronaut, 0, 0.0, str(tmp_path / "face.png"))
    with PhotoRecorder(tmp_path / "annotated.jpg", single=True) as recorder:
        recorder.write(photo)
    assert (tmp_path / "annotated.jpg").stat().st_size > 10_000


def test_photos_are_written_under_their_names_but_never_over_the_originals(tmp_path, astronaut):
    original = tmp_path / "face.png"
    original.write_bytes(b"the original")
    photo = Frame(astronaut, 0, 0.0, str(original))
    with PhotoRecorder(tmp_path / "out" / "deep", single=True) as recorder:
        recorder.write(photo)
    assert (tmp_path / "out" / "deep" / "face.png").stat().st_size > 100_000
    with (
        pytest.raises(UserError, match="overwrite"),
        PhotoRecorder(tmp_path, single=True) as recorder,
    ):
        recorder.write(photo)
    assert original.read_bytes() == b"the original"


@pytest.mark.parametrize("name", ["x.mp4", "x.jpg"])
def test_a_file_name_for_a_folder_of_photos_is_refused_at_once(tmp_path, name):
    with pytest.raises(UserError, match=f"into a folder: -o {tmp_path}/x$"):
        PhotoRecorder(tmp_path / name, single=False)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_place_of_which_there_is_a_file_is_refused_at_once(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match=r"cannot record into the folder .*out: File exists"):
        PhotoRecorder(tmp_path / "out", single=False)


def test_a_photo_was_written_after_the_first_one(tmp_path, astronaut):
    with PhotoRecorder(tmp_path / "out", single=False) as recorder:
        assert not recorder.written
        recorder.write(Frame(astronaut, 0, 0.0, "a.png"))
        assert recorder.written


@pytest.mark.parametrize("name", ["a.gif", "a.HEIC", "a.pdf", "a.jxl", "a.jgp"])
def test_a_kind_of_file_that_nobody_writes_is_refused_at_once(tmp_path, name):
    with pytest.raises(UserError) as error:
        PhotoRecorder(tmp_path / name, single=True)
    assert str(error.value) == (
        f"cannot write {tmp_path}/{name}: the name must end in .avif, .bmp, .jfif, .jpe, .jpeg, "
        ".jpg, .png, .tif, .tiff, .webp for a photo, or in / for a folder"
    )
    with pytest.raises(UserError, match=f"{name}: the name must end in / for a folder$"):
        PhotoRecorder(tmp_path / name, single=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["trip.2024", "st.petersburg", "old.jpg", "out"])
def test_a_folder_may_have_any_name_that_it_has_already(tmp_path, astronaut, name):
    (tmp_path / name).mkdir()
    with PhotoRecorder(tmp_path / name, single=True) as recorder:
        recorder.write(Frame(astronaut, 0, 0.0, "a.png"))
    assert [path.name for path in (tmp_path / name).iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("text", "folder"), [("a.gif/", True), ("a.gif", False), ("trip.2024", True)]
)
def test_a_name_that_ends_in_a_slash_is_a_folder(tmp_path, astronaut, text, folder):
    chosen = options(parser().parse_args(["-s", "a.png", "-o", f"{tmp_path}/{text}"]))
    assert chosen.output is not None
    if not folder:
        with pytest.raises(UserError):
            PhotoRecorder(chosen.output, True, chosen.output_folder)
        return
    with PhotoRecorder(chosen.output, True, chosen.output_folder) as recorder:
        recorder.write(Frame(astronaut, 0, 0.0, "a.png"))
    assert (tmp_path / text / "a.png").is_file()

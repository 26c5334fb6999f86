import io
import os

import fsspec
import pytest

from demo.archive.sources import Finder
from demo.errors import UserError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder `tree` with media and others, and the current folder above it."""
    monkeypatch.chdir(tmp_path)
    names = ["a.mp4", "B.JPG", "sub/c.mkv", "sub/d.png", "sub/deep/e.webm"]
    names += [".f.mp4", ".hidden/g.mp4", "notes.txt", "sub/h.heic", "out/records/i.mp4"]
    for name in names:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "tree"


def found(tree, *sources: str) -> list[str]:
    finder = Finder(tree / "out")
    for source in sources:
        finder.add(source)
    return [item.name for item in finder.items]


def test_a_folder_gives_its_photos_and_videos_and_counts_the_rest(tree):
    finder = Finder(tree / "out")
    finder.add("tree")
    names = ["tree/B.JPG", "tree/a.mp4", "tree/sub/c.mkv", "tree/sub/d.png", "tree/sub/deep/e.webm"]
    assert [item.name for item in finder.items] == names
    assert [item.photo for item in finder.items] == [True, False, False, True, False]
    assert finder.skipped == {"hidden": 2, "no media": 1, ".heic: convert to JPEG": 1}
    assert finder.items[1].path == str(tree.resolve() / "a.mp4")


def test_a_file_is_found_once_however_often_it_is_named(tree):
    (tree / "link.mp4").symlink_to(tree / "a.mp4")
    names = ("tree/a.mp4", str(tree / "a.mp4"), "tree/link.mp4", (tree / "a.mp4").as_uri())
    assert found(tree, *names) == ["tree/a.mp4"]


def test_a_pattern_gives_what_fits(tree):
    assert found(tree, "tree/*.mp4") == ["tree/a.mp4"]
    deep = ["tree/sub/c.mkv", "tree/sub/deep/e.webm"]
    assert found(tree, "tree/**/*.mkv", "tree/**/*.webm") == deep
    assert found(tree, "tree/sub/d*") == ["tree/sub/d.png", "tree/sub/deep/e.webm"]


def test_a_file_by_itself_may_have_any_name(tree, astronaut, clip):
    from demo.images import save_image

    (tree / "film").write_bytes(clip.read_bytes())
    save_image(tree / "picture.jpg", astronaut)
    (tree / "picture.jpg").rename(tree / "picture")
    finder = Finder(tree / "out")
    finder.add("tree/film")
    finder.add("tree/picture")
    assert [(item.name, item.photo) for item in finder.items] == [
        ("tree/film", False),
        ("tree/picture", True),
    ]


def test_an_animated_picture_by_itself_is_a_video_and_in_a_folder_a_photo(tmp_path):
    from PIL import Image

    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    (tmp_path / "f").mkdir()
    frames[0].save(tmp_path / "f" / "a.webp", save_all=True, append_images=frames[1:])
    kinds = []
    for source in (tmp_path / "f" / "a.webp", tmp_path / "f"):
        finder = Finder(tmp_path / "out")
        finder.add(str(source))
        kinds.append([item.photo for item in finder.items])
    assert kinds == [[False], [True]]


def test_a_list_names_sources_by_line_and_a_missing_one_fails_alone(tree, monkeypatch):
    finder = Finder(tree / "out")
    (tree / "list.txt").write_text("\ufefftree/a.mp4\n\n  tree/gone.mp4 \ntree/sub\n", "utf-8")
    finder.add_list("tree/list.txt")
    names = ["tree/a.mp4", "tree/gone.mp4", "tree/sub/c.mkv", "tree/sub/d.png"]
    assert [item.name for item in finder.items] == [*names, "tree/sub/deep/e.webm"]
    monkeypatch.setattr("sys.stdin", io.StringIO("tree/B.JPG\n"))
    finder.add_list("-")
    assert finder.items[-1].name == "tree/B.JPG"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("gone.mp4", "no such file or folder: gone.mp4"),
        ("gone*.mp4", "nothing fits the pattern gone[*].mp4"),
        ("", "a source is empty"),
        ("rtsp://me:secret@camera/1", r"cannot list rtsp://\*\*\*@camera/1: an archive takes file"),
        ("memory://nothing/here.mp4", "cannot list memory://nothing/here.mp4"),
    ],
)
def test_what_is_not_there_is_one_line(tree, source, line):
    with pytest.raises(UserError, match=line):
        found(tree, source)


def test_a_list_that_is_none_is_one_line(tree):
    (tree / "list.txt").write_bytes(b"\xff\xfe\x00")
    for name, reason in (("gone.txt", "No such file"), ("tree/list.txt", "no UTF-8 text")):
        with pytest.raises(UserError, match=reason):
            Finder(tree / "out").add_list(name)


@pytest.mark.parametrize("scheme", ["memory", "local"])
def test_addresses_give_files_with_their_names_sizes_and_versions(tree, scheme):
    root = "memory://bucket" if scheme == "memory" else f"local://{tree}"
    if scheme == "memory":
        system = fsspec.filesystem("memory")
        for name in ("a.mp4", "sub/c.mkv", "notes.txt"):
            system.pipe(f"/bucket/{name}", name.encode())
    finder = Finder(tree / "out")
    finder.add(f"{root}/sub")
    finder.add(f"{root}/a.mp4")
    finder.add(f"{root}/*.mp4")
    place = "memory:///bucket" if scheme == "memory" else f"file://{tree}"
    items = {item.path.removeprefix(f"{place}/"): item for item in finder.items}
    assert {"a.mp4", "sub/c.mkv"} <= items.keys()
    assert items["a.mp4"].size == 5
    assert items["a.mp4"].version
    assert all(item.remote for item in finder.items)
    assert len(finder.items) == (2 if scheme == "memory" else 4)


def test_a_link_that_leads_nowhere_is_counted(tree):
    os.symlink("nowhere", tree / "sub" / "lost.mp4")
    finder = Finder(tree / "out")
    finder.add("tree/sub")
    assert finder.skipped["vanished"] == 1

from dataclasses import replace

import pytest

from demo.archive.jobs import BUNDLE, Item, Job, make_jobs


def item(name: str, size: int = 5, photo: bool = False, version: str = "1") -> Item:
    return Item(name, f"/x/{name}", size, version, photo)


def test_each_video_is_a_job_and_the_largest_comes_first():
    items = [item("a.mp4", 3), item("p.jpg", 2, photo=True), item("b.mp4", 9)]
    jobs = make_jobs([*items, item("q.jpg", 2, photo=True)], "o")
    assert [job.name for job in jobs] == ["b.mp4", ". (2 photos from 1)", "a.mp4"]


def test_photos_are_bundled_by_folder_in_the_order_of_their_names():
    names = [f"{k:03}.jpg" for k in range(BUNDLE + 2)]
    photos = [item(f"{folder}/{name}", photo=True) for name in reversed(names) for folder in "ab"]
    jobs = sorted(make_jobs(photos, "o"), key=lambda job: (job.name[0], job.first))
    assert [(len(job.items), job.first) for job in jobs] == [(64, 0), (2, 64)] * 2
    assert jobs[3].name == "b (2 photos from 65)"
    assert [each.name for each in jobs[1].items] == ["a/064.jpg", "a/065.jpg"]


@pytest.mark.parametrize("change", [{"size": 6}, {"version": "2"}, {"path": "/y/a.mp4"}])
def test_another_file_has_another_key(change):
    first = Job((item("a.mp4"),), "o")
    assert Job((replace(first.items[0], **change),), "o").key != first.key


def test_another_name_of_the_same_file_has_the_same_key_and_other_options_another_one():
    first = Job((item("a.mp4"),), "o")
    named = Job((replace(first.items[0], name="./a.mp4"),), "o", replaces=("old",))
    assert named.key == first.key
    assert Job(first.items, "p").key != first.key


@pytest.mark.parametrize(
    ("path", "begin"),
    [
        ("/x/My film (1).mp4", "My_film_1_.mp4-"),
        ("/x/\udcfc日.mkv", "mkv-"),
        ("/x/日", "source-"),
        ("s3://bucket/" + "a" * 90 + ".mp4", "a" * 40 + "-"),
    ],
)
def test_a_key_is_a_file_name_everywhere(path, begin):
    key = Job((Item("n", path, 1, "1", False),), "o").key
    assert key.startswith(begin)
    assert len(key) == len(begin) + 16
    assert key.isascii()

"""Splits that never change and share no picture and no person."""

from models.datasets.splits import assign_splits, hashed_split, in_later_split, splits_with_picture


def test_a_name_has_the_same_split_on_every_machine() -> None:
    # the first 8 bytes of SHA-256, as a share of 2^64: below 0.8, below 0.9, above
    names = {"train": "Ada Cleo 000001", "val": "Bob 000005 000008", "test": "Ivy 000002 000010"}
    assert {
        split: " ".join(n for n in row.split() if hashed_split(n) == split)
        for split, row in names.items()
    } == names


def test_about_a_tenth_is_val_and_a_tenth_test() -> None:
    splits = [hashed_split(str(i)) for i in range(10_000)]
    assert [splits.count(split) for split in ("train", "val", "test")] == [8045, 948, 1007]


def test_a_subject_has_one_split() -> None:
    subjects = ["Ada", "Bob", "Ada", "Ivy", "Bob"]
    digests = ["1", "2", "3", "4", "5"]
    assert assign_splits([""] * 5, subjects, digests) == ["train", "val", "train", "test", "val"]


def test_subjects_with_the_same_picture_share_a_split() -> None:
    # Bob's second picture is Ivy's, Ivy's second is Zoe's: all have the split of the first by name
    subjects = ["Bob", "Bob", "Ivy", "Ivy", "Zoe"]
    assert assign_splits([""] * 5, subjects, ["1", "2", "2", "3", "3"]) == ["val"] * 5


def test_the_same_picture_without_a_subject_has_one_split() -> None:
    digests = ["Ivy", "Ada", "Ivy"]
    assert assign_splits([""] * 3, [""] * 3, digests) == ["test", "train", "test"]


def test_official_splits_stand_and_lose_what_a_later_one_has() -> None:
    official = ["train", "train", "test", "test", "val", "train"]
    digests = ["1", "2", "2", "3", "4", "1"]
    assert assign_splits(official, [""] * 6, digests) == [
        "train",
        "",
        "test",
        "test",
        "val",
        "train",
    ]


def test_where_the_authors_made_no_val_it_is_a_tenth_of_train() -> None:
    official = ["train", "train", "train", "train", "test", "test"]
    digests = ["Ada", "Bob", "Ivy", "Bob", "Bob", "000005"]  # hashes of train, val, test, val, …
    assert assign_splits(official, [""] * 6, digests) == ["train", "", "train", "", "test", "test"]
    digests[4] = "Zoe"
    assert assign_splits(official, [""] * 6, digests) == [
        "train",
        "val",
        "train",
        "val",
        "test",
        "test",
    ]


def test_a_picture_is_in_a_later_split_by_the_order_of_splits() -> None:
    splits = ["val", "train", "test", "train", "train", "extra"]
    digests = ["1", "1", "2", "2", "3", "3"]
    assert in_later_split(splits, digests) == [False, True, False, True, False, False]
    assert splits_with_picture(splits, digests)[3:] == [
        {"test", "train"},
        {"train", "extra"},
        {"train", "extra"},
    ]

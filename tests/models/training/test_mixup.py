import numpy as np

from models.training.mixup import MAX_SHARE, MIN_SHARE, MixedImages, with_mixup


def test_a_mixed_face_is_the_shares_of_its_two_images():
    images = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 200)])
    mixed = MixedImages(images, np.array([[0, 1], [2, 1]]), np.array([0.25, 0.5]))
    assert len(mixed) == 5
    assert [int(mixed[row].mean()) for row in range(5)] == [0, 100, 200, 25, 150]
    assert mixed[np.array([4, 0])].mean(axis=(1, 2, 3)).tolist() == [150, 0]


def test_mixed_faces_come_behind_the_faces_and_lie_between_them(faces):
    rows = np.flatnonzero(faces.splits == "train")
    chips, more = with_mixup(faces, rows, 50, seed=3)
    assert more.tolist() == [*rows, *range(40, 90)]
    assert len(chips) == len(chips.images) == 90
    for row in more[len(rows) :]:
        first, second = np.searchsorted(faces.age_low, [chips.age_low[row], chips.age_high[row]])
        genders = faces.male[[first, second]]
        same = genders[0] == genders[1]
        assert chips.male[row] == genders[0] if same else np.isnan(chips.male[row])
        brightness = chips.images[row].mean()
        ends = faces.images[first].mean(), faces.images[second].mean()
        assert ends[0] - 1 <= brightness <= ends[1] + 1
    assert set(chips.splits[more]) == {"train"}


def test_the_first_of_two_faces_weighs_more(faces):
    chips, rows = with_mixup(faces, np.arange(40), 50, seed=3)
    shares = []
    for row in rows[40:]:
        pair = np.searchsorted(faces.age_low, [chips.age_low[row], chips.age_high[row]])
        firsts = (
            faces.folds[pair] == chips.folds[row]
        )  # a mixed face is of the fold of its first face
        if firsts.all():
            continue
        first, second = (faces.images[pair[firsts == k]].mean() for k in (True, False))
        shares.append((chips.images[row].mean() - first) / (second - first))
    assert len(shares) > 30
    assert (
        MIN_SHARE - 0.03 < min(shares) <= max(shares) < MAX_SHARE + 0.03
    )  # mean pixels are rounded
    assert MAX_SHARE <= 0.5


def test_the_same_seed_mixes_the_same_faces(faces):
    one, two = (with_mixup(faces, np.arange(40), 20, seed)[0] for seed in (5, 5))
    assert one.age_low.tolist() == two.age_low.tolist()

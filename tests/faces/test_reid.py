import numpy as np

from demo.faces.reid import MotionReid

BOX = np.array([100.0, 100.0, 160.0, 180.0])


def see(reentry: MotionReid, seconds: float, **boxes: np.ndarray):
    """Measure tracks t1=box, t2=box, …; ids of people, and who came back."""
    tracks = np.array([int(name[1:]) for name in boxes], np.int64)
    ids, returned = reentry.people(tracks, np.array(list(boxes.values())).reshape(-1, 4), seconds)
    reentry.forget(tracks.tolist(), seconds)
    return ids.tolist(), returned


def test_one_who_comes_back_soon_and_near_is_the_same():
    reentry = MotionReid()
    assert see(reentry, 0.0, t1=BOX) == ([1], [])
    assert see(reentry, 1.0) == ([], [])
    assert see(reentry, 1.9, t2=BOX + 40) == ([1], [1])
    assert see(reentry, 2.0, t2=BOX + 45) == ([1], [])


def test_one_who_comes_back_late_far_off_or_in_another_size_is_someone_else():
    for later, box in ((2.1, BOX), (1.0, BOX + 90), (1.0, BOX * [1, 1, 1.3, 1.3])):
        reentry = MotionReid()
        see(reentry, 0.0, t1=BOX)
        assert see(reentry, later, t2=box) == ([2], [])


def test_two_at_once_are_two_and_the_nearest_of_the_lost_comes_back():
    reentry = MotionReid()
    assert see(reentry, 0.0, t1=BOX, t2=BOX + 30) == ([1, 2], [])
    assert see(reentry, 0.5, t3=BOX + 25) == ([2], [2])
    assert see(reentry, 0.6, t3=BOX + 25, t4=BOX) == ([2, 1], [1])


def test_an_old_track_that_is_found_after_all_is_someone_else():
    reentry = MotionReid()
    see(reentry, 0.0, t1=BOX)
    ids, _ = reentry.people(np.array([2]), BOX[None], 0.5)
    assert ids.tolist() == [1]
    reentry.forget([1, 2], 0.5)
    assert see(reentry, 0.6, t2=BOX, t1=BOX + 10) == ([1, 2], [])


def test_unconfirmed_tracks_have_no_person_and_memory_is_bounded():
    reentry = MotionReid()
    ids, _ = reentry.people(np.array([-1, -1]), np.stack([BOX, BOX + 90]), 0.0)
    assert ids.tolist() == [-1, -1]
    for second in range(20):
        see(reentry, 3.0 * second, **{f"t{second + 1}": BOX})
    assert reentry.forget([], 100.0) == set()


def test_one_who_walks_on_behind_something_comes_back_on_the_way():
    reentry = MotionReid()
    for frame in range(20):
        see(reentry, frame / 10, t1=BOX + 20 * frame * np.array([1, 0, 1, 0]))
    assert see(reentry, 2.9, t2=BOX + 20 * 29 * np.array([1, 0, 1, 0])) == ([1], [1])
    reentry = MotionReid()
    for frame in range(20):
        see(reentry, frame / 10, t1=BOX + 20 * frame * np.array([1, 0, 1, 0]))
    assert see(reentry, 2.9, t2=BOX + 20 * 9 * np.array([1, 0, 1, 0])) == ([2], [])


def test_who_was_lost_before_a_stream_changed_its_size_is_expected_where_that_is_now():
    reentry = MotionReid()
    for frame in range(5):
        see(reentry, frame / 10, t1=BOX)
    reentry.rescale(np.array([3.0, 4.0]))
    scaled = BOX * [3, 4, 3, 4]
    assert see(reentry, 0.5, t1=scaled) == ([1], [])
    assert see(reentry, 0.6, t2=scaled + 300) == ([2], [])  # nobody flew there
    assert see(reentry, 0.7, t3=scaled) == ([1], [1])

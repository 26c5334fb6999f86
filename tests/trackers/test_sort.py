"""Boxes keep their ids: geometry, the Kalman box, SORT, and SORT's published scores."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from trackers import evaluate, kalman
from trackers.boxes import iou
from trackers.kalman import KalmanBoxes, measurements
from trackers.sort import Sort

MOT15 = Path(__file__).parents[2] / "shared" / "mot15"
NO_BOXES = np.empty((0, 4), dtype=np.float32)
STILL = [100, 100, 140, 150]
ELSEWHERE = [400, 100, 440, 150]


def boxes_of(*boxes: Sequence[float]) -> np.ndarray:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def measured(sort: Sort, *boxes: Sequence[float]) -> list[int]:
    """One frame in which `boxes` are measured."""
    sort.predict()
    ids = sort.update(boxes_of(*boxes))
    assert ids.dtype == np.int64
    return [int(row_id) for row_id in ids]


# Geometry


def test_iou_is_the_hand_computed_overlap() -> None:
    boxes = boxes_of([0, 0, 10, 10])
    others = boxes_of([0, 0, 10, 10], [5, 0, 15, 10], [5, 5, 15, 15], [2, 2, 4, 4], [10, 0, 20, 9])
    np.testing.assert_allclose(iou(boxes, others), [[1.0, 50 / 150, 25 / 175, 4 / 100, 0.0]])


def test_iou_has_a_row_per_first_and_a_column_per_second_box() -> None:
    boxes = boxes_of([0, 0, 10, 10], [20, 0, 30, 10])
    others = boxes_of([20, 0, 30, 10], [0, 0, 10, 20], [50, 50, 60, 60])
    np.testing.assert_allclose(iou(boxes, others), [[0.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert iou(boxes, NO_BOXES).shape == (2, 0)
    assert iou(NO_BOXES, boxes).shape == (0, 2)


def test_a_box_without_area_overlaps_nothing() -> None:
    flat = boxes_of([5, 5, 5, 9], [8, 8, 2, 2])
    assert iou(flat, flat).tolist() == [[0, 0], [0, 0]]
    assert iou(flat, boxes_of([0, 0, 10, 10])).tolist() == [[0], [0]]


# The Kalman box


def test_kalman_matrices_are_those_of_the_paper() -> None:
    assert kalman.F.tolist() == [
        [1, 0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 0, 1],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ]
    assert kalman.H.tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
    ]
    assert np.array_equal(kalman.R, np.diag([1, 1, 10, 10]))
    assert np.array_equal(kalman.P_BIRTH, np.diag([10, 10, 10, 10, 10000, 10000, 10000]))
    assert np.array_equal(kalman.Q, np.diag([1, 1, 1, 1, 0.01, 0.01, 0.0001]))


def test_all_boxes_together_move_as_with_a_filter_of_filterpy_each() -> None:
    rng, ours, theirs = np.random.default_rng(0), KalmanBoxes(), []
    corners = rng.uniform(0, 200, (6, 2))
    boxes = np.hstack([corners, corners + rng.uniform(20, 80, (6, 2))])
    ours.add(boxes)
    for each in measurements(boxes):
        reference = KalmanFilter(dim_x=7, dim_z=4)
        reference.F, reference.H, reference.R = kalman.F, kalman.H, kalman.R
        reference.P, reference.Q = kalman.P_BIRTH, kalman.Q
        reference.x[:4] = each[:, None]
        theirs.append(reference)
    for _ in range(30):
        ours.predict()
        boxes = boxes + rng.normal(2, 3, (6, 1))
        rows = np.flatnonzero(rng.random(6) < 0.7)
        ours.update(rows, boxes[rows])
        for row, reference in enumerate(theirs):
            reference.predict()
            if row in rows:
                reference.update(measurements(boxes[row : row + 1]).T)
        np.testing.assert_allclose(ours.x, [each.x[:, 0] for each in theirs], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.P, [each.P for each in theirs], rtol=1e-9, atol=1e-9)


def one(*box: float) -> KalmanBoxes:
    """A single box."""
    boxes = KalmanBoxes()
    boxes.add(np.array([box], float))
    return boxes


def correct(boxes: KalmanBoxes, *box: float) -> None:
    """Measure the single box."""
    boxes.update(np.array([0]), np.array([box], float))


def test_a_new_kalman_box_rests_on_its_measurement() -> None:
    box = one(10, 20, 50, 100)
    assert box.x.tolist() == [[30, 60, 40 * 80, 0.5, 0, 0, 0]]
    box.predict()
    np.testing.assert_allclose(box.boxes, [[10, 20, 50, 100]])


def test_the_second_measurement_sets_the_velocity_by_hand_computed_gains() -> None:
    # Before it, var u = 10 + 10000 + Q 1, cov(u, u') = 10000, and R = 1: the gains are
    # 10011 / 10012 for u and 10000 / 10012 for u', so the next u is 20011 / 10012 steps away.
    box = one(-20, -40, 20, 40)
    box.predict()
    correct(box, -15, -40, 25, 40)
    box.predict()
    assert box.boxes[0, [0, 2]].mean() == pytest.approx(5 * 20011 / 10012, rel=1e-12)


def errors_at_constant_velocity(velocity: float, frames: int) -> list[float]:
    """What (u, u') alone must err in its predictions: the paper's filter written out for two."""
    error, F = np.array([0.0, velocity]), np.array([[1.0, 1.0], [0.0, 1.0]])
    P, Q = np.diag([10.0, 10000.0]), np.diag([1.0, 0.01])
    predicted = []
    for _ in range(frames):
        error, P = F @ error, F @ P @ F.T + Q
        predicted.append(float(error[0]))
        gain = P[:, 0] / (P[0, 0] + 1)
        error, P = error - gain * error[0], P - np.outer(gain, P[0])
    return predicted


def test_a_box_at_constant_velocity_is_predicted_accurately() -> None:
    at = [np.array([5.0 * t, 3.0 * t, 5.0 * t + 40, 3.0 * t + 80]) for t in range(40)]
    moving = one(*at[0])
    errors = []
    for box in at[1:]:
        moving.predict()
        errors.append(np.abs(moving.boxes[0] - box).max())
        correct(moving, *box)
    np.testing.assert_allclose(errors, np.abs(errors_at_constant_velocity(5, 39)), atol=1e-10)
    assert errors[0] == 5
    assert max(errors[1:]) == pytest.approx(5 * (2 - 20011 / 10012))
    assert errors[-1] < 1e-5


def test_a_shrinking_box_that_coasts_keeps_a_positive_area() -> None:
    box = one(0, 0, 100, 100)
    for side in (90, 70, 40):
        box.predict()
        correct(box, 0, 0, side, side)
    assert box.x[0, 6] < 0
    for _ in range(50):
        box.predict()
        x1, y1, x2, y2 = box.boxes[0]
        assert x2 > x1
        assert y2 > y1
    assert box.x[0, 6] == 0


# SORT: ids


def test_boxes_of_the_first_frames_have_ids_at_once_in_row_order() -> None:
    sort = Sort()
    assert measured(sort, STILL, ELSEWHERE) == [1, 2]
    assert measured(sort, STILL, ELSEWHERE) == [1, 2]


def test_a_later_box_is_unconfirmed_until_found_again_min_hits_times() -> None:
    sort = Sort(min_hits=3)
    for _ in range(3):
        measured(sort)
    assert [measured(sort, STILL) for _ in range(5)] == [[-1], [-1], [-1], [1], [1]]


def test_a_miss_makes_an_unconfirmed_box_start_its_streak_again() -> None:
    sort = Sort(min_hits=2)
    for _ in range(2):
        measured(sort)
    seen = [measured(sort, *row) for row in ([STILL], [STILL], [], [STILL], [STILL])]
    assert seen == [[-1], [-1], [], [-1], [1]]


def test_two_boxes_crossing_keep_their_ids() -> None:
    # From frame 5 to 6 each box would overlap the other's place more than its own.
    sort = Sort()
    for t in range(11):
        rightward = [10 * t, 0, 10 * t + 40, 60]
        leftward = [105 - 10 * t, 0, 145 - 10 * t, 60]
        assert measured(sort, rightward, leftward) == [1, 2]


def test_ids_follow_the_boxes_when_the_detector_shuffles_its_rows() -> None:
    sort = Sort()
    homes = boxes_of([0, 0, 40, 60], [100, 0, 140, 60], [200, 0, 240, 60], [300, 0, 340, 60])
    ids = np.array(measured(sort, *homes.tolist()))
    rng = np.random.default_rng(0)
    for t in range(1, 20):
        order = rng.permutation(4)
        moved = homes[order] + 2 * t
        assert measured(sort, *moved.tolist()) == ids[order].tolist()


def test_frames_without_measurement_keep_the_ids() -> None:
    sort = Sort(max_age=10)
    for t in range(0, 40, 5):
        assert measured(sort, [2 * t, 0, 2 * t + 40, 60]) == [1]
        for _ in range(4):
            sort.predict()
            assert sort.tracks.ids.tolist() == [1]
    assert sort.tracks.time_since_update.tolist() == [4]


def test_frames_without_measurement_do_not_end_a_streak() -> None:
    sort = Sort(max_age=10, min_hits=2)
    for _ in range(2):
        measured(sort)
    seen = []
    for _ in range(4):
        seen += measured(sort, STILL)
        sort.predict()
    assert seen == [-1, -1, 1, 1]


def test_boxes_move_on_between_measurements() -> None:
    sort = Sort(max_age=10)
    for t in range(30):
        measured(sort, [4 * t, 0, 4 * t + 40, 60])
    for t in range(30, 34):
        sort.predict()
        np.testing.assert_allclose(sort.tracks.boxes, [[4 * t, 0, 4 * t + 40, 60]], atol=1e-4)


def test_every_sort_counts_its_own_ids() -> None:
    first, second = Sort(), Sort()
    assert measured(first, STILL, ELSEWHERE) == [1, 2]
    assert measured(second, ELSEWHERE) == [1]
    assert measured(first, STILL, ELSEWHERE) == [1, 2]


def test_no_id_is_spent_on_a_box_that_is_never_confirmed() -> None:
    sort = Sort()
    for _ in range(4):
        assert measured(sort, STILL) == [1]
    for _ in range(3):
        assert measured(sort, STILL, ELSEWHERE) == [1, -1]
        assert measured(sort, STILL) == [1]
        assert measured(sort, STILL) == [1]
    newcomer = [700, 100, 740, 150]
    assert [measured(sort, STILL, newcomer)[1] for _ in range(4)] == [-1, -1, -1, 2]


# SORT: life and death


def test_a_track_found_again_within_max_age_has_its_old_id_at_once() -> None:
    sort = Sort(max_age=3)
    for _ in range(10):
        measured(sort, STILL)
    for _ in range(3):
        measured(sort)
    assert measured(sort, STILL) == [1]
    assert sort.tracks.reported.tolist() == [False]  # the paper waits for a new streak
    assert [measured(sort, STILL) and sort.tracks.reported[0] for _ in range(2)] == [False, True]


def test_a_track_dies_when_it_is_missed_in_more_than_max_age_frames() -> None:
    sort = Sort(max_age=2)
    for _ in range(5):
        measured(sort, STILL)
    ages = []
    for _ in range(3):
        measured(sort)
        ages.append(sort.tracks.time_since_update.tolist())
    assert ages == [[1], [2], []]
    assert measured(sort, STILL) == [-1]


def test_a_track_that_is_only_predicted_dies_after_its_last_chance_to_be_measured() -> None:
    sort = Sort(max_age=2)
    measured(sort, STILL)
    ages = []
    for _ in range(4):
        sort.predict()
        ages.append(sort.tracks.time_since_update.tolist())
    assert ages == [[1], [2], [3], []]


def test_a_box_that_overlaps_a_prediction_too_little_starts_a_track() -> None:
    # Shifted by 10 of 40 the IoU is 30 / 50, by 20 it is 20 / 60.
    enough, too_little = Sort(iou_threshold=0.6), Sort(iou_threshold=0.6)
    measured(enough, [0, 0, 40, 60])
    measured(too_little, [0, 0, 40, 60])
    assert measured(enough, [10, 0, 50, 60]) == [1]
    assert measured(too_little, [20, 0, 60, 60]) == [2]


def test_tracks_are_columns_of_equal_length_with_their_dtypes() -> None:
    sort = Sort()
    measured(sort, STILL, ELSEWHERE)
    tracks = sort.tracks
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.ids.dtype == tracks.time_since_update.dtype == np.int64
    assert tracks.boxes.dtype == np.float32
    assert tracks.boxes.tolist() == [STILL, ELSEWHERE]
    assert tracks.reported.tolist() == [True, True]


# SORT: what may come in


def test_zero_boxes_are_an_ordinary_value() -> None:
    sort = Sort()
    assert measured(sort) == []
    assert sort.tracks.ids.shape == (0,)
    assert sort.tracks.boxes.shape == (0, 4)
    assert measured(sort, STILL) == [1]


def test_a_box_without_area_has_no_track_and_harms_no_other() -> None:
    sort = Sort()
    for _ in range(3):
        assert measured(sort, [5, 5, 5, 90], STILL, [90, 90, 10, 10]) == [-1, 1, -1]
    assert sort.tracks.ids.tolist() == [1]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_row(wrong: float) -> None:
    with pytest.raises(ValueError, match="row 1 is not finite"):
        Sort().update(boxes_of(STILL, [0, 0, wrong, 10]))


def test_an_array_that_is_not_rows_of_four_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, 4\) xyxy, not \(4,\)"):
        Sort().update(np.array(STILL))


@pytest.mark.parametrize(
    "setting", [{"max_age": -1}, {"min_hits": -1}, {"iou_threshold": 0}, {"iou_threshold": 1.1}]
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Sort(**setting)  # type: ignore[arg-type]


# Scores


def test_mota_is_the_hand_computed_share_of_errors() -> None:
    # Five true boxes; frame 2 has a wrong box for the right one, frame 4 the right one renamed:
    # one miss, one false alarm, one switch leave 1 - 3 / 5.
    pytest.importorskip("trackeval")
    frames = np.arange(1, 6)
    boxes = np.tile(np.array(STILL, dtype=float), (5, 1))
    truth = evaluate.Observations(frames, np.full(5, 9), boxes)
    tracked_boxes = boxes.copy()
    tracked_boxes[1] = ELSEWHERE
    tracked = evaluate.Observations(frames, np.array([4, 4, 4, 6, 6]), tracked_boxes)
    scores = evaluate.clear_scores(truth, tracked)
    assert scores.mota == pytest.approx(40)
    assert scores.id_switches == 1


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "id_switches", "kept_mota"),
    [("TUD-Campus", 6, 62.7), ("TUD-Stadtmitte", 10, 72.3), ("Venice-2", 57, 18.1)],
)
def test_sort_scores_the_published_mota(name: str, id_switches: int, kept_mota: float) -> None:
    if not MOT15.is_dir():
        pytest.skip(f"{MOT15} is not there")
    pytest.importorskip("trackeval")
    reported, kept = evaluate.evaluate(MOT15 / name)
    assert reported.mota == pytest.approx(evaluate.PUBLISHED[name], abs=0.1)
    assert reported.id_switches == id_switches
    assert kept.mota == pytest.approx(kept_mota, abs=0.1)


def test_the_command_names_the_file_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"cannot read {tmp_path / 'TUD-Campus' / 'gt.txt'}: No such")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("1,1,100,100,40,50,1\n2,1,x,100,40,50,1\n", "could not convert string 'x' to float64"),
        ("1,1,100\n", "invalid column index 3"),
        ("", "no rows"),
    ],
)
def test_the_command_names_the_file_that_is_garbled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, complaint: str
) -> None:
    (tmp_path / "TUD-Campus").mkdir()
    (tmp_path / "TUD-Campus" / "gt.txt").write_text(rows)
    assert evaluate.main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cannot read {tmp_path / 'TUD-Campus' / 'gt.txt'}: {complaint}")


def test_the_command_says_in_one_line_that_trackeval_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in evaluate.PUBLISHED:
        (tmp_path / name).mkdir()
        for file in ("det.txt", "gt.txt"):
            (tmp_path / name / file).write_text("1,1,100,100,40,50,1,-1,-1,-1\n")
    monkeypatch.setitem(sys.modules, "trackeval", None)
    monkeypatch.delitem(sys.modules, "trackeval.metrics", raising=False)
    assert evaluate.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == "trackeval is missing: pip install trackeval\n"


def test_tracks_continue_in_frames_of_another_size():
    sort, box = Sort(), np.array([[40, 30, 60, 60]], np.float64)
    for k in range(3):
        sort.predict()
        ids = sort.update(box + 2 * k)
    sort.rescale(np.array([2.0, 3.0]))
    sort.predict()
    expected = sort.tracks.boxes[0]
    assert expected == pytest.approx(np.array([46, 36, 66, 66]) * [2, 3, 2, 3], abs=3)
    assert sort.update((box + 6) * [2, 3, 2, 3]).tolist() == ids.tolist()


def test_clear_deletes_all_tracks_and_ids_continue():
    sort, box = Sort(min_hits=0), np.array([[40, 30, 60, 60]], np.float64)
    sort.predict()
    assert sort.update(box).tolist() == [1]
    sort.clear()
    sort.predict()
    assert sort.update(box).tolist() == [2]

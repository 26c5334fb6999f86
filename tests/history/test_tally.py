import math

import pytest

from demo.history.schema import MINUTE_COLUMNS, VISIT_COLUMNS
from demo.history.tally import Minute, Tally, Visit, age_band
from demo.sinks.presence import AWAY_SECONDS, MAX_FRAME_SECONDS
from tests.history.made import NOON, ranged, sighting
from tests.sinks.sessions import faces

NOBODY = faces()
ANNA, BEN = (1, 34.56, 0.11111), (2, 61.0, 0.9)


def record(row: Visit | Minute) -> dict:
    """A row by its columns, without zeros."""
    columns = VISIT_COLUMNS if isinstance(row, Visit) else MINUTE_COLUMNS
    values = dict(zip(columns, row.row, strict=True))
    return {name: value for name, value in values.items() if value != 0}


def test_a_visit_has_its_times_its_seconds_in_view_and_the_last_known_estimates():
    tally = Tally(7)
    tally.add(sighting(0.0, NOBODY))
    tally.add(sighting(0.5, ranged((1, math.nan, math.nan))))
    tally.add(sighting(1.0, ranged(ANNA)))
    tally.add(sighting(1.5, ranged((1, math.nan, math.nan))))
    tally.add(sighting(2.0, NOBODY))
    (visit,), (minute,) = tally.take_all()
    assert record(visit) == {
        "id": 7,
        "source": "0",
        "first_seen": NOON + 0.5,
        "last_seen": NOON + 1.5,
        "seconds": 1.5,
        "frames": 3,
        "age": 34.6,
        "age_low": 24.6,
        "age_high": 44.6,
        "male": 0.1111,
        "gender": "female",
    }
    assert record(minute) == {
        "minute": NOON,
        "source": "0",
        "frames": 5,
        "busiest": 1,
        "people": 1,
        "female": 1,
        "female_30": 1,
    }


def test_faces_without_an_id_are_left_out():
    tally = Tally(1)
    tally.add(sighting(0.0, ranged((-1, 20, 0.2))))
    visits, (minute,) = tally.take_all()
    assert visits == []
    assert record(minute) == {"minute": NOON, "source": "0", "frames": 1}


def test_a_minute_counts_each_person_once_by_gender_and_band():
    tally = Tally(1)
    for k in range(40):
        people = [ANNA, BEN, (3, 8.0, 0.4), (4, 120.0, 0.6), (5, math.nan, math.nan)]
        tally.add(sighting(k / 10, ranged(*people[k % 2 :])))
    _, (minute,) = tally.take_all()
    assert record(minute) == {
        **{"minute": NOON, "source": "0", "frames": 40, "busiest": 5, "people": 5},
        **{"female": 2, "male": 2, "unknown": 1},
        **{"female_0": 1, "female_30": 1, "male_60": 1, "male_90": 1},
    }


def test_a_person_in_two_minutes_is_in_both_and_one_visit():
    tally = Tally(1)
    for k in range(20):
        tally.add(sighting(k / 2, ranged(ANNA), wall=NOON + 55, dropped=k))
    visits, minutes = tally.take_all()
    assert [visit.frames for visit in visits] == [20]
    assert visits[0].seconds == 10.0
    rows = [(m.start, m.frames, m.dropped, len(m.visits)) for m in minutes]
    assert rows == [(NOON, 10, 9, 1), (NOON + 60, 10, 10, 1)]


def test_equal_ids_of_two_sources_are_two_visits_and_two_minutes():
    tally = Tally(1)
    for k in range(10):
        for source in "ab":
            tally.add(sighting(k / 10, ranged(ANNA), source, dropped=3))
    visits, minutes = tally.take_all()
    assert [(visit.id, visit.source) for visit in visits] == [(1, "a"), (2, "b")]
    assert [(minute.source, minute.frames, minute.dropped) for minute in minutes] == [
        ("a", 10, 3),
        ("b", 10, 3),
    ]


def test_a_stalled_source_adds_no_time_in_view():
    tally = Tally(1)
    for seconds in (0.0, 0.1, 50.0):
        tally.add(sighting(seconds, ranged(ANNA)))
    (visit,), _ = tally.take_all()  # the last frame counts as the one before it
    assert visit.seconds == pytest.approx(0.1 + 2 * MAX_FRAME_SECONDS)


def test_a_visit_is_due_a_second_after_the_person_left_and_again_after_a_return():
    tally = Tally(1)
    tally.add(sighting(0.0, ranged(ANNA, BEN)))
    tally.add(sighting(0.9, ranged(ANNA)))
    assert tally.take(1000.99, NOON + 0.99)[0] == []
    assert [visit.age for visit in tally.take(1001.0, NOON + 1)[0]] == [61.0]
    assert tally.take(1001.0, NOON + 1)[0] == []
    tally.add(sighting(1.1, ranged(ANNA, BEN)))
    assert {visit.id: visit.frames for visit in tally.take_all()[0]} == {1: 3, 2: 2}


def test_who_stays_is_due_each_minute():
    tally = Tally(1)
    due = []
    for k in range(1300):
        tally.add(sighting(k / 10, ranged(ANNA)))
        due += [k / 10 for _ in tally.take(1000 + k / 10, NOON + k / 10)[0]]
    assert due == [60.0, 120.0]


def test_who_was_away_for_long_is_another_visit():
    tally = Tally(1)
    tally.add(sighting(0.0, ranged(ANNA)))
    assert len(tally.take(1000 + AWAY_SECONDS, NOON + AWAY_SECONDS)[0]) == 1
    tally.add(sighting(AWAY_SECONDS + 1, ranged(ANNA)))
    (visit,), _ = tally.take_all()
    assert (visit.id, visit.first_seen) == (2, NOON + AWAY_SECONDS + 1)


def test_a_minute_is_due_soon_after_its_end_although_no_frame_follows():
    tally = Tally(1)
    tally.add(sighting(10.0, ranged(ANNA)))
    assert tally.take(1061.9, NOON + 61.9)[1] == []
    assert [minute.start for minute in tally.take(1062.0, NOON + 62.0)[1]] == [NOON]
    assert tally.take_all()[1] == []


def test_a_clock_that_is_set_back_ends_no_visit_before_it_began():
    tally = Tally(1)
    tally.add(sighting(0.0, ranged(ANNA)))
    tally.add(sighting(0.5, ranged(ANNA), wall=NOON - 3600))
    (visit,), minutes = tally.take_all()
    assert (visit.first_seen, visit.last_seen, visit.seconds) == (NOON, NOON, 1.0)
    assert [minute.start for minute in minutes] == [NOON, NOON - 3600]


def test_memory_does_not_grow_with_the_people_of_the_past():
    tally = Tally(1)
    for k in range(500):
        tally.add(sighting(10.0 * k, ranged((k + 1, 30, 0.2))))
        tally.take(1000 + 10.0 * k, NOON + 10.0 * k)
    (view,) = tally._views.values()
    assert len(view.visits) <= AWAY_SECONDS / 10
    assert not tally._gone
    assert not tally._minutes


@pytest.mark.parametrize(("age", "band"), [(-3, 0), (0, 0), (9.99, 0), (10, 1), (99, 9), (130, 9)])
def test_the_last_band_has_no_upper_end(age, band):
    assert age_band(age) == band

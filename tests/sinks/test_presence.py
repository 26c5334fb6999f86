from collections.abc import Iterable

import pytest

from demo.sinks.presence import MAX_FRAME_SECONDS, MAX_SPANS, Presence
from demo.sinks.timeline import MAX_PIECES
from tests.sinks.sessions import faces, frames_of


def presence_of(rows: Iterable[tuple], **options: int) -> Presence:
    """What rows of (seconds, faces[, source]) amount to."""
    presence = Presence(**options)
    for frame, found in frames_of(rows):
        presence.add(frame, found)
    presence.finish()
    return presence


def people_in(presence: Presence) -> list[int]:
    """People of known age by gender: female, male, unknown."""
    ages = presence.ages().record()
    return [sum(ages[gender]) for gender in ("female", "male", "unknown")]


def test_a_stalled_source_adds_no_time_in_view():
    rows = [(0.0, faces((1, 20, 0.2))), (0.1, faces((1, 20, 0.2))), (60.0, faces())]
    assert presence_of(rows).people[0].seconds == pytest.approx(0.1 + MAX_FRAME_SECONDS)


def test_equal_ids_of_two_sources_are_two_people_in_view_at_once():
    rows = [(k / 10, faces((1, 20, 0.2)), source) for k in range(10) for source in "ab"]
    presence = presence_of(rows)
    assert [(p.source, round(p.seconds, 6)) for p in presence.people] == [("a", 1.0), ("b", 1.0)]
    assert presence.timeline.means(presence.duration) == [2.0]
    assert presence.timeline.most.tolist() == [2]


def test_a_source_that_has_ended_is_not_in_view_any_more():
    rows = [(0.0, faces((1, 20, 0.2)), "short")]
    rows += [(k / 10, faces((1, 50, 0.9)), "long") for k in range(50)]
    assert presence_of(rows).timeline.most.tolist() == [2, 1, 1, 1, 1]


def test_every_face_of_a_photo_is_another_person():
    presence = Presence()
    for _ in range(2):
        presence.add_photo(faces((1, 8, 0.9), (1, 33, 0.1), (-1, float("nan"), float("nan"))))
    assert (presence.count, people_in(presence)) == (6, [2, 2, 0])


def test_memory_does_not_grow_with_people_or_time():
    presence = presence_of(
        ((60.0 * k, faces((k + 1, 25, 0.9))) for k in range(5000)), max_people=20
    )
    assert len(presence.people) == 20
    assert presence.count == 5000
    assert people_in(presence)[1] == 5000
    assert len(presence.timeline.most) <= MAX_PIECES
    assert sum(map(len, (p.spans for p in presence.people))) < 100


def test_of_more_people_than_are_kept_the_ones_longest_in_view_stay():
    rows = [(k / 10, faces((1 + (k % 30 if k < 60 else k % 25), 25, 0.9))) for k in range(110)]
    presence = presence_of(rows, max_people=20)  # 30 people for 0.2 s, 25 of them for 0.2 s more
    assert len(presence.people) == 20
    assert {round(person.seconds, 1) for person in presence.people} == {0.4}
    assert presence.count == people_in(presence)[1] == 30


def test_times_that_a_damaged_file_makes_up_take_no_memory():
    times = (-5.0, 0.0, 1e15, 2.0, 1e15)
    presence = presence_of((seconds, faces((1, 20, 0.2))) for seconds in times)
    assert len(presence.timeline.most) <= MAX_PIECES


def test_one_who_comes_and_goes_keeps_few_spans():
    presence = presence_of((k, faces((1, 20, 0.2)) if k % 5 == 0 else faces()) for k in range(1000))
    assert len(presence.people[0].spans) == MAX_SPANS
    assert presence.people[0].spans[-1][1] == 996


def test_age_and_gender_are_the_last_known():
    unknown = float("nan")
    rows = [
        (0.0, faces((1, 20, 0.9))),
        (0.1, faces((1, 22, unknown))),
        (0.2, faces((1, unknown, 0.4))),
    ]
    (person,) = presence_of(rows).people
    assert (person.age, person.male, person.gender) == (22, 0.4, "female")

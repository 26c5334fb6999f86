import pytest

from demo.sinks.words import clock, named, person_text, some


def test_times_are_read_as_on_a_clock():
    assert [clock(s) for s in (0, 59.9, 61, 3600, 36_062)] == [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "10:01:02",
    ]


def test_one_is_singular_and_none_is_no():
    assert [some(n, "face") for n in (0, 1, 2)] == ["no faces", "1 face", "2 faces"]
    assert [named(n, "person") for n in (0, 1, 2)] == ["people", "person", "people"]


@pytest.mark.parametrize(
    ("gender", "age", "text"),
    [
        ("female", 33.6, "female, 34"),
        ("male", None, "male"),
        ("unknown", 5.0, "5"),
        ("unknown", None, "unknown"),
    ],
)
def test_a_person_is_what_is_known(gender, age, text):
    assert person_text({"gender": gender, "age": age}) == text

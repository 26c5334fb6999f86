"""Words and classes that the summary's text, its record and its page share."""

from typing import Any

GENDERS = ("female", "male", "unknown")
AGE_BAR_YEARS = 10  # width of a bar of the age histogram
AGE_BARS = 10  # the last one has no upper end


def clock(seconds: float) -> str:
    """ "1:02:03", or "2:03" within the first hour."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def some(number: int, thing: str) -> str:
    """ "3 faces", "1 face", "no people"."""
    return f"{number or 'no'} {named(number, thing)}"


def named(number: int, thing: str) -> str:
    """The noun for a number of things: "face" for 1, "faces" for any other number."""
    return thing if number == 1 else {"person": "people"}.get(thing, f"{thing}s")


def person_text(person: dict[str, Any]) -> str:
    """Gender and age of a person's record: "female, 34", or the part that is known, or
    "unknown"."""
    age = "" if person["age"] is None else f"{person['age']:.0f}"
    gender = "" if person["gender"] == "unknown" else person["gender"]
    return ", ".join(filter(None, (gender, age))) or "unknown"

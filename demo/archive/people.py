"""The people of a video, a row each, from its frames."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.frames import Faces, Frame
from demo.records import rounded
from demo.sinks.presence import MAX_FRAME_SECONDS, gender_of


@dataclass(eq=False)
class SeenPerson:
    """One id."""

    first: float  # seconds of the source, as all times
    last: float
    seconds: float = 0.0  # in view
    frames: int = 0
    age: float = math.nan  # the last known values
    age_low: float = math.nan
    age_high: float = math.nan
    male: float = math.nan

    def see(self, time: float, estimates: list[float]) -> None:
        """Count a frame at a time, with age, ends of its range, and probability of male."""
        self.last, self.frames = time, self.frames + 1
        age, low, high, male = estimates
        if math.isfinite(age):
            self.age, self.age_low, self.age_high = age, low, high
        self.male = male if math.isfinite(male) else self.male

    def row(self, source: str, number: int) -> list[Any]:
        """The values of PEOPLE."""
        male = rounded(self.male, 4)
        return [
            *(source, number, round(self.first, 4), round(self.last, 4), round(self.seconds, 3)),
            *(self.frames, rounded(self.age, 2), rounded(self.age_low, 1)),
            *(rounded(self.age_high, 1), male, gender_of(male)),
        ]


def estimates_of(faces: Faces) -> Iterator[tuple[int, list[float]]]:
    """The id of each person in a frame, with age, ends of its range, and probability of male."""
    columns = (faces.ages, faces.age_low, faces.age_high, faces.male_probs)
    rows = zip(faces.ids.tolist(), *(column.tolist() for column in columns), strict=True)
    return ((number, estimates) for number, *estimates in rows if number >= 1)


class People:
    """The people of a video."""

    def __init__(self) -> None:
        self._people: dict[int, SeenPerson] = {}
        self._seen: list[SeenPerson] = []  # in the last frame
        self._time = self._length = 0.0  # of the last frame; of the one before it
        self._source = ""

    def __len__(self) -> int:
        return len(self._people)

    def add(self, frame: Frame, faces: Faces) -> None:
        """Count a frame. Faces without an id are left out."""
        self._length = min(max(frame.time - self._time, 0.0), MAX_FRAME_SECONDS)
        self._count_last_frame()
        self._time, self._source, self._seen = frame.time, frame.source, []
        for number, estimates in estimates_of(faces):
            person = self._people.setdefault(number, SeenPerson(frame.time, frame.time))
            person.see(frame.time, estimates)
            self._seen.append(person)

    def rows(self) -> list[list[Any]]:
        """The people with the columns PEOPLE, after the last frame."""
        self._count_last_frame()
        self._seen = []
        return [person.row(self._source, k) for k, person in sorted(self._people.items())]

    def _count_last_frame(self) -> None:
        for person in self._seen:
            person.seconds += self._length

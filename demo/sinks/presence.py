"""The people of a session and their time in view, in memory that does not grow with it."""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from demo.frames import Faces, Frame
from demo.sinks.histograms import AgeHistogram
from demo.sinks.timeline import Timeline

MAX_FRAME_SECONDS = 1.0  # a frame counts for at most that long, however late the next one comes
MAX_GAP_SECONDS = 2.0  # a person who is back sooner was in view all the time
MAX_SPANS = 50  # per person; then the last one grows
MAX_PEOPLE = 1000  # kept one by one
AWAY_SECONDS = 60.0  # after that a person is not expected back


def gender_of(male: float | None) -> str:
    """One of GENDERS, from a probability of male."""
    return "unknown" if male is None else "male" if male >= 0.5 else "female"


@dataclass
class Person:
    """One id of one source."""

    id: int
    source: str
    first: float  # seconds of the source
    last: float
    seconds: float = 0.0  # in view
    age: float | None = None  # years, the last known
    male: float | None = None  # probability of male, the last known
    spans: list[list[float]] = field(default_factory=list)  # [from, to] in view, seconds

    @property
    def gender(self) -> str:
        """One of GENDERS."""
        return gender_of(self.male)

    def see(self, start: float, end: float) -> None:
        """Count a frame that was in view from `start` to `end` seconds."""
        self.seconds += end - start
        self.last = end
        full = len(self.spans) >= MAX_SPANS
        if self.spans and (start - self.spans[-1][1] < MAX_GAP_SECONDS or full):
            self.spans[-1][1] = end
        else:
            self.spans.append([start, end])

    def record(self) -> dict[str, Any]:
        """The person, as in the summary's JSON."""
        return {
            "id": self.id,
            "source": self.source,
            "gender": self.gender,
            "male": None if self.male is None else round(self.male, 4),
            "age": None if self.age is None else round(self.age, 2),
            "seconds": round(self.seconds, 3),
            "spans": [[round(start, 3), round(end, 3)] for start, end in self.spans],
        }


class _LastFrame(NamedTuple):
    """The newest frame of a source; only the next frame shows how long it was in view."""

    time: float  # seconds
    length: float  # seconds, of the frame before it
    people: list[Person]


class Presence:
    """Counts people and their time in view. The people longest in view are kept one by one; others
    are reduced to counts once they are gone."""

    def __init__(self, max_people: int = MAX_PEOPLE) -> None:
        """Keep `max_people` one by one, for a while up to twice as many."""
        self.duration = 0.0  # seconds of the source, up to the end of the last frame
        self.timeline = Timeline()
        self._max_people = max_people
        self._people: dict[tuple[str, int], Person] = {}  # by source and id
        self._gone = 0  # people who are only counted
        self._gone_ages = AgeHistogram()
        self._last_frames: dict[str, _LastFrame] = {}  # by source

    def add(self, frame: Frame, faces: Faces) -> None:
        """Count a frame of a video or live source. Faces without an id are left out."""
        length = self._count_last_frame(frame.source, frame.time)
        people = []
        rows = zip(faces.ids.tolist(), faces.ages, faces.male_probs, strict=True)
        for number, age, male in rows:
            if number >= 1:
                new = Person(number, frame.source, frame.time, frame.time)
                person = self._people.setdefault((frame.source, number), new)
                person.age = person.age if _known(age) is None else float(age)
                person.male = person.male if _known(male) is None else float(male)
                people.append(person)
        self._last_frames[frame.source] = _LastFrame(frame.time, length, people)
        if len(self._people) >= 2 * self._max_people:
            self._drop_people(frame.time)

    def add_photo(self, faces: Faces) -> None:
        """Count the faces of a photo, each as another person."""
        for age, male in zip(faces.ages, faces.male_probs, strict=True):
            self._gone += 1
            self._gone_ages.add(gender_of(_known(male)), _known(age))

    def finish(self) -> None:
        """Count the last frame of each source, for as long as the frame before it."""
        for source, last in list(self._last_frames.items()):
            self._count_last_frame(source, last.time + last.length)
        self._last_frames.clear()
        self._drop_people(math.inf)

    @property
    def people(self) -> list[Person]:
        """The people kept one by one, in the order of their first frames."""
        return sorted(self._people.values(), key=lambda person: (person.first, person.id))

    @property
    def count(self) -> int:
        """Number of people who were in view."""
        return len(self._people) + self._gone

    def seconds(self, people: Iterable[tuple[str, int]]) -> dict[tuple[str, int], float]:
        """Seconds in view of the people, by source and id, that are kept one by one."""
        return {key: self._people[key].seconds for key in people if key in self._people}

    def ages(self) -> AgeHistogram:
        """The ages of all people."""
        ages = deepcopy(self._gone_ages)
        for person in self._people.values():
            ages.add(person.gender, person.age)
        return ages

    def _count_last_frame(self, source: str, now: float) -> float:
        """Count the last frame of a source, which was in view until `now`; return its length in
        seconds."""
        if source not in self._last_frames:
            return 0.0
        start, _, people = self._last_frames[source]
        length = min(max(now - start, 0.0), MAX_FRAME_SECONDS)
        for person in people:
            person.see(start, start + length)
        at_once = (
            len(last.people)
            for last in self._last_frames.values()
            if abs(last.time - start) < MAX_FRAME_SECONDS
        )
        self.timeline.add(start, start + length, len(people), sum(at_once))
        self.duration = max(self.duration, start + length)
        return length

    def _drop_people(self, now: float) -> None:
        """Reduce people long gone to counts, except those longest in view."""
        gone = [key for key, p in self._people.items() if p.last < now - AWAY_SECONDS]
        gone.sort(key=lambda key: self._people[key].seconds)
        for key in gone[: max(len(self._people) - self._max_people, 0)]:
            person = self._people.pop(key)
            self._gone += 1
            self._gone_ages.add(person.gender, person.age)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

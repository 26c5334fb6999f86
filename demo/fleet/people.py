"""The people of a camera, each in the hour in which that person came."""

from dataclasses import dataclass
from typing import Any

from demo.archive.people import SeenPerson, estimates_of
from demo.frames import Faces
from demo.sinks.presence import AWAY_SECONDS, MAX_FRAME_SECONDS


@dataclass(eq=False, kw_only=True)
class _Person(SeenPerson):
    """One id of a camera's process."""

    id: int
    hour: str  # in which the first frame was
    first_wall: float  # seconds since 1970, UTC
    last_wall: float

    def fleet_row(self, source: str, part: int) -> list[Any]:
        """The values of FLEET_PEOPLE."""
        walls = (round(self.first_wall * 1e3), round(self.last_wall * 1e3))
        return [*self.row(source, self.id), *walls, part]


class HourPeople:
    """People by the hour in which they came. An hour is forgotten once it is over and all of its
    people left, so that memory does not grow with the run."""

    def __init__(self) -> None:
        self.count = 0  # people since the beginning
        self._hours: dict[str, dict[int, _Person]] = {}
        self._changed: set[str] = set()
        self._seen: list[_Person] = []  # in the last frame
        self._known: dict[int, _Person] = {}  # all of `_hours`
        self._time = 0.0  # of the last frame

    @property
    def changed(self) -> bool:
        """Whether `take` would give rows."""
        return bool(self._changed)

    @property
    def in_view(self) -> int:
        """Number of people in the last frame."""
        return len(self._seen)

    def add(self, faces: Faces, time: float, wall: float, hour: str) -> None:
        """Count a frame, at a time of the source and of the clock. Faces without an id are left
        out."""
        length = min(max(time - self._time, 0.0), MAX_FRAME_SECONDS)
        for person in self._seen:
            person.seconds += length
            self._changed.add(person.hour)
        self._time = time
        self._seen = [
            self._see(number, estimates, (time, wall, hour))
            for number, estimates in estimates_of(faces)
        ]

    def take(self, hour: str, source: str, part: int) -> dict[str, list[list[Any]]]:
        """All rows of each hour that changed since the last call; `hour` is now."""
        rows = {
            each: [p.fleet_row(source, part) for p in self._hours[each].values()]
            for each in sorted(self._changed)
        }
        self._changed.clear()
        for each, people in list(self._hours.items()):
            gone = all(self._time - person.last > AWAY_SECONDS for person in people.values())
            if each < hour and gone:
                for number in self._hours.pop(each):
                    del self._known[number]
        return rows

    def _see(self, number: int, estimates: list[float], times: tuple[float, float, str]) -> _Person:
        """Count the frame for a person."""
        time, wall, hour = times
        person = self._known.get(number)
        if person is None:
            person = _Person(
                id=number, hour=hour, first=time, last=time, first_wall=wall, last_wall=wall
            )
            self._known[number] = self._hours.setdefault(hour, {})[number] = person
            self.count += 1
        person.see(time, estimates)
        person.last_wall = max(person.last_wall, wall)  # the system's clock may be set back
        self._changed.add(person.hour)
        return person

"""People who come back: one who was lost for a short time keeps the id, by place and time alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RETURN_SECONDS = 2.0  # for which a lost person is remembered
NEAR = 1.0  # face heights off the way that one would have gone who was lost
SMOOTH = 0.2  # weight of the newest frame in a person's speed
ALIKE = 1.5  # greatest ratio of the two heights


@dataclass(slots=True)
class _Seen:
    centre: np.ndarray  # (2,) pixels
    height: float  # pixels
    time: float  # seconds
    speed: np.ndarray  # (2,) pixels a second

    def again(self, box: np.ndarray, seconds: float) -> "_Seen":
        """The same person in a later frame."""
        new = _Seen.at(box, seconds)
        now = (new.centre - self.centre) / max(seconds - self.time, 1e-3)
        new.speed = self.speed + SMOOTH * (now - self.speed)
        return new

    @classmethod
    def at(cls, box: np.ndarray, seconds: float) -> "_Seen":
        """A person seen for the first time."""
        return cls((box[:2] + box[2:]) / 2, float(box[3] - box[1]), seconds, np.zeros(2))

    def distance(self, other: "_Seen") -> float:
        """Pixels from a later place to the way from here at this speed."""
        way = self.speed * (other.time - self.time)
        length = float(way @ way)
        share = (other.centre - self.centre) @ way / length if length > 0 else 0.0
        return float(np.linalg.norm(other.centre - self.centre - way * min(max(share, 0.0), 1.0)))


class MotionReid:
    """Give tracks the ids of people: a new track near the place where a person was lost less than
    RETURN_SECONDS ago is that person, where no other track is."""

    def __init__(self) -> None:
        self._person_of: dict[int, int] = {}  # track -> person
        self._seen: dict[int, _Seen] = {}  # person -> where and when
        self._last_id = 0

    def people(
        self, tracks: np.ndarray, boxes: np.ndarray, seconds: float
    ) -> tuple[np.ndarray, list[int]]:
        """Ids (N,), from 1, of the people in tracks (N,) with boxes (N, 4) measured at a time, and
        the ids of those who came back with a new track. Unconfirmed tracks (-1) stay so."""
        ids, returned = tracks.copy(), []
        here: set[int] = set()
        confirmed = np.flatnonzero(tracks >= 1)
        old_first = sorted(confirmed, key=lambda row: int(tracks[row]) not in self._person_of)
        for row in old_first:
            person = self._person_of.get(int(tracks[row]))
            if person in here:  # one who came back as another track, whose first one is found again
                person = None
            elif person is None:
                person = self._lost_near(boxes[row], seconds, here)
                returned += [] if person is None else [person]
            if person is None:
                self._last_id = person = self._last_id + 1
            self._person_of[int(tracks[row])] = ids[row] = person
            here.add(person)
        for row in confirmed:
            person, box = int(ids[row]), boxes[row]
            before = None if person in returned else self._seen.get(person)
            now = before.again(box, seconds) if before else _Seen.at(box, seconds)
            self._seen[person] = now
        return ids, returned

    def rescale(self, factor: np.ndarray) -> None:
        """Go on in frames of another size, `factor` (2,) times as wide and high."""
        for seen in self._seen.values():
            seen.centre, seen.speed = seen.centre * factor, seen.speed * factor
            seen.height *= factor[1]

    def forget(self, living: Iterable[int], seconds: float) -> set[int]:
        """Drop who is lost for too long and has no living track; the ids of the others."""
        living = set(living)
        self._seen = {
            person: seen
            for person, seen in self._seen.items()
            if seconds - seen.time <= RETURN_SECONDS
            or any(self._person_of.get(track) == person for track in living)
        }
        self._person_of = {
            track: person
            for track, person in self._person_of.items()
            if track in living and person in self._seen
        }
        return set(self._seen)

    def _lost_near(self, box: np.ndarray, seconds: float, here: set[int]) -> int | None:
        """The person who was lost on a way that leads nearest to this box."""
        new, best, least = _Seen.at(box, seconds), None, NEAR
        for person, seen in self._seen.items():
            small, large = sorted((new.height, seen.height))
            if person in here or seconds - seen.time > RETURN_SECONDS or large > ALIKE * small:
                continue
            distance = seen.distance(new) / large
            if distance <= least:
                best, least = person, distance
        return best

"""Re-identification by motion: a person who reappears soon near the predicted path keeps the id."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RETURN_SECONDS = 2.0  # within which a lost person can return
MAX_DISTANCE = 1.0  # from the predicted path, in face heights
SPEED_WEIGHT = 0.2  # of the newest frame in the running mean of the speed
MAX_HEIGHT_RATIO = 1.5


@dataclass(slots=True)
class _Seen:
    centre: np.ndarray  # (2,) pixels
    height: float  # pixels
    time: float  # seconds
    speed: np.ndarray  # (2,) pixels a second

    def again(self, box: np.ndarray, seconds: float) -> "_Seen":
        """The same person in a later frame, with an updated speed."""
        new = _Seen.at(box, seconds)
        now = (new.centre - self.centre) / max(seconds - self.time, 1e-3)
        new.speed = self.speed + SPEED_WEIGHT * (now - self.speed)
        return new

    @classmethod
    def at(cls, box: np.ndarray, seconds: float) -> "_Seen":
        """A person at rest, seen for the first time."""
        return cls((box[:2] + box[2:]) / 2, float(box[3] - box[1]), seconds, np.zeros(2))

    def distance(self, other: "_Seen") -> float:
        """Pixels from a later position to the path predicted from here at constant speed."""
        way = self.speed * (other.time - self.time)
        length = float(way @ way)
        share = (other.centre - self.centre) @ way / length if length > 0 else 0.0
        return float(np.linalg.norm(other.centre - self.centre - way * min(max(share, 0.0), 1.0)))


class MotionReid:
    """Maps tracks to people. A new track within MAX_DISTANCE of the path of a person who was lost
    less than RETURN_SECONDS ago, and has no other track, is that person."""

    def __init__(self) -> None:
        self._person_of: dict[int, int] = {}  # track -> person
        self._seen: dict[int, _Seen] = {}  # person -> where and when
        self._last_id = 0

    def people(
        self, tracks: np.ndarray, boxes: np.ndarray, seconds: float
    ) -> tuple[np.ndarray, list[int]]:
        """Ids (N,), from 1, of the people in tracks (N,) with boxes (N, 4) at this time, and the
        ids of those who returned with a new track. Unconfirmed tracks keep -1."""
        ids, returned = tracks.copy(), []
        here: set[int] = set()
        confirmed = np.flatnonzero(tracks >= 1)
        old_first = sorted(confirmed, key=lambda row: int(tracks[row]) not in self._person_of)
        for row in old_first:
            person = self._person_of.get(int(tracks[row]))
            if person in here:  # returned as another track, and the first track is found again
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
        """Scale everything to frames of another size, `factor` (2,) times as wide and high."""
        for seen in self._seen.values():
            seen.centre, seen.speed = seen.centre * factor, seen.speed * factor
            seen.height *= factor[1]

    def end_shot(self, living: Iterable[int]) -> None:
        """Let nobody return who has no living track: after a cut, somebody else is there."""
        living = set(living)
        self._person_of = {t: person for t, person in self._person_of.items() if t in living}
        here = set(self._person_of.values())
        self._seen = {person: seen for person, seen in self._seen.items() if person in here}

    def forget(self, living: Iterable[int], seconds: float) -> set[int]:
        """Drop people who can no longer return and have no living track; returns the other ids."""
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
        """The lost person whose predicted path comes nearest to this box, if near enough."""
        new, best, least = _Seen.at(box, seconds), None, MAX_DISTANCE
        for person, seen in self._seen.items():
            small, large = sorted((new.height, seen.height))
            if (
                person in here
                or seconds - seen.time > RETURN_SECONDS
                or large > MAX_HEIGHT_RATIO * small
            ):
                continue
            distance = seen.distance(new) / large
            if distance <= least:
                best, least = person, distance
        return best

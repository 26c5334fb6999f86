"""People who come back: one who was lost for a short time keeps the id, by place and time alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RETURN_SECONDS = 2.0  # for which a lost person is remembered
NEAR = 1.0  # face heights between the places where one was lost and came back
ALIKE = 1.5  # greatest ratio of the two heights


@dataclass(slots=True)
class _Seen:
    box: np.ndarray  # (4,) xyxy, pixels
    time: float  # seconds


class Reentry:
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
            self._seen[int(ids[row])] = _Seen(boxes[row], seconds)
        return ids, returned

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
        """The nearest person who was lost where this box is."""
        best, least = None, NEAR
        for person, seen in self._seen.items():
            height, before = box[3] - box[1], seen.box[3] - seen.box[1]
            ratio = max(height, before) / max(min(height, before), 1e-3)
            if person in here or seconds - seen.time > RETURN_SECONDS or ratio > ALIKE:
                continue
            moved = (box[:2] + box[2:] - seen.box[:2] - seen.box[2:]) / 2
            distance = float(np.hypot(*moved) / max(height, before))
            if distance <= least:
                best, least = person, distance
        return best

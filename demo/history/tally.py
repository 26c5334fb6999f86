"""Visits and minutes of a run, from what was seen in each frame."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from demo.frames import Faces
from demo.history.schema import BANDS
from demo.records import rounded
from demo.sinks.presence import AWAY_SECONDS, MAX_FRAME_SECONDS, gender_of
from demo.sinks.words import AGE_BAR_YEARS, AGE_BARS, GENDERS

MINUTE = 60  # seconds
GRACE_SECONDS = 2.0  # after the end of a minute, within which a frame of it may still come
IN_VIEW_SECONDS = 1.0  # who was seen so recently is in view


class Sighting(NamedTuple):
    """The faces of a frame, and when they were seen."""

    source: str
    time: float  # seconds of the source
    moment: float  # by time.monotonic(): its capture; of a frame of a file, when it was read
    since_1970: float  # seconds from 1970, UTC, to moment 0
    dropped: int  # frames of the source that were dropped so far
    faces: Faces


@dataclass(eq=False)
class Visit:
    """A person in view of a source, from the first to the last frame."""

    id: int
    source: str
    first_seen: float  # seconds since 1970, UTC
    last_seen: float
    moment: float  # by time.monotonic(): when the person was seen last
    saved: float  # by time.monotonic(): when the visit was saved last, at first its beginning
    changed: bool = True  # since it was saved
    seconds: float = 0.0  # in view
    frames: int = 0
    age: float | None = None  # years, the last known
    age_low: float | None = None  # years: the 90 % range
    age_high: float | None = None
    male: float | None = None  # probability of male, the last known

    @property
    def gender(self) -> str:
        """One of GENDERS."""
        return gender_of(self.male)

    @property
    def row(self) -> tuple[Any, ...]:
        """The values of VISIT_COLUMNS."""
        estimates = (rounded(v, 1) for v in (self.age, self.age_low, self.age_high))
        return (
            *(self.id, self.source, round(self.first_seen, 3), round(self.last_seen, 3)),
            *(round(self.seconds, 3), self.frames, *estimates, rounded(self.male, 4), self.gender),
        )


@dataclass
class Minute:
    """A minute of a source."""

    start: int  # seconds since 1970, UTC; a multiple of MINUTE
    source: str
    frames: int = 0
    dropped: int = 0
    busiest: int = 0  # the most people at once
    visits: set[Visit] = field(default_factory=set)  # of the people who were in view

    @property
    def row(self) -> tuple[Any, ...]:
        """The values of MINUTE_COLUMNS."""
        genders, bands = dict.fromkeys(GENDERS, 0), dict.fromkeys(BANDS, 0)
        for visit in self.visits:
            genders[visit.gender] += 1
            if visit.age is not None:
                bands[f"{visit.gender}_{AGE_BAR_YEARS * age_band(visit.age)}"] += 1
        counts = (self.frames, self.dropped, self.busiest, len(self.visits))
        return (self.start, self.source, *counts, *genders.values(), *bands.values())


@dataclass
class _View:
    """What a source shows now."""

    visits: dict[int, Visit] = field(default_factory=dict)  # by the person's id
    seen: list[Visit] = field(default_factory=list)  # in the last frame
    time: float = 0.0  # of the last frame, seconds of the source
    length: float = 0.0  # seconds, of the frame before it
    dropped: int = 0
    minute: Minute | None = None


class Tally:
    """Counts visits and minutes of several sources. Memory grows with the people in view only."""

    def __init__(self, next_id: int) -> None:
        """`next_id`: of the first visit."""
        self._next_id = next_id
        self._views: dict[str, _View] = {}  # by source
        self._minutes: list[Minute] = []  # complete ones
        self._gone: list[Visit] = []  # ended, and not saved yet

    def add(self, sighting: Sighting) -> None:
        """Count a frame. Faces without an id are left out."""
        view = self._views.setdefault(sighting.source, _View(time=sighting.time))
        view.length = min(max(sighting.time - view.time, 0.0), MAX_FRAME_SECONDS)
        _count_last_frame(view)
        view.time = sighting.time
        faces = sighting.faces
        rows = zip(
            *(faces.ids.tolist(), faces.ages.tolist(), faces.age_low.tolist()),
            *(faces.age_high.tolist(), faces.male_probs.tolist()),
            strict=True,
        )
        view.seen = [
            self._see(view, sighting, number, estimates)
            for number, *estimates in rows
            if number >= 1
        ]
        self._count_minute(view, sighting)

    def take(self, moment: float, wall: float) -> tuple[list[Visit], list[Minute]]:
        """Visits and minutes that shall be saved now, at a time.monotonic() and a time.time():
        complete minutes, people who left, and each minute those in view."""
        for view in self._views.values():
            if view.minute and wall >= view.minute.start + MINUTE + GRACE_SECONDS:
                self._end_minute(view)
            for number, visit in list(view.visits.items()):
                if moment - visit.moment >= AWAY_SECONDS:
                    self._gone.append(view.visits.pop(number))
        due = [visit for visit in self._gone if visit.changed]
        due += [
            visit
            for view in self._views.values()
            for visit in view.visits.values()
            if visit.changed
            and (moment - visit.moment >= IN_VIEW_SECONDS or moment - visit.saved >= MINUTE)
        ]
        return self._taken(due, moment)

    def take_all(self) -> tuple[list[Visit], list[Minute]]:
        """All that was not saved yet, at the end of the run."""
        for view in self._views.values():
            _count_last_frame(view)
            self._end_minute(view)
            self._gone += view.visits.values()
        self._views.clear()
        return self._taken([visit for visit in self._gone if visit.changed], math.inf)

    def _taken(self, due: list[Visit], moment: float) -> tuple[list[Visit], list[Minute]]:
        for visit in due:
            visit.changed, visit.saved = False, moment
        minutes, self._minutes, self._gone = self._minutes, [], []
        return due, minutes

    def _see(self, view: _View, sighting: Sighting, number: int, estimates: list[float]) -> Visit:
        """Count the frame for a person."""
        wall = sighting.moment + sighting.since_1970
        visit = view.visits.get(number)
        if visit is None:
            moment = sighting.moment
            visit = Visit(self._next_id, sighting.source, wall, wall, moment, moment)
            view.visits[number] = visit
            self._next_id += 1
        visit.last_seen = max(visit.last_seen, wall)  # the system's clock may be set back
        visit.moment, visit.changed = sighting.moment, True
        visit.frames += 1
        age, low, high, male = estimates
        if math.isfinite(age):
            visit.age, visit.age_low, visit.age_high = age, low, high
        if math.isfinite(male):
            visit.male = male
        return visit

    def _count_minute(self, view: _View, sighting: Sighting) -> None:
        start = int((sighting.moment + sighting.since_1970) // MINUTE) * MINUTE
        if view.minute and view.minute.start != start:
            self._end_minute(view)
        minute = view.minute = view.minute or Minute(start, sighting.source)
        minute.frames += 1
        minute.dropped += sighting.dropped - view.dropped
        view.dropped = sighting.dropped
        minute.busiest = max(minute.busiest, len(view.seen))
        minute.visits.update(view.seen)

    def _end_minute(self, view: _View) -> None:
        if view.minute:
            self._minutes.append(view.minute)
            view.minute = None


def age_band(age: float) -> int:
    """Index of the age band, from 0; the last one has no upper end."""
    return min(max(int(age // AGE_BAR_YEARS), 0), AGE_BARS - 1)


def _count_last_frame(view: _View) -> None:
    """Count the last frame of a source, for `view.length` seconds."""
    for visit in view.seen:
        visit.seconds += view.length
        visit.changed = True

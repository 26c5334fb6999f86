"""What a session saw: people, time in view, ages and genders, busiest moments, delays."""

import json
import math
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from demo.errors import UserError
from demo.frames import Faces, Frame
from demo.sinks.presence import Person, Timeline
from demo.sinks.video import check_writable

SUFFIXES = {".json", ".html"}
STALL_SECONDS = 1.0  # a frame counts for no longer, however long the next one takes
MOST_PEOPLE = 1000  # listed, those longest in view; the others are counted, from twice as many on
AWAY_SECONDS = 60.0  # after that a person is not expected back
NAMED = 5  # people on the screen
AGES = 10  # years, of a histogram's bar
BARS = 10  # the last one has no upper end
GENDERS = ("female", "male", "unknown")
DELAYS = np.geomspace(1e-4, 100.0, 400)  # seconds, 3.5 % from one to the next


class Summary:
    """A sink that counts; its memory does not grow with the session."""

    def __init__(
        self, path: Path | None, source: str, photos: bool, dropped: Callable[[], int]
    ) -> None:
        """Write to `path`, .json or .html, on leaving the `with` block, however it is left, if
        there was a frame. In `photos` every face is another person; `dropped` tells the frames
        never seen."""
        if path is not None:
            if path.suffix.lower() not in SUFFIXES:
                raise UserError(f"cannot write {path}: a summary's name ends in .json or .html")
            check_writable(path)
        self._path, self._photos, self._dropped = path, photos, dropped
        self._source = source
        self.started = datetime.now().astimezone()
        self.frames = 0
        self.duration = 0.0  # seconds of the source
        self.timeline = Timeline()
        self._people: dict[tuple[str, int], Person] = {}
        self._counted = 0  # people no longer kept one by one
        self._ages = np.zeros((len(GENDERS), BARS), int)  # of these
        self._delays = np.zeros(len(DELAYS) + 1, int)
        self._pending: dict[str, tuple[float, float, list[Person]]] = {}  # a source's last frame
        self._taken = 0.0

    def timed(self, process: Callable[[Frame], Faces]) -> Callable[[Frame], Faces]:
        """The same function; delays count from its call until the frame is written here."""

        def run(frame: Frame) -> Faces:
            self._taken = time.perf_counter()
            return process(frame)

        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for source, (start, length, _) in list(self._pending.items()):
            self._settle(source, start + length)
        self._pending.clear()
        self._fold(math.inf)
        if self._path is not None and self.written:
            self._write(self._path)

    @property
    def written(self) -> bool:
        """Whether there was a frame, and so a file: before the first one, none is touched."""
        return self.frames > 0

    def write(self, frame: Frame, faces: Faces) -> None:
        """Count a frame."""
        self._delays[np.searchsorted(DELAYS, time.perf_counter() - self._taken)] += 1
        self.frames += 1
        if self._photos:
            for age, male in zip(faces.ages.tolist(), faces.male_probs.tolist(), strict=True):
                self._count(Person(0, "", 0.0, 0.0, age=_known(age), male=_known(male)))
            return
        length = self._settle(frame.source, frame.time)
        seen = []
        for track, age, male in zip(
            faces.ids.tolist(), faces.ages.tolist(), faces.male_probs.tolist(), strict=True
        ):
            if track >= 1:
                new = Person(track, frame.source, frame.time, frame.time)
                person = self._people.setdefault((frame.source, track), new)
                person.age = age if np.isfinite(age) else person.age
                person.male = male if np.isfinite(male) else person.male
                seen.append(person)
        self._pending[frame.source] = (frame.time, length, seen)
        if len(self._people) >= 2 * MOST_PEOPLE:
            self._fold(frame.time)

    def _settle(self, source: str, now: float) -> float:
        """Count the source's last frame, which was shown until now; its seconds."""
        if source not in self._pending:
            return 0.0
        start, _, people = self._pending[source]
        length = min(max(now - start, 0.0), STALL_SECONDS)
        for person in people:
            person.see(start, start + length)
        shown = (seen for at, _, seen in self._pending.values() if abs(at - start) < STALL_SECONDS)
        self.timeline.add(start, start + length, len(people), sum(map(len, shown)))
        self.duration = max(self.duration, start + length)
        return length

    def _fold(self, now: float) -> None:
        """Only count those who are long gone, but for the ones longest in view."""
        gone = [key for key, p in self._people.items() if p.last < now - AWAY_SECONDS]
        gone.sort(key=lambda key: self._people[key].seconds)
        for key in gone[: max(len(self._people) - MOST_PEOPLE, 0)]:
            self._count(self._people.pop(key))

    def _count(self, person: Person) -> None:
        self._counted += 1
        _add(self._ages, person)

    @property
    def people(self) -> list[Person]:
        """Those kept one by one, in the order of their coming."""
        return sorted(self._people.values(), key=lambda p: (p.first, p.id))

    @property
    def count(self) -> int:
        """All people seen."""
        return len(self._people) + self._counted

    def ages(self) -> np.ndarray:
        """People (3, BARS) by GENDERS and decade; those of unknown age are left out."""
        ages = self._ages.copy()
        for person in self._people.values():
            _add(ages, person)
        return ages

    def delay(self, percent: float) -> float:
        """Milliseconds within which this part of the frames was done; 0 where there was none."""
        if not self.frames:
            return 0.0
        place = np.searchsorted(np.cumsum(self._delays), percent / 100 * self.frames)
        return float(DELAYS[min(int(place), len(DELAYS) - 1)] * 1e3)

    def record(self) -> dict[str, Any]:
        """Everything as one object: the format of the .json file."""
        ages = self.ages()
        return {
            "source": self._source,
            "photos": self._photos,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(self.duration, 3),
            "frames": self.frames,
            "dropped": self._dropped(),
            "delay_ms": {"p50": round(self.delay(50), 1), "p95": round(self.delay(95), 1)},
            "people_seen": self.count,
            "people": [person.record() for person in self.people],
            "ages": {
                "from": [AGES * k for k in range(BARS)],
                **dict(zip(GENDERS, ages.tolist(), strict=True)),
            },
            "busiest": [] if self._photos else self.timeline.busiest(),
            "faces_over_time": {
                "width": self.timeline.width,
                "most": self.timeline.most.tolist(),
                "mean": self.means(),
            },
        }

    def means(self) -> list[float]:
        """Mean number of faces in view in every piece of the timeline."""
        width = self.timeline.width
        starts = np.arange(len(self.timeline.most)) * width
        lengths = np.clip(self.duration - starts, 1e-3, width)
        return [round(mean, 3) for mean in (self.timeline.face_seconds / lengths).tolist()]

    def lines(self) -> list[str]:
        """The session in a few lines of text."""
        if self._photos:
            return [f"{some(self.count, 'face')} in {some(self.frames, 'photo')}"]
        lines = [f"{some(self.count, 'person')} seen in {clock(self.duration)}"]
        longest = sorted(self._people.values(), key=lambda p: -p.seconds)[:NAMED]
        several = len({p.source for p in longest}) > 1
        for p in longest:
            whose = f"{p.id} of {p.source}" if several else str(p.id)
            lines.append(f"  {whose}: {person_text(p)}, in view {p.seconds:.1f} s")
        if self.count > len(longest):
            lines.append(f"  and {self.count - len(longest)} more")
        busiest = self.timeline.busiest()
        if busiest:
            told = (f"{clock(b['from'])} ({some(b['faces'], 'face')})" for b in busiest)
            lines.append(f"busiest at {', '.join(told)}")
        delays = f"{self.delay(50):.0f} ms, 95 % within {self.delay(95):.0f} ms"
        return [*lines, f"delay {delays}; {some(self._dropped(), 'frame')} dropped"]

    def _write(self, path: Path) -> None:
        from demo.sinks.page import page

        record = self.record()
        html = path.suffix.lower() == ".html"
        text = page(record) if html else json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None


def clock(seconds: float) -> str:
    """ "1:02:03", or "2:03" within the first hour."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def some(number: int, thing: str) -> str:
    """ "3 faces", "no people"."""
    return f"{number or 'no'} {named(number, thing)}"


def named(number: int, thing: str) -> str:
    """ "faces", or "face" where it is one."""
    return thing if number == 1 else {"person": "people"}.get(thing, f"{thing}s")


def person_text(person: Person) -> str:
    """ "female, 34"."""
    if person.male is None and person.age is None:
        return "unknown"
    age = None if person.age is None else f"{person.age:.0f}"
    gender = None if person.male is None else person.gender
    return ", ".join(filter(None, (gender, age)))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _add(ages: np.ndarray, person: Person) -> None:
    """Count a person in the histogram (3, BARS), if the age is known."""
    if person.age is not None:
        ages[GENDERS.index(person.gender), min(int(person.age // AGES), BARS - 1)] += 1

"""The session in one file and a few lines: people, time in view, ages, busiest moments, times."""

import json
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from demo.errors import UserError
from demo.frames import Faces, Frame, Timing
from demo.sinks.cuts import Cuts
from demo.sinks.histograms import TimeHistogram
from demo.sinks.page import page
from demo.sinks.paths import check_file
from demo.sinks.presence import MAX_PEOPLE, Presence
from demo.sinks.words import clock, person_text, some
from models.files import atomic_write

SUMMARY_SUFFIXES = {".json", ".html"}
LISTED_PEOPLE = 5  # in the text


class Summary:
    """A sink that counts. Its memory does not grow with the session.

    The file is written on leaving the `with` block, however it is left, if there was a frame.
    """

    def __init__(
        self,
        path: Path | None,
        source: str,
        photos: bool,
        dropped: Callable[[], int],
        max_people: int = MAX_PEOPLE,
    ) -> None:
        """Write to a .json or .html file; None only counts.

        `source` is the title. In `photos` every face is another person. `dropped` gives the number
        of frames that were dropped. Up to `max_people` are listed, the ones longest in view.
        Raises UserError if the path cannot be used.
        """
        if path is not None:
            check_file(path, SUMMARY_SUFFIXES, "write the summary to", replaced=True)
        self._path, self._source, self._photos = path, source, photos
        self._dropped = dropped
        self._started = datetime.now().astimezone()
        self.frames = 0
        self._presence, self._cuts = Presence(max_people), Cuts()
        self._processing, self._latency = TimeHistogram(), TimeHistogram()
        self._lock = threading.Lock()  # the server's thread asks for records

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._presence.finish()
        if self._path is not None and self.written:
            self._write(self._path)

    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Count a frame."""
        with self._lock:
            self.frames += 1
            self._processing.add(timing.processing_ms)
            if np.isfinite(timing.latency_ms):
                self._latency.add(timing.latency_ms)
            if self._photos:
                self._presence.add_photo(faces)
            else:
                self._presence.add(frame, faces)
                self._cuts.add(frame)

    @property
    def written(self) -> bool:
        """Whether there was a frame; without one, no file is written."""
        return self.frames > 0

    @property
    def duration(self) -> float:
        """Seconds of the source, up to the end of the last frame."""
        return self._presence.duration

    @property
    def count(self) -> int:
        """Number of people who were in view; in photos, of faces."""
        return self._presence.count

    def record(self, listed: bool = True) -> dict[str, Any]:
        """Everything as one object, the format of the .json file; any thread may ask. Times are
        seconds unless the name says ms; `delay_ms` is the former name of `processing_ms`;
        `latency_ms` is None where no source is live. Without `listed`, "people" is empty: listing
        thousands keeps the main loop waiting."""
        with self._lock:
            return self._record(listed)

    def bins(self) -> dict[str, Any]:
        """What `MergedSummary` adds up to the summary of many sessions."""
        with self._lock:
            presence = self._presence
            return {
                "photos": self._photos,
                "seconds": round(presence.duration, 3),
                "frames": self.frames,
                "people_seen": presence.count,
                "cut_count": self._cuts.count,
                "processing_ms": self._processing.bins(),
                "ages": presence.ages().record(),
                "faces_over_time": presence.timeline.bins(),
            }

    def seconds(self, people: Iterable[tuple[str, int]]) -> dict[tuple[str, int], float]:
        """Seconds in view, up to the frame before the last, of people by source and id; any thread
        may ask."""
        with self._lock:
            return self._presence.seconds(people)

    def _record(self, listed: bool) -> dict[str, Any]:
        presence = self._presence
        return {
            "source": self._source,
            "photos": self._photos,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(presence.duration, 3),
            "frames": self.frames,
            "dropped": self._dropped(),
            "delay_ms": self._processing.record(),
            "processing_ms": self._processing.record(),
            "latency_ms": self._latency.record() if self._latency else None,
            "people_seen": presence.count,
            "people": [person.record() for person in presence.people] if listed else [],
            "ages": presence.ages().record(),
            "cut_count": self._cuts.count,
            "cuts": self._cuts.record(),
            "busiest": [] if self._photos else presence.timeline.busiest(),
            "faces_over_time": presence.timeline.record(presence.duration),
        }

    def lines(self) -> list[str]:
        """The session in a few lines of text."""
        return summary_lines(self.record())

    def _write(self, path: Path) -> None:
        record = self.record()
        html = path.suffix.lower() == ".html"
        text = page(record) if html else json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        try:
            with atomic_write(path) as unfinished:
                unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None


def summary_lines(record: dict[str, Any]) -> list[str]:
    """A few lines of text for the record of a summary."""
    count, dropped = record["people_seen"], some(record["dropped"], "frame")
    if record["photos"]:
        return [f"{some(count, 'face')} in {some(record['frames'], 'photo')}"]
    seen = f"{some(count, 'person')} seen in {clock(record['seconds'])}"
    if record["cut_count"]:
        seen += f", with {some(record['cut_count'], 'cut')}"
    lines = [seen]
    lines += _people_lines(record["people"], count)
    if record["busiest"]:
        moments = (f"{clock(b['from'])} ({some(b['faces'], 'face')})" for b in record["busiest"])
        lines.append(f"busiest at {', '.join(moments)}")
    processing, latency = record["processing_ms"], record["latency_ms"]
    lines.append(
        f"processing time {processing['p50']:.0f} ms per frame, 95 % within "
        f"{processing['p95']:.0f} ms; {dropped} dropped"
    )
    if latency:
        lines.append(
            f"latency {latency['p50']:.0f} ms from capture to faces, 95 % within "
            f"{latency['p95']:.0f} ms"
        )
    return lines


def _people_lines(people: list[dict[str, Any]], count: int) -> list[str]:
    """A line for each of the people longest in view, and for the number of the others."""
    longest = sorted(people, key=lambda person: -person["seconds"])[:LISTED_PEOPLE]
    several = len({person["source"] for person in longest}) > 1
    lines = []
    for person in longest:
        whose = f"{person['id']} of {person['source']}" if several else str(person["id"])
        lines.append(f"  {whose}: {person_text(person)}, in view {person['seconds']:.1f} s")
    if count > len(longest):
        lines.append(f"  and {count - len(longest)} more")
    return lines

"""The summary of many sessions, from the bins of each."""

from typing import Any

from demo.sinks.histograms import AgeHistogram, TimeHistogram
from demo.sinks.timeline import Timeline


class MergedSummary:
    """Adds up sessions. Their timelines lie on each other: all begin at the same moment."""

    def __init__(self) -> None:
        self.photos = 0
        self.frames = 0  # of videos
        self.people = 0  # in photos, every face is another person
        self._cuts = 0
        self._durations: list[float] = []  # seconds, of the videos
        self._processing, self._ages, self._timeline = TimeHistogram(), AgeHistogram(), Timeline()

    @property
    def seconds(self) -> float:
        """Length of all videos."""
        return sum(self._durations)

    def add(self, bins: dict[str, Any]) -> None:
        """Add a session, see `Summary.bins`."""
        self.people += bins["people_seen"]
        self._processing.add_bins(bins["processing_ms"])
        self._ages.add_bins(bins["ages"])
        if bins["photos"]:
            self.photos += bins["frames"]
            return
        self.frames += bins["frames"]
        self._cuts += bins["cut_count"]
        self._durations.append(bins["seconds"])
        self._timeline.add_bins(bins["faces_over_time"])

    def record(self, title: str, moment: str) -> dict[str, Any]:
        """The sum as the record of one summary, for its page: `seconds` is the length of the
        longest video, `watched` of all; `photos_beside` counts photos where there are videos, too.
        Nobody is listed."""
        return {
            "source": title,
            "photos": not self._durations,
            "started": moment,
            "seconds": max(self._durations, default=0.0),
            "watched": self.seconds,
            "photos_beside": self.photos if self._durations else 0,
            "frames": self.frames or self.photos,
            "dropped": 0,
            "processing_ms": self._processing.record(),
            "latency_ms": None,
            "people_seen": self.people,
            "people": [],
            "ages": self._ages.record(),
            "cut_count": self._cuts,
            "cuts": [],
            "busiest": [],
            "faces_over_time": self._timeline.record(*self._durations),
        }

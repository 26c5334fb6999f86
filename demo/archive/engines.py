"""What runs jobs: an engine takes them from the backlog and gives their outcomes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from demo.archive.jobs import Job
from demo.archive.options import ArchiveOptions


class Outcome(NamedTuple):
    """How one attempt of a job ended."""

    job: Job
    record: dict[str, Any] | None  # as `work` gives it; None where the worker died
    error: str = ""  # a line about its death


class Backlog:
    """Jobs that wait. The driver adds those that need another attempt, or stops it."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = deque(jobs)
        self.running: dict[str, Job] = {}  # taken and without an outcome, by key
        self.stopped = False  # running jobs end, no other one starts
        self.workers: int | None = None  # that there are, where it is the engine that knows it

    def take(self) -> Job | None:
        """The next job, None where none waits now."""
        if self.stopped or not self._jobs:
            return None
        job = self._jobs.popleft()
        self.running[job.key] = job
        return job

    def end(self, job: Job, again: bool) -> None:
        """A job has an outcome. With `again` it waits behind all others."""
        self.running.pop(job.key, None)
        if again:
            self._jobs.append(job)


# Calls `demo.archive.work.work` for the jobs of a backlog, on so many workers at most, and yields
# outcomes as they come, until nothing waits or runs. A `RunError` of `work` is raised. Closing
# the generator ends all workers at once.
Engine = Callable[[Backlog, ArchiveOptions, int], Generator[Outcome]]

"""The driver: what is to do, the engine that does it, and what came of it."""

import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple

from demo.archive.engines import Backlog, Engine, Outcome
from demo.archive.jobs import MAX_ATTEMPTS, Job
from demo.archive.ledger import Ledger, Record, has_failed, is_dead
from demo.archive.options import ArchiveOptions

STOPS = ("SIGINT", "SIGTERM", "SIGHUP")
Say = Callable[[str], None]


class Plan(NamedTuple):
    """The jobs of a run by what is to do."""

    waiting: list[Job]
    done: list[Record]  # of earlier runs
    dead: list[Record]  # dead letters of earlier runs
    new_options: int  # waiting jobs that were done with other options
    new_files: int  # waiting jobs that were done with files that have changed


def make_plan(ledger: Ledger, jobs: Sequence[Job], retry_dead: bool) -> Plan:
    """Compare jobs with the records of the folder, which must be locked. Raises OSError."""
    records = ledger.records()
    ledger.clean({key for key, record in records.items() if record["state"] == "done"})
    keys = {job.key for job in jobs}
    former: dict[str, list[str]] = {}  # by path: keys of jobs that had the file
    for key, earlier in records.items():
        for path in earlier["paths"] if key not in keys else ():
            former.setdefault(path, []).append(key)
    plan = Plan([], [], [], 0, 0)
    for job in jobs:
        record = records.get(job.key)
        old = {key: 0 for item in job.items for key in former.get(item.path, ())}
        if record and retry_dead and has_failed(record):
            ledger.set_attempts(job, 0, "waiting")
            record = None
        if record and (record["state"] == "done" or is_dead(record)):
            (plan.dead if is_dead(record) else plan.done).append(record)
            for key in old:  # the driver was killed before it could
                ledger.remove(key)
            continue
        plan.waiting.append(replace(job, replaces=tuple(old)))
        if changed := [records[key] for key in old if records[key]["state"] == "done"]:
            other = any(record["options"] != job.options for record in changed)
            plan = plan._replace(
                new_options=plan.new_options + other, new_files=plan.new_files + (not other)
            )
    return plan


class Driver:
    """Runs the jobs of a plan. `interrupted` after Ctrl-C or another signal."""

    def __init__(self, ledger: Ledger, say: Say, jobs: Sequence[Job]) -> None:
        self._ledger, self._say = ledger, say
        self._backlog = Backlog(jobs)
        self.interrupted = False

    @property
    def workers(self) -> int | None:
        """Workers that there are now; None where it is as many as `run` was given."""
        return self._backlog.workers

    def run(
        self, engine: Engine, options: ArchiveOptions, workers: int
    ) -> Iterator[tuple[Job, Record, bool]]:
        """Yield every attempt: job, record, and whether another one follows. Raises RunError,
        and OSError where a record cannot be written."""
        try:
            with (
                self._stoppable(),
                closing(engine(self._backlog, options, workers)) as outcomes,
            ):
                for outcome in outcomes:
                    record = outcome.record or self._count_death(outcome)
                    failed = record["state"] != "done"
                    again = failed and record["attempts"] < MAX_ATTEMPTS
                    self._backlog.end(outcome.job, again)
                    yield outcome.job, record, again
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self._give_back(list(self._backlog.running.values()))

    def _count_death(self, outcome: Outcome) -> Record:
        """Record an attempt during which the worker died."""
        self._ledger.drop_unfinished(outcome.job.key)
        former = self._ledger.read(outcome.job.key)
        if former and former["state"] == "done":  # its last word was written before it died
            return former
        attempts = former["attempts"] if former else 0
        counted = former is not None and former["state"] == "running"
        attempts += not counted  # it died before its first line
        return self._ledger.set_attempts(outcome.job, attempts, "failed", outcome.error)

    def _give_back(self, jobs: Collection[Job]) -> None:
        """Do not count attempts that were ended from outside."""
        for job in jobs:
            self._ledger.drop_unfinished(job.key)
            record = self._ledger.read(job.key)
            if record and record["state"] == "running":
                with suppress(OSError):
                    self._ledger.set_attempts(job, record["attempts"] - 1, "waiting")

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let the first Ctrl-C stop the backlog; a second one, or another signal, ends the run."""

        def stop(number: int, frame: object) -> None:
            if number != signal.SIGINT or self._backlog.stopped:
                raise KeyboardInterrupt
            self._backlog.stopped = self.interrupted = True
            self._say("running jobs end, no other one starts; Ctrl-C again ends at once")

        known = [getattr(signal, name) for name in STOPS if hasattr(signal, name)]
        numbers = [n for n in known if signal.getsignal(n) != signal.SIG_IGN]  # nohup
        former: list[Any] = [signal.signal(number, stop) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, former, strict=True):
                signal.signal(number, handler)

"""The engine of one machine: worker processes that keep their networks."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from demo.archive.engines import Backlog, Outcome
from demo.archive.jobs import Job
from demo.archive.ledger import RunError
from demo.archive.options import ArchiveOptions
from demo.archive.work import abandon, prepare_worker, work
from demo.signals import interrupts_blocked

Pool = Any  # a ProcessPool: some of its methods have no types
WAIT_SECONDS = 0.5  # at most, between two looks at the backlog
WORKER_BYTES = 500_000_000  # memory of a worker, measured at 1080p: 437 MiB
RECORDING_BYTES = 150_000_000  # more while it records: 559 MiB
CGROUP = Path("/sys/fs/cgroup")


def run_locally(
    backlog: Backlog, options: ArchiveOptions, workers: int
) -> Generator[Outcome, None, None]:
    """An `Engine`. Every worker has a pool of its own, so that the death of one is known to be that
    of its job and costs the others nothing."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    idle: list[Pool] = []
    running: dict[Future[Any], tuple[Job, Pool]] = {}
    try:
        while True:
            while len(running) < workers and (job := backlog.take()):
                pool = idle.pop() if idle else _new_pool(context)
                with interrupts_blocked():
                    running[pool.schedule(work, (job, options))] = job, pool
            if not running:
                break
            for future in wait(running, WAIT_SECONDS, FIRST_COMPLETED).done:
                job, pool = running.pop(future)
                outcome = _outcome(job, future)
                if outcome.record and pool.active:
                    idle.append(pool)
                else:
                    _end([pool])
                yield outcome
    finally:
        pools = [*idle, *(pool for _, pool in running.values())]
        for pool in pools:
            pool.stop()
        if running:
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
        _end(pools)


def worker_count(record: bool) -> int:
    """Workers that this machine carries: one a core, within the memory that is left."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    left = _memory_left()
    return max(1, cores if left is None else min(cores, left // worker_bytes(record)))


def worker_bytes(record: bool) -> int:
    """Memory of a worker."""
    return WORKER_BYTES + record * RECORDING_BYTES


def _memory_left() -> int | None:
    """Bytes of memory that are free, in a container those of the container; None if unknown."""
    known: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        known += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    with suppress(OSError, ValueError):
        used = int((CGROUP / "memory.current").read_text())
        known.append(int((CGROUP / "memory.max").read_text()) - used)
    return min(known, default=None)


def _new_pool(context: Any) -> Pool:
    return ProcessPool(max_workers=1, initializer=_start_worker, context=context)


def _end(pools: list[Pool]) -> None:
    for pool in pools:
        pool.stop()
    for pool in pools:
        pool.join()


def _outcome(job: Job, future: "Future[Any]") -> Outcome:
    """The outcome of a job that has ended. Raises RunError."""
    try:
        return Outcome(job, future.result())
    except RunError:
        raise
    except ProcessExpired as error:
        code = error.exitcode or 0
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return Outcome(job, None, f"its worker process died ({how})")
    except Exception as error:  # of the pool: `work` itself raises nothing else
        return Outcome(job, None, f"its worker process died ({type(error).__name__})")


def _start_worker() -> None:
    prepare_worker()
    threading.Thread(target=_watch_driver, name="driver watch", daemon=True).start()


def _watch_driver() -> None:
    """End this worker when the driver is gone, however it ended."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait_for([driver.sentinel])
        abandon()

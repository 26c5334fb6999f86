"""The engine of many machines: Ray Core gives each job to a free core of a cluster."""

import os
import pickle
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from demo.archive.engines import Backlog, Engine, Outcome
from demo.archive.jobs import Job
from demo.archive.ledger import Ledger, RunError
from demo.archive.local import worker_bytes
from demo.archive.mark import Mark, marked
from demo.archive.options import ArchiveOptions
from demo.archive.order import Order, code_digest
from demo.errors import UserError
from models.files import ROOT
from models.quiet import stderr_closed

Say = Callable[[str], None]
WAIT_SECONDS = 0.5  # at most, between two looks at the backlog
LOOK_SECONDS = 2.0  # between two looks at the machines
CONNECT_SECONDS = 5.0  # for the cluster to take a connection
CANCEL_SECONDS = 10.0  # for running jobs to end after the second Ctrl-C
AHEAD = 4  # jobs at Ray beyond the cores: no core waits, and an autoscaler sees that more is wanted
STORE_BYTES = 80_000_000  # Ray's least: only jobs and records pass through it
NODE_LABEL = "ray.io/node-id"
REQUIREMENTS = "requirements-cluster.txt"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a warning about graphics cards
}
TRIES = {"RAY_NUM_REDIS_GET_RETRIES": "2", "RAY_py_gcs_connect_timeout_s": "5"}  # else for minutes
OWN = {"RAY_worker_niceness": "0"}  # of a Ray that we start: workers like those of the local engine


class Cluster:
    """An `Engine` on a connection to Ray. Machines that join are used. A machine that differs from
    the driver's is left alone, and `say` is told why."""

    def __init__(self, ray: Any, say: Say) -> None:
        self._ray, self._say = ray, say
        self._task = ray.remote(num_cpus=1, max_retries=0)(_task())  # the driver tries again
        self._fit = 0  # cores of fit machines
        self._looked = 0.0
        self._unfit: dict[str, str] = {}  # a line by node
        self._running: dict[Any, tuple[Job, str]] = {}  # by the reference of the task
        self._refused: deque[Job] = deque()  # by a machine that is unfit

    def __call__(
        self, backlog: Backlog, options: ArchiveOptions, workers: int
    ) -> Generator[Outcome, None, None]:
        """Run the jobs. Raises RunError, and UserError where no machine is fit."""
        with marked(Ledger(options.out)) as mark:
            try:
                while True:
                    self._look(backlog, worker_bytes(options.record), workers)
                    self._submit(backlog, options, mark, workers)
                    if not self._running:
                        break
                    if backlog.stopped and not mark.stopped:
                        mark.stop()
                    ready, _ = self._ray.wait(list(self._running), timeout=WAIT_SECONDS)
                    for reference in ready:
                        yield from self._outcome(reference, backlog, options)
            finally:
                self._cancel()

    def _look(self, backlog: Backlog, memory: int, workers: int) -> None:
        """See which machines there are. Raises UserError where all of them are unfit."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        room = {node["NodeID"]: _room(node["Resources"], memory) for node in nodes}
        self._fit = sum(number for node, number in room.items() if node not in self._unfit)
        if not self._fit and any(node["Resources"].get("CPU") for node in nodes):
            small = f"a worker needs {memory / 1e6:.0f} MB, and no machine has so much free"
            line = next(iter(self._unfit.values()), small)
            raise UserError(f"no machine of the cluster is fit: {line}")
        backlog.workers = min(self._fit, workers)

    def _submit(self, backlog: Backlog, options: ArchiveOptions, mark: Mark, workers: int) -> None:
        room = min(workers, 2 * self._fit + AHEAD)
        while len(self._running) < room:
            if not (job := self._refused.popleft() if self._refused else backlog.take()):
                return
            # the path of a file that this machine sees, and the other one must see
            path = job.items[0].path if not job.items[0].remote else ""
            seen = path if path and os.path.exists(path) else ""
            order = pickle.dumps(Order(job, options, mark.path, seen))
            reference = self._placed(options).remote(str(ROOT), code_digest(ROOT), order)
            self._running[reference] = job, seen

    def _placed(self, options: ArchiveOptions) -> Any:
        """The task with what it needs: memory, and a machine that is not known to be unfit."""
        unfit = {NODE_LABEL: f"!in({','.join(self._unfit)})"} if self._unfit else None
        return self._task.options(memory=worker_bytes(options.record), label_selector=unfit)

    def _outcome(
        self, reference: Any, backlog: Backlog, options: ArchiveOptions
    ) -> Iterator[Outcome]:
        """The outcome of a task that has ended; none where its job was not begun. Raises
        RunError."""
        job, seen = self._running.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            yield self._death(job, options, error)
            return
        if "record" in answer:
            yield Outcome(job, answer["record"])
        elif "end" in answer:
            raise RunError(answer["end"])
        elif "unfit" in answer:
            self._refused.append(job)
            if not seen or os.path.exists(seen):  # else the file is gone everywhere by now
                self._leave(answer["node"], answer["unfit"])
        else:  # the driver was told to stop
            backlog.end(job, again=True)

    def _leave(self, node: str, line: str) -> None:
        """Give no more jobs to a machine."""
        if node not in self._unfit:
            self._say(f"a machine is left alone: {line}")
        self._unfit[node] = line
        self._looked = 0.0

    def _death(self, job: Job, options: ArchiveOptions, error: Exception) -> Outcome:
        """The outcome of a job whose worker ended: its results may have been complete by then."""
        record = Ledger(options.out).read(job.key)
        if record and record["state"] == "done":
            return Outcome(job, record)
        kinds = self._ray.exceptions
        if isinstance(error, kinds.OutOfMemoryError):
            return Outcome(job, None, "its machine ran out of memory")
        if isinstance(error, (kinds.WorkerCrashedError, kinds.NodeDiedError)):
            return Outcome(job, None, "its worker process or its machine died")
        return Outcome(job, None, f"its worker process failed ({type(error).__name__})")

    def _cancel(self) -> None:
        """End what still runs, and wait until it has ended."""
        references = list(self._running)
        self._running.clear()
        with suppress(Exception):  # the connection may be the fault
            for reference in references:
                self._ray.cancel(reference, force=True)
            if references:
                self._ray.wait(references, num_returns=len(references), timeout=CANCEL_SECONDS)


def _room(resources: dict[str, float], memory: int) -> int:
    """Workers of so many bytes that a machine carries."""
    return int(min(resources.get("CPU", 0), resources.get("memory", 0) // memory))


@contextmanager
def connected(address: str | None, cores: int, say: Say) -> Iterator[Engine]:
    """Connect to the cluster at an address, "auto" or HOST:PORT, or without one start Ray on so
    many cores of this machine, until the context ends. `say` takes lines about machines. Raises
    UserError."""
    if find_spec("ray") is None:
        raise UserError(f"--engine ray needs ray: pip install -r {REQUIREMENTS}")
    if address is not None:
        _check_address(address)
    else:  # with a token, since Ray listens to the network
        token = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
        os.environ |= {**OWN, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    for name, value in (QUIET | TRIES).items():
        os.environ.setdefault(name, value)
    ray = import_module("ray")
    own = {
        "num_cpus": cores,
        "_memory": cores * worker_bytes(record=True),  # it was looked at before
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    try:
        with stderr_closed():  # libraries print there what the exception says
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="CRITICAL",
                **(own if address is None else {}),
            )
    except Exception as error:  # they share no base class
        raise UserError(_refusal(address, error)) from None
    try:
        _mute()
        yield Cluster(ray, say)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raise UserError where nobody answers at an address, or everybody might."""
    if address.startswith("ray://"):
        raise UserError(
            f"{address} is for Ray Client: run this on a machine of the cluster, with "
            "--address auto"
        )
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdecimal()):
        raise UserError(
            f"--address {address}: give HOST:PORT of the cluster, such as 10.0.0.1:6379, or auto"
        )
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise UserError(
            f"--address {address}: the cluster must ask for a token. Start all of its machines and "
            "this command with RAY_AUTH_MODE=token (ray get-auth-token --generate makes one)"
        )
    if address != "auto":
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"no cluster answers at {address}: {reason}. Is ray started there?"
            ) from None


def _refusal(address: str | None, error: Exception) -> str:
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if address is None:
        return f"cannot start Ray on this machine: {line}"
    if address == "auto" and isinstance(error, ConnectionError):
        return "no cluster runs on this machine: ray start --head starts one"
    return (
        f"cannot connect to the cluster at {address}: it must run the same version of Ray and have "
        f"the same token (RAY_AUTH_TOKEN). Ray says: {line}"
    )


def _mute() -> None:
    """Let Ray not print into the progress bar what happens to workers: outcomes say it."""
    with suppress(Exception):  # not in Ray's interface
        import_module("ray._private.worker").global_worker.gcs_error_subscriber.close()


def _task() -> Any:
    """The function that Ray sends to workers, as code: it finds the checkout there by itself."""

    def attempt(root: str, code: str, order: bytes) -> dict[str, Any]:
        import socket
        import sys

        import ray

        node = ray.get_runtime_context().get_node_id()
        sys.path[:] = [root, *(path for path in sys.path if path != root)]
        try:
            from demo.archive.order import obey

            return {**obey(code, order), "node": node}
        except ImportError as error:
            line = f"{socket.gethostname()} cannot load the program from {root}: {error}"
            return {"unfit": line, "node": node}

    return attempt

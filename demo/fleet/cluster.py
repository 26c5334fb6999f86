"""The engine of many machines: a named Ray actor on each keeps the processes of its cameras."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from demo.archive.cluster import Say, connected
from demo.errors import UserError
from demo.fleet.camera import Camera
from demo.fleet.engines import CameraProcess, Engine
from demo.fleet.report import Report
from models.files import ROOT

LOOK_SECONDS = 2.0  # between two looks at the machines
POLL_SECONDS = 0.25  # between two questions to a machine
ANSWER_SECONDS = 3.0  # for a machine to answer; then its cameras go to another one
START_SECONDS = 60.0  # for the first answer of a machine
AVOID_SECONDS = 60.0  # for which a machine that did not answer gets no camera
DEAD_SECONDS = 5.0  # for Ray to note that a machine is gone; else its actor was killed
LOST = "its machine died, or does not answer"


class _Machine:
    """A machine of the cluster with its actor, which starts cameras there."""

    def __init__(self, ray: Any, actor: Any, host: str) -> None:
        self.host, self.cameras = host, set[str]()
        self.lost = self.silent = False  # gone; lost because it did not answer
        self.reports: dict[str, Report] = {}  # by key of the process
        self._ray, self._actor = ray, actor
        self._asked, self._answered = time.monotonic(), False
        self._question = actor.poll.remote()

    def start(self, key: str, camera: Camera, folder: Path, threads: int) -> None:
        """Let the machine watch a camera."""
        self.cameras.add(key)
        self._actor.start.remote(key, camera, folder, threads)

    def refresh(self) -> None:
        """Take the newest reports, if they are there. `lost` is set once the machine is gone."""
        if self.lost:
            return
        now = time.monotonic()
        try:
            if self._question is None:
                if now - self._asked >= POLL_SECONDS:
                    self._question, self._asked = self._actor.poll.remote(), now
            elif self._ray.wait([self._question], timeout=0)[0]:
                self.reports, self._answered = self._ray.get(self._question), True
                self._question = None
            elif now - self._asked >= (ANSWER_SECONDS if self._answered else START_SECONDS):
                self.lost = self.silent = True
        except self._ray.exceptions.RayError:
            self.lost = True

    def stop(self, key: str) -> None:
        """Let the process of a camera end."""
        with suppress(self._ray.exceptions.RayError):
            self._actor.stop.remote(key)

    def kill(self, key: str) -> None:
        """End the process of a camera."""
        self.cameras.discard(key)
        with suppress(self._ray.exceptions.RayError):
            if not self.lost:
                self._actor.kill.remote(key)

    def release(self) -> None:
        """End the actor of a machine that is lost, should it still be there."""
        with suppress(Exception):  # Ray has no common base class for what a dead machine raises
            self._ray.kill(self._actor)


class _ClusterProcess:
    """The process of a camera on a machine of the cluster."""

    def __init__(self, machine: _Machine, key: str) -> None:
        self._machine, self._key, self._last = machine, key, Report(host=machine.host)

    def poll(self) -> Report:
        """The newest report; `ended` is set once there is no process, or no machine."""
        self._machine.refresh()
        self._last = self._machine.reports.get(self._key, self._last)
        if self._machine.lost and not self._last.ended:
            self._last = Report(error=LOST, ended=True, host=self._machine.host)
        return self._last

    def stop(self) -> None:
        """Let it end after the frame."""
        self._machine.stop(self._key)

    def kill(self) -> None:
        """End it now."""
        self._machine.kill(self._key)


class ClusterEngine:
    """An `Engine` on a connection to Ray. A camera gets the machine with the fewest cameras."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=0, max_restarts=0)(_actor())
        self._machines: dict[str, _Machine] = {}  # by node
        self._avoided: dict[str, float] = {}  # by node: time.monotonic() until when
        self._actors = self._starts = 0
        self._looked = -LOOK_SECONDS

    def __call__(self, camera: Camera, folder: Path, threads: int) -> CameraProcess:
        """Start a camera. Raises UserError where there is no machine."""
        self._look()
        if not self._machines:
            raise UserError("no machine of the cluster is there")
        machine = min(self._machines.values(), key=lambda each: len(each.cameras))
        self._starts += 1
        key = f"{camera.name} {self._starts}"
        machine.start(key, camera, folder, threads)
        return _ClusterProcess(machine, key)

    def _look(self) -> None:
        """Drop machines that are lost, and take those that joined."""
        now = time.monotonic()
        for node, machine in list(self._machines.items()):
            machine.refresh()
            if machine.lost:
                machine.release()
                del self._machines[node]
                self._avoided[node] = now + (AVOID_SECONDS if machine.silent else DEAD_SECONDS)
                self._looked = -LOOK_SECONDS
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for node in self._ray.nodes():
            name = node["NodeID"]
            fit = node["Alive"] and node["Resources"].get("CPU", 0) >= 1
            if fit and name not in self._machines and self._avoided.get(name, 0.0) <= now:
                self._machines[name] = self._machine(name, node["NodeManagerHostname"])

    def _machine(self, node: str, host: str) -> _Machine:
        strategy = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        self._actors += 1
        options = {
            "name": f"agestream fleet {node[:12]} {self._actors}",
            "scheduling_strategy": strategy(node_id=node, soft=False),
        }
        return _Machine(self._ray, self._actor.options(**options).remote(str(ROOT)), host)


@contextmanager
def cluster_engine(address: str | None, cores: int, say: Say) -> Iterator[Engine]:
    """Connect to the cluster at an address, or start Ray on this machine, until the context ends.
    `say` takes lines about machines. Raises UserError."""
    with connected(address, cores, say):
        yield ClusterEngine(import_module("ray"))


def _actor() -> Any:
    """The class that Ray sends to workers, as code: it finds the checkout there by itself."""

    class Cameras:
        """The cameras of one machine."""

        def __init__(self, root: str) -> None:
            import sys

            sys.path[:] = [root, *(path for path in sys.path if path != root)]
            # else every process that starts here would run the main module of Ray's worker
            sys.modules["__main__"].__dict__.pop("__file__", None)
            from demo.fleet.local import LocalEngine

            self._engine = LocalEngine()
            self._processes: dict[str, Any] = {}
            self._failed: dict[str, Any] = {}

        def start(self, key: str, camera: Any, folder: Any, threads: int) -> None:
            """Start a camera in a folder that all machines see."""
            from demo.fleet.report import Report

            try:
                if not folder.is_dir():
                    raise FileNotFoundError(0, "this machine does not see it", str(folder))
                self._processes[key] = self._engine(camera, folder, threads)
            except OSError as error:
                line = f"{error.filename or 'system'}: {error.strerror}"
                self._failed[key] = Report(error=line, ended=True)

        def poll(self) -> dict[str, Any]:
            """The newest reports by key."""
            running = {key: process.poll() for key, process in self._processes.items()}
            return {**running, **self._failed}

        def stop(self, key: str) -> None:
            """Let a camera end."""
            if key in self._processes:
                self._processes[key].stop()

        def kill(self, key: str) -> None:
            """End a camera now."""
            self._failed.pop(key, None)
            if process := self._processes.pop(key, None):
                process.kill()

    return Cameras

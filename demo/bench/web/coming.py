"""Viewers that come and go all the time, half of them without a word."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from demo.bench.web.serve import server_of
from demo.faces.settings import Settings
from demo.networks import Networks
from demo.sources.base import Source
from demo.web.hub import Hub
from models.files import ROOT

MOST_VIEWERS = 3  # at once
WIDTH = 960  # pixels, of their pictures
LEAVE_SECONDS = 5.0  # for the server to notice that viewers are gone
SHORTEST, LONGEST = 3.0, 20.0  # seconds for which they stay


class ComingAndGoing:
    """A thread that opens one to three viewers of a source, lets them leave or kills them, and
    opens the next ones."""

    def __init__(self, url: str, source: str) -> None:
        self._command = [sys.executable, "-m", "demo.bench.web.viewers", f"{url}api/live", source]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="viewers", daemon=True)
        self.visits = 0  # of viewers that have left

        self._thread.start()

    def close(self) -> None:
        """Let all leave. A second call does nothing."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        chance = random.Random(0)
        while not self._stopped.is_set():
            count = chance.randint(1, MOST_VIEWERS)
            with subprocess.Popen(
                [*self._command, str(WIDTH), str(count)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as viewers:
                self._stopped.wait(chance.uniform(SHORTEST, LONGEST))
                if chance.random() < 0.5:
                    viewers.kill()
                else:
                    viewers.communicate()
            self.visits += count


class Served(NamedTuple):
    """A server of a run, and its viewers."""

    hub: Hub
    coming: ComingAndGoing

    def viewers_left(self) -> int:
        """How many are still counted some seconds after the last one was told to leave."""
        self.coming.close()
        end = time.monotonic() + LEAVE_SECONDS
        while self.hub.viewers and time.monotonic() < end:
            time.sleep(0.1)
        return self.hub.viewers


@contextmanager
def served(source: Source, loaded: Networks) -> Iterator[Served]:
    """A server for a run with this source, with viewers that come and go."""
    with (
        server_of(source, loaded, Settings()) as (server, hub, _),
        closing(ComingAndGoing(server.url, source.name)) as coming,
    ):
        yield Served(hub, coming)

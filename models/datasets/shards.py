"""Process many pictures so that a killed run can be resumed: finished work is kept next to OUT in
small zips (shards), each complete or absent, until all of it is written to OUT."""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from models.files import atomic_write

SHARD_SIZE = 64  # pictures; a kill loses at most this many
OUTCOMES = "outcomes.json"


class Prepared(NamedTuple):
    """The outcome for one picture."""

    reason: str  # to drop it, "" to keep it
    digest: str  # SHA-256 of the published file, "" if it cannot be read
    picture: bytes = b""  # JPEG, empty if the picture is dropped


class Shards:
    """The finished shards of OUT, in the folder OUT.parts."""

    def __init__(self, out: Path, plan: str, count: int) -> None:
        """`plan` describes the work on `count` pictures: shards of another plan are deleted."""
        self.folder, self.count = out.with_name(f"{out.name}.parts"), count
        digest = hashlib.sha256(plan.encode()).hexdigest()
        note = self.folder / "plan"
        if not note.is_file() or note.read_text() != digest:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            note.write_text(digest)

    def fill(self, work: Callable[[int], Prepared], title: str) -> None:
        """Do the missing work on all cores. `work` takes a picture's number and is called in
        several threads; `title` names the progress bar."""
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(total=self.count, desc=title, unit="picture") as progress,
        ):
            for path, numbers in self._all():
                if zipfile.is_zipfile(path):
                    progress.update(len(numbers))
                    continue
                outcomes = []
                with new_zip(path) as shard:
                    for number, prepared in zip(numbers, pool.map(work, numbers), strict=True):
                        outcomes.append(prepared[:2])
                        if prepared.picture:
                            shard.writestr(f"{number}.jpg", prepared.picture)
                        progress.update()
                    shard.writestr(OUTCOMES, json.dumps(outcomes))

    def outcomes(self) -> Iterator[Prepared]:
        """The outcome for every picture, in order, without the JPEGs."""
        for path, _ in self._all():
            with zipfile.ZipFile(path) as shard:
                yield from (Prepared(*outcome) for outcome in json.loads(shard.read(OUTCOMES)))

    def pictures(self, wanted: set[int]) -> Iterator[bytes]:
        """The JPEGs of the pictures with these numbers, in ascending order."""
        for path, numbers in self._all():
            with zipfile.ZipFile(path) as shard:
                yield from (shard.read(f"{n}.jpg") for n in numbers if n in wanted)

    def remove(self) -> None:
        """Delete the folder of the shards."""
        shutil.rmtree(self.folder)

    def _all(self) -> Iterator[tuple[Path, range]]:
        for start in range(0, self.count, SHARD_SIZE):
            yield self.folder / f"{start}.zip", range(start, min(start + SHARD_SIZE, self.count))


@contextmanager
def new_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip to write to, which replaces `path` once it is complete."""
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as file:
        yield file

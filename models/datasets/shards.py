"""Long work on many pictures that may be killed: what is done lies beside OUT in small zips, each
complete or absent, until all of it is put into OUT."""

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

PART = 64  # pictures: what a kill loses at most
OUTCOMES = "outcomes.json"


class Prepared(NamedTuple):
    """What became of a picture."""

    reason: str  # to drop it, or ""
    digest: str  # SHA-256 of what was published, "" if that cannot be read
    picture: bytes = b""  # JPEG, none if it is dropped


class Parts:
    """The finished parts of OUT. Those of another plan, or of more or fewer pictures, are thrown
    away."""

    def __init__(self, out: Path, plan: str, count: int) -> None:
        self.folder, self.count = out.with_name(f"{out.name}.parts"), count
        digest = hashlib.sha256(plan.encode()).hexdigest()
        note = self.folder / "plan"
        if not note.is_file() or note.read_text() != digest:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            note.write_text(digest)

    def fill(self, work: Callable[[int], Prepared], title: str) -> None:
        """Do what is not done yet, on all cores; `work` takes the number of a picture."""
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(total=self.count, desc=title, unit="picture") as progress,
        ):
            for path, numbers in self._all():
                if zipfile.is_zipfile(path):
                    progress.update(len(numbers))
                    continue
                outcomes = []
                with new_zip(path) as part:
                    for number, prepared in zip(numbers, pool.map(work, numbers), strict=True):
                        outcomes.append(prepared[:2])
                        if prepared.picture:
                            part.writestr(f"{number}.jpg", prepared.picture)
                        progress.update()
                    part.writestr(OUTCOMES, json.dumps(outcomes))

    def outcomes(self) -> Iterator[Prepared]:
        """What became of every picture, without the pictures."""
        for path, _ in self._all():
            with zipfile.ZipFile(path) as part:
                yield from (Prepared(*outcome) for outcome in json.loads(part.read(OUTCOMES)))

    def pictures(self, wanted: set[int]) -> Iterator[bytes]:
        """The pictures with these numbers, in ascending order."""
        for path, numbers in self._all():
            with zipfile.ZipFile(path) as part:
                yield from (part.read(f"{n}.jpg") for n in numbers if n in wanted)

    def remove(self) -> None:
        """Throw them away."""
        shutil.rmtree(self.folder)

    def _all(self) -> Iterator[tuple[Path, range]]:
        for start in range(0, self.count, PART):
            yield self.folder / f"{start}.zip", range(start, min(start + PART, self.count))


@contextmanager
def new_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip to fill that takes its place when it is complete."""
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as file:
        yield file

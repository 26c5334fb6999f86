"""Jobs: a video each, or a bundle of photos of one folder."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from demo.archive.options import digest

BUNDLE = 64  # photos
SLUG = 40  # characters of a name that a key begins with
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Item:
    """One file of an archive."""

    name: str  # as results name it: as `stream.py` would, without passwords
    path: str  # absolute, or the address
    size: int  # bytes
    version: str  # time of modification, or the ETag of an object store
    photo: bool

    @property
    def remote(self) -> bool:
        """Whether `path` is an address."""
        return "://" in self.path


@dataclass(frozen=True)
class Job:
    """Files that are done together. A value: equal jobs have equal results, under the same key."""

    items: tuple[Item, ...]  # one video, or photos of one folder
    options: str  # digest of `options.identity`
    first: int = 0  # index of the first photo among those of its folder
    replaces: tuple[str, ...] = ()  # keys of former jobs whose files are removed once this is done

    @property
    def photos(self) -> bool:
        """Whether it is a bundle of photos."""
        return self.items[0].photo

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.items)

    @property
    def name(self) -> str:
        """The file, or the folder of the photos with their number."""
        if not self.photos or len(self.items) == 1:
            return self.items[0].name
        return f"{folder_of(self.items[0].name)} ({len(self.items)} photos from {self.first + 1})"

    @cached_property
    def key(self) -> str:
        """Names all files of the job: a part that people can read, and sixteen hex digits of
        paths, sizes, versions and options."""
        files = [[item.path, item.size, item.version] for item in self.items]
        path = self.items[0].path.rstrip("/\\")
        last = PurePosixPath(folder_of(path) if self.photos else path).name
        slug = re.sub(r"[^A-Za-z0-9.-]+", "_", last)[:SLUG].strip("._-") or "source"
        return f"{slug}-{digest([files, self.first, self.options])}"


def folder_of(name: str) -> str:
    """The folder of a path or address, "." for a bare name."""
    cut = max(name.rfind("/"), name.rfind("\\"))
    return name[:cut] if cut > 0 else "."


def make_jobs(items: Iterable[Item], options: str) -> list[Job]:
    """The jobs for files, largest first. Photos are bundled by folder, in the order of their
    names."""
    videos: list[Job] = []
    folders: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.photo:
            folders[folder_of(item.path)].append(item)
        else:
            videos.append(Job((item,), options))
    bundles = [
        Job(tuple(photos[first : first + BUNDLE]), options, first)
        for photos in (sorted(each, key=lambda item: item.path) for each in folders.values())
        for first in range(0, len(photos), BUNDLE)
    ]
    return sorted([*videos, *bundles], key=lambda job: (-job.size, job.items[0].path))

"""Files of an archive: from files, folders, patterns, lists and addresses."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from demo.archive.jobs import Item
from demo.errors import UserError
from demo.sources.net.redact import redact
from demo.sources.suffixes import (
    PHOTO_SUFFIXES,
    UNSUPPORTED_SUFFIXES,
    VIDEO_SOURCE_SUFFIXES,
)

VERSION_KEYS = (  # of fsspec's file systems, the surest first
    *("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified"),
    *("updated", "created"),
)
ANIMATED_SUFFIXES = {".png", ".webp", ".avif"}  # a file given by itself may be an animation


class Finder:
    """Collects files, each once. `skipped` counts those in folders that are left out, by reason."""

    def __init__(self, out: Path) -> None:
        """`out` is the folder of results, which is never searched."""
        self._out = os.path.realpath(out)
        self._items: dict[str, Item] = {}  # by path
        self.skipped: Counter[str] = Counter()

    @property
    def items(self) -> list[Item]:
        """The files that were found."""
        return list(self._items.values())

    def add(self, source: str) -> None:
        """Add a file, the files of a folder and of its subfolders, of a pattern or an address.
        Raises UserError."""
        if not source:
            raise UserError("a source is empty: give a file, a folder, a pattern or an address")
        if source.lower().startswith("file://"):
            source = unquote(urlsplit(source).path)
        if "://" in source:
            self._add_address(source)
        elif os.path.isdir(source):
            self._add_folder(source)
        elif os.path.exists(source):
            self._add_file(source, _kind_of_file(source))
        elif glob.has_magic(source):
            self._add_pattern(source)
        else:
            raise UserError(f"no such file or folder: {source}")

    def add_list(self, file: str) -> None:
        """Add what a text file names, one a line; "-" is standard input. A file that is missing
        becomes a job, which fails. Raises UserError."""
        try:
            lines = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise UserError(f"cannot read the list {file}: {reason}") from None
        for line in filter(None, map(str.strip, lines.splitlines())):
            if "://" in line or os.path.exists(line) or glob.has_magic(line):
                self.add(line)
            else:
                missing = Item(line, os.path.abspath(line), 0, "missing", False)
                self._items.setdefault(missing.path, missing)

    def _add_pattern(self, pattern: str) -> None:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise UserError(f"nothing fits the pattern {pattern}")
        for match in matches:
            if os.path.isdir(match):
                if not pattern.endswith("**"):
                    self._add_folder(match)
            else:
                self._add_known(match)

    def _add_folder(self, folder: str) -> None:
        for place, folders, files in os.walk(folder):
            if os.path.realpath(place) == self._out:
                folders.clear()
                continue
            self.skipped["hidden"] += sum(name.startswith(".") for name in folders)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                self._add_known(os.path.join(place, name))

    def _add_known(self, name: str) -> None:
        """Add a file of a folder, unless its name says that it is none of ours."""
        kind = self._kind_of_name(os.path.basename(name))
        if kind is not None:
            self._add_file(name, kind)

    def _kind_of_name(self, name: str) -> bool | None:
        """Whether a name is a photo's; None, counted, where it is neither photo nor video."""
        suffix = os.path.splitext(name)[1].lower()
        if name.startswith("."):
            self.skipped["hidden"] += 1
        elif suffix in PHOTO_SUFFIXES:
            return True
        elif suffix in VIDEO_SOURCE_SUFFIXES:
            return False
        elif suffix in UNSUPPORTED_SUFFIXES:
            self.skipped[f"{suffix}: convert to JPEG"] += 1
        else:
            self.skipped["no media"] += 1
        return None

    def _add_file(self, name: str, photo: bool) -> None:
        try:
            status = os.stat(name)
        except OSError:  # a link that leads nowhere, or it is gone by now
            self.skipped["vanished"] += 1
            return
        path = os.path.realpath(name)
        item = Item(name, path, status.st_size, str(status.st_mtime_ns), photo)
        self._items.setdefault(path, item)

    def _add_address(self, address: str) -> None:
        for path, info in _listed(address):
            kind = self._kind_of_name(path.partition("::")[0].rpartition("/")[2])
            if kind is not None:
                version = next((str(info[k]) for k in VERSION_KEYS if info.get(k)), "")
                item = Item(redact(path), path, int(info.get("size") or 0), version, kind)
                self._items.setdefault(path, item)


def _kind_of_file(name: str) -> bool:
    """Whether a file that was given by itself is a photo, as `stream.py` decides it."""
    suffix = os.path.splitext(name)[1].lower()
    known = PHOTO_SUFFIXES | VIDEO_SOURCE_SUFFIXES
    if suffix in known - ANIMATED_SUFFIXES:
        return suffix in PHOTO_SUFFIXES
    from demo.sources.photo.files import is_animated, is_photo

    path = Path(name)
    return not is_animated(path) and (suffix in PHOTO_SUFFIXES or is_photo(path))


def _listed(address: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Addresses of the files that an address names, and what their file system knows of them.
    Raises UserError."""
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(address)
        if glob.has_magic(path):
            found = system.glob(path, detail=True)
        elif system.isdir(path):
            found = system.find(path, detail=True)
        else:
            found = {path: system.info(path)}
    except Exception as error:  # the drivers' errors share no base class
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "rotocol not known" in reason:
            reason = "an archive takes files; for cameras and streams use stream.py"
        raise UserError(f"cannot list {redact(address)}: {redact(reason)}") from None
    files = {name: info for name, info in found.items() if info.get("type") == "file"}
    if not files:
        raise UserError(f"{redact(address)} holds no files")
    _, chain, rest = address.partition("::")
    return [
        (f"{system.unstrip_protocol(name)}{chain}{rest}", files[name]) for name in sorted(files)
    ]

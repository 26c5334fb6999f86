"""A data set as published: find and read its files, in a folder or a zip."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.datasets.labels import UNREADABLE, open_zip
from models.datasets.tables import Table
from models.errors import ModelError

PICTURE_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Record:
    """One picture of a data set with its labels as text of labels.csv, "" if unknown."""

    path: str  # in the source, "" if the file is missing
    file: str  # below images/ of the prepared zip
    age: str = ""
    age_bin: str = ""
    gender: str = ""
    race: str = ""
    subject: str = ""
    fold: str = ""
    split: str = ""  # the authors' split, if they made one
    dropped: str = ""  # reason to leave the picture out, "" to keep it


class Source:
    """The files of a folder or zip; `layout` describes the expected files in error lines."""

    def __init__(self, path: Path, layout: str) -> None:
        """List the files. Raises ModelError unless `path` is a folder or a readable zip."""
        self.path, self.layout = path, layout
        self._zip = open_zip(path) if zipfile.is_zipfile(path) else None
        if self._zip:
            names = [name for name in self._zip.namelist() if not name.endswith("/")]
        elif path.is_dir():
            names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        else:
            raise ModelError(f"{path} is neither a folder nor a zip file: expected {layout}")
        self.names = sorted(names)
        self._places: dict[str, str] = {}
        for name in self.names:
            self._places.setdefault("/".join(PurePosixPath(name).parts[-2:]), name)

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises KeyError or one of UNREADABLE."""
        return self._zip.read(name) if self._zip else (self.path / name).read_bytes()

    def place(self, tail: str) -> str:
        """The path in the source that ends in "folder/file", "" if there is none."""
        return self._places.get(tail, "")

    def table(self, tail: str) -> bytes:
        """The bytes of the list whose path ends in `tail`. Raises ModelError if there is none or it
        cannot be read."""
        found = [name for name in self.names if f"/{name}".endswith(f"/{tail}")]
        if not found:
            raise ModelError(f"{self.path} has no {tail}: expected {self.layout}")
        try:
            return self.read(found[0])
        except UNREADABLE as error:
            raise ModelError(f"{self.path}: {found[0]} cannot be read: {error}") from None

    def lines(self, tail: str) -> list[str]:
        """The lines of a list, without empty ones. Raises ModelError."""
        text = self.table(tail).decode("utf-8-sig", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def rows(self, tail: str, columns: set[str], delimiter: str = ",") -> list[dict[str, str]]:
        """The rows of a list whose header has these columns. Raises ModelError if one is
        missing."""
        text = self.table(tail).decode("utf-8-sig", "replace")
        table = Table(text, f"{self.path}: {tail}", delimiter)
        table.check(columns)
        return list(table)

    def matches(self, pattern: str) -> Iterator[tuple[str, str, re.Match[str] | None]]:
        """Path, file name and match of the pattern with the whole file name, of every picture."""
        for path in self.names:
            file = PurePosixPath(path).name
            if file.lower().endswith(PICTURE_SUFFIXES) and not file.startswith("."):
                yield path, file, re.fullmatch(pattern, file, re.IGNORECASE)

    def listed(self, tail: str, dropped: str = "", **labels: str) -> Record:
        """The record of a picture that a list names "folder/file"; dropped if there is no such
        file."""
        path = self.place(tail)
        labels = {"file": tail, **labels}
        return Record(path, **labels, dropped=dropped or ("" if path else "file is missing"))

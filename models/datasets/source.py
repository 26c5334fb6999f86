"""What a published data set holds: its files, and the pictures that lists and names describe."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.datasets.labels import UNREADABLE, open_zip
from models.errors import ModelError

PICTURES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Record:
    """One picture of a data set with its labels, in the words of labels.csv, "" where unknown."""

    path: str  # in the source
    file: str  # below images/
    age: str = ""
    age_bin: str = ""
    gender: str = ""
    race: str = ""
    subject: str = ""
    fold: str = ""
    split: str = ""  # where the authors made one
    dropped: str = ""  # the reason, if it is left out


class Source:
    """The files of a folder or zip. `layout` says in one line how they should lie."""

    def __init__(self, path: Path, layout: str) -> None:
        self.path, self.layout = path, layout
        self._zip = open_zip(path) if zipfile.is_zipfile(path) else None
        if self._zip:
            names = [name for name in self._zip.namelist() if not name.endswith("/")]
        elif path.is_dir():
            names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        else:
            raise ModelError(f"{path} is neither a folder nor a zip file: wanted is {layout}")
        self.names = sorted(names)
        self._places: dict[str, str] = {}
        for name in self.names:
            self._places.setdefault("/".join(PurePosixPath(name).parts[-2:]), name)

    def read(self, name: str) -> bytes:
        """Raises one of UNREADABLE, or KeyError."""
        return self._zip.read(name) if self._zip else (self.path / name).read_bytes()

    def place(self, tail: str) -> str:
        """Where "folder/file" lies, "" if nowhere."""
        return self._places.get(tail, "")

    def table(self, tail: str) -> bytes:
        """The list whose path ends in `tail`. Raises ModelError."""
        found = [name for name in self.names if f"/{name}".endswith(f"/{tail}")]
        if not found:
            raise ModelError(f"{self.path} has no {tail}: wanted is {self.layout}")
        try:
            return self.read(found[0])
        except UNREADABLE as error:
            raise ModelError(f"{self.path}: {found[0]} cannot be read: {error}") from None

    def lines(self, tail: str) -> list[str]:
        """The lines of a list that are not empty."""
        text = self.table(tail).decode("utf-8-sig", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def rows(self, tail: str, columns: set[str], delimiter: str = ",") -> list[dict[str, str]]:
        """The rows of a list with a head that names these columns."""
        text = io.StringIO(self.table(tail).decode("utf-8-sig", "replace"), newline="")
        table = csv.DictReader(text, restval="", delimiter=delimiter)
        try:
            missing = columns - set(table.fieldnames or ())
            if missing:
                raise ModelError(f"{self.path}: {tail} has no column {', '.join(sorted(missing))}")
            return list(table)
        except csv.Error as error:
            raise ModelError(f"{self.path}: {tail} cannot be read: {error}") from None

    def matches(self, pattern: str) -> Iterator[tuple[str, str, re.Match[str] | None]]:
        """Every picture: its path, its file name and what the pattern finds in that."""
        for path in self.names:
            file = PurePosixPath(path).name
            if file.lower().endswith(PICTURES) and not file.startswith("."):
                yield path, file, re.fullmatch(pattern, file, re.IGNORECASE)

    def listed(self, tail: str, dropped: str = "", **labels: str) -> Record:
        """A record of the picture that a list names "folder/file"."""
        path = self.place(tail)
        labels = {"file": tail, **labels}
        return Record(path, **labels, dropped=dropped or ("" if path else "file is missing"))

"""Parts of the data set: a Parquet file of faces and one of people for each job."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from demo.archive.schema import FACES, PEOPLE, SCHEMA_VERSION
from demo.frames import Faces, Frame
from demo.records import csv_rows
from demo.sinks.presence import MAX_FRAME_SECONDS, gender_of

if TYPE_CHECKING:
    import pyarrow

ROWS = 20_000  # of faces in memory


@dataclass
class _Person:
    """One id of a video."""

    first: float  # seconds of the source, as all times
    last: float
    seconds: float = 0.0  # in view
    frames: int = 0
    age: float = math.nan  # the last known values
    age_low: float = math.nan
    age_high: float = math.nan
    male: float = math.nan


class People:
    """The people of a video, from its frames."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}
        self._seen: list[_Person] = []  # in the last frame
        self._time = self._length = 0.0  # of the last frame; of the one before it
        self._source = ""

    def __len__(self) -> int:
        return len(self._people)

    def add(self, frame: Frame, faces: Faces) -> None:
        """Count a frame. Faces without an id are left out."""
        self._length = min(max(frame.time - self._time, 0.0), MAX_FRAME_SECONDS)
        self._count_last_frame()
        self._time, self._source, self._seen = frame.time, frame.source, []
        rows = zip(
            *(faces.ids.tolist(), faces.ages.tolist(), faces.age_low.tolist()),
            *(faces.age_high.tolist(), faces.male_probs.tolist()),
            strict=True,
        )
        for number, age, low, high, male in rows:
            if number >= 1:
                new = _Person(frame.time, frame.time)
                person = self._people.setdefault(number, new)
                person.last, person.frames = frame.time, person.frames + 1
                if math.isfinite(age):
                    person.age, person.age_low, person.age_high = age, low, high
                person.male = male if math.isfinite(male) else person.male
                self._seen.append(person)

    def rows(self) -> list[list[Any]]:
        """The people with the columns PEOPLE, after the last frame."""
        self._count_last_frame()
        self._seen = []
        return [
            [
                *(self._source, number, round(p.first, 4), round(p.last, 4), round(p.seconds, 3)),
                *(p.frames, _rounded(p.age, 2), _rounded(p.age_low, 1), _rounded(p.age_high, 1)),
                *(_rounded(p.male, 4), gender_of(_rounded(p.male, 4))),
            ]
            for number, p in sorted(self._people.items())
        ]

    def _count_last_frame(self) -> None:
        for person in self._seen:
            person.seconds += self._length


class PartWriter:
    """Writes FACES and PEOPLE of one job as Parquet, in memory that does not grow with it."""

    def __init__(self, folder: Path, photos: bool, metadata: Mapping[str, str]) -> None:
        """Write faces.parquet and people.parquet to a folder; in `photos` nobody is a person."""
        import pyarrow.parquet as parquet

        about = {"agestream.schema": str(SCHEMA_VERSION), **metadata}
        self._schemas = {"faces": _schema(FACES, about), "people": _schema(PEOPLE, about)}
        self._folder, self._photos = folder, photos
        self._rows: list[list[Any]] = []
        self.people, self.faces = People(), 0
        self._parquet = parquet
        self._file = parquet.ParquetWriter(
            folder / "faces.parquet", self._schemas["faces"], compression="zstd"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *exception: object) -> None:
        try:
            if kind is None:
                self._flush()
                people = _table(self.people.rows(), self._schemas["people"])
                self._parquet.write_table(
                    people, self._folder / "people.parquet", compression="zstd"
                )
        finally:
            self._file.close()

    def write(self, frame: Frame, faces: Faces) -> None:
        """Add a frame."""
        rows = csv_rows(frame, faces)
        self.faces += len(rows)
        self._rows += rows
        if not self._photos:
            self.people.add(frame, faces)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(_table(self._rows, self._schemas["faces"]))
            self._rows = []


def _schema(columns: Mapping[str, str], metadata: Mapping[str, str]) -> "pyarrow.Schema":
    import pyarrow

    fields = [pyarrow.field(n, pyarrow.type_for_alias(kind)) for n, kind in columns.items()]
    return pyarrow.schema(fields, metadata=dict(metadata))


def _table(rows: list[list[Any]], schema: "pyarrow.Schema") -> "pyarrow.Table":
    import pyarrow

    columns = dict(zip(schema.names, zip(*rows, strict=True), strict=True)) if rows else {}
    if rows:  # as in logs: a name need not be text
        columns["source"] = tuple(map(_text, columns["source"]))
    arrays = [pyarrow.array(columns.get(f.name, ()), f.type) for f in schema]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _rounded(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None

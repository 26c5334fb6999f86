"""Parts of the data set: a Parquet file of faces and one of people for each job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from demo.archive.people import People
from demo.archive.schema import FACES, PEOPLE
from demo.archive.tables import arrow_schema, arrow_table
from demo.frames import Faces, Frame
from demo.records import csv_rows

ROWS = 20_000  # of faces in memory


class PartWriter:
    """Writes FACES and PEOPLE of one job as Parquet, in memory that does not grow with it."""

    def __init__(self, folder: Path, photos: bool, metadata: Mapping[str, str]) -> None:
        """Write faces.parquet and people.parquet to a folder; in `photos` nobody is a person."""
        import pyarrow.parquet as parquet

        columns = {"faces": FACES, "people": PEOPLE}
        self._schemas = {kind: arrow_schema(each, metadata) for kind, each in columns.items()}
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
                people = arrow_table(self.people.rows(), self._schemas["people"])
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
            self._file.write_table(arrow_table(self._rows, self._schemas["faces"]))
            self._rows = []

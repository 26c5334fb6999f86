"""Parquet files of a camera's process, one an hour, each replaced by a longer one."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from demo.archive.ledger import sync_folder
from demo.archive.tables import arrow_schema, arrow_table
from models.files import writable_folder

UNFINISHED = ".unfinished"  # folder of files before they have their names
PARTS = "parts"  # folder whose file names are the part numbers that are taken
Rows = list[list[Any]]


def claim_part(folder: Path) -> int:
    """Take the next part number of a camera, from 1. No other process gets it, also where several
    machines see the folder. Raises OSError."""
    claims = folder / PARTS
    writable_folder(claims)
    while True:
        taken = sorted(int(path.name) for path in claims.iterdir() if path.name.isdecimal())
        number = taken[-1] + 1 if taken else 1
        with suppress(FileExistsError):
            (claims / str(number)).touch(exist_ok=False)
            for older in taken:  # the highest number is enough
                (claims / str(older)).unlink(missing_ok=True)
            return number


class HourFiles:
    """The files `HOUR.PART.parquet` of one kind of rows. A visible file is always complete: the new
    one is written under another name, synced and renamed."""

    def __init__(self, folder: Path, kind: str, columns: dict[str, str], part: int) -> None:
        """Write to `folder/kind`, and remove what earlier parts left unfinished. Raises OSError."""
        self._folder, self._unfinished, self._part = folder / kind, folder / UNFINISHED, part
        self._kind, self._schema = kind, arrow_schema(columns)
        writable_folder(self._folder)
        writable_folder(self._unfinished)
        for left in self._unfinished.glob(f"{kind}.*"):
            if int(left.name.split(".")[2]) < part:
                left.unlink(missing_ok=True)

    def append(self, hour: str, rows: Rows) -> None:
        """Add rows to the file of an hour. Raises OSError."""
        self._write(hour, rows, self.path(hour))

    def replace(self, hour: str, rows: Rows) -> None:
        """Give the file of an hour other rows. Raises OSError."""
        self._write(hour, rows, None)

    def path(self, hour: str) -> Path:
        """The file of an hour, as "2026-11-27T14"."""
        return self._folder / f"{hour}.{self._part:05d}.parquet"

    def _write(self, hour: str, rows: Rows, before: Path | None) -> None:
        from pyarrow import parquet

        path = self.path(hour)
        unfinished = self._unfinished / f"{self._kind}.{path.name}"
        try:
            with parquet.ParquetWriter(unfinished, self._schema, compression="zstd") as writer:
                if before and before.exists():
                    with parquet.ParquetFile(before) as old:
                        for group in range(old.num_row_groups):
                            writer.write_table(old.read_row_group(group, use_threads=False))
                writer.write_table(arrow_table(rows, self._schema))
            with unfinished.open("r+b") as file:
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(self._folder)

"""Results of every frame in a file, as JSON Lines or CSV."""

import csv
import json
from pathlib import Path
from typing import Self, TextIO

from demo.errors import UserError
from demo.frames import Faces, Frame, Timing
from demo.records import CSV_COLUMNS, csv_rows, frame_record
from demo.sinks.paths import check_file
from models.cells import harmless

LOG_SUFFIXES = {".jsonl", ".csv"}


class Log:
    """A sink that writes one JSON object per frame, or one CSV row per face; see `demo.records`.

    The file appears with the first frame and is complete up to the last frame at any time.
    """

    def __init__(self, path: Path) -> None:
        """Write to a .jsonl or .csv file. Raises UserError if the path cannot be used."""
        check_file(path, LOG_SUFFIXES, "log to")
        self._path, self._is_csv = path, path.suffix.lower() == ".csv"
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise UserError(f"cannot log to {self._path}: {error.strerror}") from None

    def write(self, frame: Frame, faces: Faces, timing: Timing) -> None:
        """Log a frame. Raises UserError if that fails."""
        try:
            self._file = self._file or self._open()
            if self._is_csv:
                rows = csv_rows(frame, faces)
                csv.writer(self._file).writerows(map(harmless, row) for row in rows)
            else:
                record = frame_record(frame, faces)
                self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"cannot log to {self._path}: {error.strerror}") from None

    @property
    def written(self) -> bool:
        """Whether there is a file: it is created with the first frame."""
        return self._file is not None

    def _open(self) -> TextIO:
        file = self._path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        if self._is_csv:
            csv.writer(file).writerow(CSV_COLUMNS)
        return file

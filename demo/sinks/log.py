"""The results as data: JSON Lines or CSV."""

import csv
import json
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from demo.errors import UserError
from demo.frames import Faces, Frame
from demo.sinks.video import check_writable

LOG_SUFFIXES = {".jsonl", ".csv"}
BOX = ["x1", "y1", "x2", "y2"]
ESTIMATES = ["age", "age_low", "age_high", "male"]
CSV_COLUMNS = ["source", "frame", "time", "id", *BOX, "score", *ESTIMATES]


class Log:
    """One JSON object a frame, or one CSV row a face; complete to the last frame at any time, and
    before the first one no file is touched."""

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in LOG_SUFFIXES:
            raise UserError(f"cannot log to {path}: the name must end in .jsonl or .csv")
        check_writable(path)
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

    def write(self, frame: Frame, faces: Faces) -> None:
        """Log a frame. Raises UserError where that fails."""
        try:
            self._file = self._file or self._opened()
            if self._is_csv:
                csv.writer(self._file).writerows(csv_rows(frame, faces))
            else:
                self._file.write(json.dumps(log_record(frame, faces), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"cannot log to {self._path}: {error.strerror}") from None

    @property
    def written(self) -> bool:
        """Whether there was a frame, and so a file."""
        return self._file is not None

    def _opened(self) -> TextIO:
        file = self._path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        if self._is_csv:
            csv.writer(file).writerow(CSV_COLUMNS)
        return file


def log_record(frame: Frame, faces: Faces) -> dict[str, Any]:
    """What the JSON log says of a frame: the format others rely on."""
    return {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.time, 4),
        "faces": [
            {
                "id": int(faces.ids[row]),
                "box": [round(float(v), 1) for v in faces.boxes[row]],
                "score": round(float(faces.scores[row]), 4),
                "age": _number(faces.ages[row], 2),
                "age_low": _number(faces.age_low[row], 1),
                "age_high": _number(faces.age_high[row], 1),
                "male": _number(faces.male_probs[row], 4),
            }
            for row in range(len(faces))
        ],
    }


def csv_rows(frame: Frame, faces: Faces) -> list[list[Any]]:
    """What the CSV log says of a frame: one row a face, columns CSV_COLUMNS."""
    record = log_record(frame, faces)
    frame_columns = [record["source"], record["frame"], record["time"]]
    return [
        [*frame_columns, face["id"], *face["box"], face["score"], *(face[k] for k in ESTIMATES)]
        for face in record["faces"]
    ]


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None

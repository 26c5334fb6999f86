"""Tables as people write them: CSV files with spaces around values."""

import csv
import io
from collections.abc import Iterator

from models.errors import ModelError

MOST_NAMED = 12  # columns, in an error line
BLANK = "\ufeff\u200b"  # besides white space: marks that spreadsheets leave


class Table:
    """The rows of a CSV file, each a dict from column to cell, without the space around names of
    columns and cells; rows without any cell are left out. Reading raises ModelError where a line is
    damaged."""

    def __init__(self, text: str, name: str, delimiter: str = ",") -> None:
        """Read the names of the columns from the first line of the `text`. `name` is the file's, in
        error lines."""
        self._name = name
        self._rows = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t"
        )
        self.columns = self._next() or []

    def __iter__(self) -> Iterator[dict[str, str]]:
        while (cells := self._next()) is not None:
            if any(cells):
                cells += [""] * (len(self.columns) - len(cells))
                yield dict(zip(self.columns, cells, strict=False))

    @property
    def place(self) -> str:
        """The name of the file with the number of the last line that was read, from 1."""
        return f"{self._name} line {self._rows.line_num}"

    def check(self, columns: set[str]) -> None:
        """Raise ModelError unless the table has these columns."""
        if missing := columns - set(self.columns):
            found = ", ".join(map(repr, self.columns[:MOST_NAMED])) or "none"
            wanted = " and ".join(sorted(missing))
            raise ModelError(f"{self._name} has no column {wanted}: its columns are {found}")

    def _next(self) -> list[str] | None:
        """The cells of the next line; None at the end."""
        try:
            return [cell.strip().strip(BLANK).strip() for cell in next(self._rows)]
        except StopIteration:
            return None
        except csv.Error as error:
            raise ModelError(f"{self.place} is damaged: {error}") from None

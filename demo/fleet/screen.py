"""What a terminal shows of a fleet: a table that is drawn anew, or a line for each change."""

import shutil
from typing import TextIO

from demo.fleet.status import Row, Status, table
from models.printable import printable

UP, CLEAR = "\x1b[{}A", "\x1b[J"  # cursor up by lines; clear from it to the end of the screen


class Screen:
    """Shows one status after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._lines = file, 0
        self._shown: dict[str, tuple[str, str]] = {}  # by camera: what its last line was about

    def show(self, status: Status) -> None:
        """Draw the table in a terminal; elsewhere print a line for each camera that changed."""
        if self._file.isatty():
            size = shutil.get_terminal_size()
            lines = table(status, size.columns - 1)[: size.lines - 1]
            up = UP.format(self._lines) if self._lines else ""
            self._file.write(f"\r{up}{CLEAR}" + "".join(f"{line}\n" for line in lines))
            self._lines = len(lines)
        else:
            for row in status["cameras"]:
                self._note(row)
        self._file.flush()

    def _note(self, row: Row) -> None:
        about = row["state"], row["error"] if row["state"] in ("waiting", "lost") else row["link"]
        if self._shown.get(row["camera"]) != about:
            self._shown[row["camera"]] = about
            text = ": ".join(filter(None, (row["camera"], *about)))
            self._file.write(f"{printable(text)}\n")

"""Cells of CSV files that a spreadsheet does not run."""

from typing import Any

# After OWASP, "CSV Injection", with the full-width forms
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(value: Any) -> Any:
    """The value of a cell: text that a spreadsheet would run as a formula gets an apostrophe in
    front, which shows it as text; numbers stay.

    >>> harmless("=1+1.jpg"), harmless("1+1.jpg"), harmless("-1"), harmless(-1)
    ("'=1+1.jpg", '1+1.jpg', '-1', -1)
    """
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def original(cell: str) -> str:
    """The text that `harmless` made into a cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA_STARTS) else cell

"""Rows as Arrow tables, for Parquet files."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from demo.archive.schema import CLOCK, SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow

NO_METADATA: Mapping[str, str] = {}


def arrow_schema(
    columns: Mapping[str, str], metadata: Mapping[str, str] = NO_METADATA
) -> "pyarrow.Schema":
    """The columns, as Parquet files have them, with the version of the schema and `metadata`."""
    import pyarrow

    clock = pyarrow.timestamp("ms", "UTC")
    fields = [
        pyarrow.field(name, clock if kind == CLOCK else pyarrow.type_for_alias(kind))
        for name, kind in columns.items()
    ]
    about = {"agestream.schema": str(SCHEMA_VERSION), **metadata}
    return pyarrow.schema(fields, metadata=about)


def arrow_table(rows: list[list[Any]], schema: "pyarrow.Schema") -> "pyarrow.Table":
    """Rows with the columns of the schema; no row is an empty table."""
    import pyarrow

    columns = dict(zip(schema.names, zip(*rows, strict=True), strict=True)) if rows else {}
    if "source" in columns:  # as in logs: a name need not be text
        columns["source"] = tuple(map(_text, columns["source"]))
    arrays = [pyarrow.array(columns.get(f.name, ()), f.type) for f in schema]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()

"""The columns of a fleet's results: those of an archive, with wall-clock time and part."""

from typing import TYPE_CHECKING

from demo.archive.schema import FACES, PEOPLE, SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow

CLOCK = "timestamp[ms, UTC]"
PART = {"part": "int64"}  # number of the camera's process: ids and seconds begin anew with each
FLEET_FACES = {**FACES, "moment": CLOCK, **PART}
FLEET_PEOPLE = {**PEOPLE, "first_moment": CLOCK, "last_moment": CLOCK, **PART}


def arrow_schema(columns: dict[str, str]) -> "pyarrow.Schema":
    """The columns, as Parquet files have them, with the version of the schema."""
    import pyarrow

    clock = pyarrow.timestamp("ms", "UTC")
    fields = [
        pyarrow.field(name, clock if kind == CLOCK else pyarrow.type_for_alias(kind))
        for name, kind in columns.items()
    ]
    return pyarrow.schema(fields, metadata={"agestream.schema": str(SCHEMA_VERSION)})

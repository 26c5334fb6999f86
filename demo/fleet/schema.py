"""The columns of a fleet's results: those of an archive, with wall-clock time and part."""

from demo.archive.schema import CLOCK, FACES, PEOPLE

PART = {"part": "int64"}  # number of the camera's process: ids and seconds begin anew with each
FLEET_FACES = {**FACES, "moment": CLOCK, **PART}
FLEET_PEOPLE = {**PEOPLE, "first_moment": CLOCK, "last_moment": CLOCK, **PART}

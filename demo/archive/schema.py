"""The columns of the data set. A table in demo/README.md explains them."""

SCHEMA_VERSION = 1  # "agestream.schema" of every part; raise it with every change of the columns
CLOCK = "timestamp[ms, UTC]"
# the columns of the CSV log: equal names and values
FACES = {
    "source": "string",
    "frame": "int64",
    "time": "double",
    "id": "int64",
    **dict.fromkeys(("x1", "y1", "x2", "y2", "score"), "double"),
    **dict.fromkeys(("age", "age_low", "age_high", "male"), "double"),
    "shot": "int64",
}
PEOPLE = {
    "source": "string",
    "id": "int64",
    **dict.fromkeys(("first_seen", "last_seen", "seconds"), "double"),
    "frames": "int64",
    **dict.fromkeys(("age", "age_low", "age_high", "male"), "double"),
    "gender": "string",
}

"""The calls that the server answers: the one table behind the API's description and its page."""

from dataclasses import dataclass
from typing import Any

from demo.history.queries import PERIODS
from demo.web.analyze import MAX_BODY, MAX_PHOTOS

JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
CAMERAS, STORE = "--serve-cameras", "--store"  # options that some calls need


@dataclass(frozen=True)
class Parameter:
    """A parameter in the address."""

    name: str
    text: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One method of one path."""

    path: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    answer: tuple[str, dict[str, Any]] = (JSON, {})  # media type and schema
    errors: tuple[tuple[int, str], ...] = ()  # status codes beside those of every call
    method: str = "get"
    photos: bool = False  # the body is photos
    endless: bool = False  # the answer has no end: a stream
    socket: bool = False  # a WebSocket
    open: bool = False  # needs no token
    needs: str = ""  # the option without which a run does not answer it

    @property
    def kind(self) -> str:
        """The group in which it is shown."""
        if self.answer[0] == HTML:
            return "pages"
        return "streams" if self.endless or self.socket else "questions"


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _page(path: str, summary: str, needs: str = "") -> Call:
    return Call(path, summary, answer=(HTML, {"type": "string"}), needs=needs)


_SOURCE = Parameter("source", "name of a source, as in /api/sources", {"type": "string"})
_BAD = (400, "a parameter cannot be used")
_MANY = (503, "too many are open already")


def _history_parameters(*periods: str) -> tuple[Parameter, ...]:
    times = {"type": "string", "examples": ["2026-05-01"]}
    return (
        Parameter("by", "length of a period", {"enum": list(periods), "default": "day"}),
        _SOURCE,
        Parameter("since", "first day or moment, in the server's time zone", times),
        Parameter("until", "last day, or the moment before which it ends", times),
    )


CALLS = (
    Call(
        "/api/sources",
        "The sources and how they are doing",
        answer=(JSON, {"properties": {"sources": {"type": "array", "items": _ref("Source")}}}),
    ),
    Call(
        "/api/people",
        "The people in view now, and those seen so far",
        answer=(JSON, _ref("People")),
    ),
    Call(
        "/api/summary",
        "The summary of the run up to now",
        "The same object as in the file of `--summary`.",
        parameters=(
            Parameter("people", "whether to list them", {"enum": ["yes", "no"], "default": "yes"}),
        ),
        answer=(JSON, {"type": "object"}),
    ),
    Call(
        "/api/analyze",
        "The faces of photos",
        f"Photos as files of a form, up to {MAX_PHOTOS} with {MAX_BODY // 1_000_000} MB together, "
        "or one as the body. They are not kept. Addresses and paths are not taken.",
        answer=(JSON, _ref("Photos")),
        errors=(
            (400, "the body is damaged or holds no photo"),
            (408, "the photos took too long to arrive"),
            (413, "too many bytes or photos"),
            (415, "the body is of another type"),
            (422, "no photo could be read"),
            (503, "others are being served: try again after the seconds of Retry-After"),
        ),
        method="post",
        photos=True,
    ),
    Call(
        "/api/history",
        "People and visits by hour, day or week",
        parameters=_history_parameters(*PERIODS),
        answer=(JSON, {"type": "object"}),
        errors=(_BAD,),
        needs=STORE,
    ),
    Call(
        "/api/history.csv",
        "The history as a table",
        "A line for each period, or with `by=visit` for each visit.",
        parameters=_history_parameters(*PERIODS, "visit"),
        answer=("text/csv", {"type": "string"}),
        errors=(_BAD,),
        needs=STORE,
    ),
    Call(
        "/api/openapi.json",
        "This description",
        "OpenAPI 3.1.",
        answer=(JSON, {"type": "object"}),
    ),
    Call(
        "/metrics",
        "Figures for Prometheus",
        "Frames, dropped frames, latency, faces, people, reconnects, stage times and viewers.",
        answer=(TEXT, {"type": "string"}),
    ),
    Call(
        "/healthz",
        "Whether the run does its work",
        "Needs no token.",
        answer=(JSON, _ref("Health")),
        errors=((503, "the run ended, or no live source sends frames"),),
        open=True,
    ),
    Call(
        "/api/events",
        "Results and events as they come",
        "Server-sent events: `frame` with a line of the log; `lost`, `back`, `failed`, `warning` "
        "and `info` of the run; `dropped` with the count of those that a slow reader missed.",
        answer=("text/event-stream", {"oneOf": [_ref("Frame"), _ref("Event")]}),
        errors=(_MANY,),
        endless=True,
    ),
    Call(
        "/stream.mjpg",
        "The picture with boxes and labels, as MJPEG",
        "For players and home automation.",
        parameters=(
            _SOURCE,
            Parameter("width", "most pixels in a row", {"type": "integer", "minimum": 1}),
        ),
        answer=("multipart/x-mixed-replace", {"type": "string", "format": "binary"}),
        errors=((400, "width is no number of pixels"), (404, "there is no such source"), _MANY),
        endless=True,
    ),
    Call(
        "/api/live",
        "The WebSocket of the live page",
        "Pictures as binary messages: four bytes, little-endian, with the length of a JSON header, "
        "the header, a JPEG. The next picture of a source comes after "
        '`{"type":"ack","source":…,"number":…}`. Pictures come once the page has sent '
        '`{"type":"view","widths":{source: pixels}}`.',
        errors=(_MANY,),
        socket=True,
    ),
    Call(
        "/api/camera",
        "The WebSocket of a viewer's own camera",
        "A picture is four bytes, little-endian, with its number, and "
        "a JPEG; the answer is JSON with the number and the faces.",
        socket=True,
        needs=CAMERAS,
    ),
    _page("/", "The live page"),
    _page("/camera", "The page for a viewer's own camera", CAMERAS),
    _page("/history", "The page of the history", STORE),
    _page("/api", "This page"),
)

_NUMBER = {"type": ["number", "null"]}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Face": {
        "type": "object",
        "description": "A face as in the JSON log; null where a value is not known.",
        "required": ["id", "box", "score", "age", "age_low", "age_high", "male"],
        "properties": {
            "id": {"type": "integer", "description": "of the person, from 1; -1: not confirmed"},
            "box": {
                "type": "array",
                "description": "x1, y1, x2, y2 in pixels of the frame",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
            },
            "score": {"type": "number", "description": "of the detector, 0 to 1"},
            "age": _NUMBER | {"description": "years"},
            "age_low": _NUMBER | {"description": "years, of the range that covers 90 %"},
            "age_high": _NUMBER | {"description": "years, of the range that covers 90 %"},
            "male": _NUMBER | {"description": "probability, 0 to 1"},
        },
    },
    "Frame": {
        "type": "object",
        "required": ["source", "frame", "time", "shot", "faces"],
        "properties": {
            "source": {"type": "string"},
            "frame": {"type": "integer", "description": "from 0"},
            "time": {"type": "number", "description": "seconds since the start of the source"},
            "shot": {"type": "integer", "description": "from 1; a cut begins the next one"},
            "faces": {"type": "array", "items": _ref("Face")},
        },
    },
    "Event": {
        "type": "object",
        "required": ["kind", "text", "source", "time"],
        "properties": {
            "kind": {"enum": ["info", "warning", "lost", "back", "failed"]},
            "text": {"type": "string"},
            "source": {"type": "string", "description": "empty: the whole run"},
            "time": {"type": "number", "description": "seconds since the start of the source"},
        },
    },
    "Source": {
        "type": "object",
        "required": ["name", "title", "live", "fps", "dropped", "frames", "lost"],
        "properties": {
            "name": {"type": "string"},
            "title": {"type": "string", "description": "a short name"},
            "live": {"type": "boolean"},
            "fps": _NUMBER | {"description": "as the file or the camera states"},
            "dropped": {"type": "integer", "description": "frames that newer ones replaced"},
            "frames": {"type": "integer", "description": "that were analyzed"},
            "lost": {"type": "boolean"},
            "width": {"type": "integer", "description": "pixels, of the newest frame"},
            "height": {"type": "integer", "description": "pixels, of the newest frame"},
            "time": {"type": "number", "description": "seconds, of the newest frame"},
            "processing_ms": {"type": "number"},
            "latency_ms": _NUMBER | {"description": "from capture to faces; null for files"},
        },
    },
    "People": {
        "type": "object",
        "required": ["in_view", "people_seen", "people"],
        "properties": {
            "in_view": {
                "type": "array",
                "items": {"allOf": [_ref("Face")], "properties": {"source": {"type": "string"}}},
            },
            "people_seen": {"type": "integer"},
            "people": {"type": "array", "items": {"type": "object"}},
        },
    },
    "Photos": {
        "type": "object",
        "required": ["photos"],
        "properties": {"photos": {"type": "array", "items": _ref("Photo")}},
    },
    "Photo": {
        "type": "object",
        "description": "The faces of a photo, or why it cannot be read.",
        "required": ["source"],
        "properties": {
            "source": {"type": "string", "description": "name of the file"},
            "width": {"type": "integer", "description": "pixels"},
            "height": {"type": "integer", "description": "pixels"},
            "faces": {"type": "array", "items": _ref("Face")},
            "error": {"type": "string"},
        },
    },
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": ["ok", "silent", "ended"]}},
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "one line"}},
    },
}

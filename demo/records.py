"""Results as plain values: the format of logs and pages, and tables for those who have pandas or
supervision."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from demo.frames import Faces, Frame

if TYPE_CHECKING:
    import pandas
    import supervision

CORNERS = ["x1", "y1", "x2", "y2"]
ESTIMATES = ["age", "age_low", "age_high", "male"]
CSV_COLUMNS = ["source", "frame", "time", "id", *CORNERS, "score", *ESTIMATES, "shot"]


def face_records(faces: Faces) -> list[dict[str, Any]]:
    """One dict per face, as in the JSON log; None where a value is not known.

    `box` is [x1, y1, x2, y2] in pixels, `male` a probability, `age_low` to `age_high` the 90 %
    range in years.

    >>> import numpy as np
    >>> from demo import Faces, face_records
    >>> boxes = np.array([[10, 20, 50, 70]], np.float32)
    >>> face_records(Faces.detected(boxes, np.array([0.99]), np.zeros((1, 5, 2))))
    [{'id': -1, 'box': [10.0, 20.0, 50.0, 70.0], 'score': 0.99, 'age': None, 'age_low': None, \
'age_high': None, 'male': None}]
    """
    return [
        {
            "id": int(faces.ids[row]),
            "box": [round(float(v), 1) for v in faces.boxes[row]],
            "score": round(float(faces.scores[row]), 4),
            "age": rounded(faces.ages[row], 2),
            "age_low": rounded(faces.age_low[row], 1),
            "age_high": rounded(faces.age_high[row], 1),
            "male": rounded(faces.male_probs[row], 4),
        }
        for row in range(len(faces))
    ]


def frame_record(frame: Frame, faces: Faces) -> dict[str, Any]:
    """A frame with its faces, as one line of the JSON log.

    >>> from demo import analyze, frame_record
    >>> frame, faces = next(analyze("assets/demo.mp4"))
    >>> record = frame_record(frame, faces)
    >>> list(record), record["time"], len(record["faces"])
    (['source', 'frame', 'time', 'shot', 'faces'], 0.0, 2)
    """
    return {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.time, 4),
        "shot": frame.shot,
        "faces": face_records(faces),
    }


def csv_rows(frame: Frame, faces: Faces) -> list[list[Any]]:
    """A frame's faces as rows of the CSV log, with the columns CSV_COLUMNS."""
    record = frame_record(frame, faces)
    frame_columns = [record["source"], record["frame"], record["time"]]
    return [
        [
            *(*frame_columns, face["id"], *face["box"], face["score"]),
            *(face[k] for k in ESTIMATES),
            frame.shot,
        ]
        for face in record["faces"]
    ]


def to_pandas(results: Iterable[tuple[Frame, Faces]]) -> "pandas.DataFrame":
    """A table of all faces, one row per face and frame, with the columns of the CSV log.

    >>> from demo import Options, analyze, to_pandas
    >>> table = to_pandas(analyze("assets/demo.mp4", Options(max_frames=50)))
    >>> table[table.id > 0].groupby("id").age.last().round().gt(18).tolist()
    [True, True]

    Raises ImportError where pandas is not installed.
    """
    import pandas

    rows = [row for frame, faces in results for row in csv_rows(frame, faces)]
    return pandas.DataFrame(rows, columns=CSV_COLUMNS)


def to_supervision(faces: Faces) -> "supervision.Detections":
    """The faces as `supervision.Detections`, with "age", "age_low", "age_high", "male" and
    "points" in `data`. Raises ImportError where supervision is not installed."""
    import supervision

    return supervision.Detections(
        xyxy=faces.boxes,
        confidence=faces.scores,
        tracker_id=faces.ids,
        data={
            "age": faces.ages,
            "age_low": faces.age_low,
            "age_high": faces.age_high,
            "male": faces.male_probs,
            "points": faces.points,
        },
    )


def rounded(value: float | None, digits: int) -> float | None:
    """A value with so many digits; None where it is not known, also for nan."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)

"""Score SORT on MOT15 as its authors do: `python -m trackers.evaluate MOT15_DIR`.

MOT15_DIR holds SEQUENCE/det.txt and SEQUENCE/gt.txt with rows frame, id, x, y, w, h, confidence.
"""

import argparse
import errno
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trackers.boxes import iou
from trackers.sort import Sort

# MOTA in per cent that the SORT authors publish for these detections with default settings
PUBLISHED = {"TUD-Campus": 62.7, "TUD-Stadtmitte": 71.7, "Venice-2": 18.6}


@dataclass(frozen=True, eq=False)
class Observations:
    """Boxes with their frames and ids, one row each."""

    frames: np.ndarray  # (N,) int64, from 1
    ids: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) float64, xyxy, pixels


@dataclass(frozen=True)
class Clear:
    """Two of the CLEAR MOT scores (Bernardin and Stiefelhagen 2008)."""

    mota: float  # per cent, at IoU 0.5
    id_switches: int


def read_detections(sequence: Path) -> Observations:
    """Read every row of a sequence's det.txt."""
    return _observations(_read_rows(sequence / "det.txt"))


def read_truth(sequence: Path) -> Observations:
    """Read the rows of confidence 1 of a sequence's gt.txt; the others are not evaluated."""
    rows = _read_rows(sequence / "gt.txt")
    return _observations(rows[rows[:, 6] == 1])


def track(detections: Observations, frame_count: int) -> tuple[Observations, Observations]:
    """Run SORT with its default settings over frames 1 to `frame_count`.

    Return the tracks that the paper reports, and every measured track with an id. The second also
    has tracks found again after a miss, which the paper reports only after a new streak.
    """
    sort = Sort()
    rows: list[np.ndarray] = [np.empty((0, 7))]  # frame, id, xyxy, reported
    for frame in range(1, frame_count + 1):
        sort.predict()
        sort.update(detections.boxes[detections.frames == frame])
        now = sort.tracks
        named = (now.ids > 0) & (now.time_since_update == 0)
        frames = np.full(len(now.ids), frame)
        rows.append(np.column_stack([frames, now.ids, now.boxes, now.reported])[named])
    table = np.concatenate(rows)
    named_tracks = Observations(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:6])
    return _where(named_tracks, table[:, 6] == 1), named_tracks


def clear_scores(truth: Observations, tracked: Observations) -> Clear:
    """Score `tracked` with trackeval's CLEAR metric; raise ImportError if it is missing."""
    from trackeval.metrics import CLEAR

    truth_names, truth_ids = np.unique(truth.ids, return_inverse=True)
    tracked_names, tracked_ids = np.unique(tracked.ids, return_inverse=True)
    frames = range(1, int(truth.frames.max()) + 1)
    in_truth = [truth.frames == frame for frame in frames]
    in_tracked = [tracked.frames == frame for frame in frames]
    scores = CLEAR({"PRINT_CONFIG": False}).eval_sequence(
        {
            "num_timesteps": len(frames),
            "num_gt_dets": len(truth.ids),
            "num_tracker_dets": len(tracked.ids),
            "num_gt_ids": len(truth_names),
            "num_tracker_ids": len(tracked_names),
            "gt_ids": [truth_ids[now] for now in in_truth],
            "tracker_ids": [tracked_ids[now] for now in in_tracked],
            "similarity_scores": [
                iou(truth.boxes[true], tracked.boxes[now])
                for true, now in zip(in_truth, in_tracked, strict=True)
            ],
        }
    )
    return Clear(mota=100 * float(scores["MOTA"]), id_switches=int(scores["IDSW"]))


def evaluate(sequence: Path) -> tuple[Clear, Clear]:
    """Score SORT on one sequence: as the paper reports, and with every track that has an id."""
    truth, detections = read_truth(sequence), read_detections(sequence)
    reported, named = track(detections, frame_count=int(truth.frames.max()))
    return clear_scores(truth, reported), clear_scores(truth, named)


def main(arguments: list[str] | None = None) -> int:
    """Print one line per sequence; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trackers.evaluate", description=__doc__)
    parser.add_argument("mot15_dir", type=Path, metavar="MOT15_DIR")
    folder = parser.parse_args(arguments).mot15_dir
    try:
        scores = {name: evaluate(folder / name) for name in PUBLISHED}
    except ImportError:
        print("trackeval is missing: pip install trackeval", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print("| sequence | MOTA | published | id switches | MOTA, ids kept after a miss |")
    print("|---|---|---|---|---|")
    for name, (paper, kept) in scores.items():
        print(
            f"| {name} | {paper.mota:.1f} | {PUBLISHED[name]} | {paper.id_switches} "
            f"| {kept.mota:.1f} |"
        )
    return 0


def _read_rows(path: Path) -> np.ndarray:
    """The first seven columns (N, 7). Raises OSError if the file is missing, empty or damaged."""
    try:
        if not (lines := path.read_text().splitlines()):
            raise ValueError("no rows")
        return np.loadtxt(lines, delimiter=",", usecols=range(7), ndmin=2)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None


def _observations(rows: np.ndarray) -> Observations:
    boxes = np.column_stack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])  # xywh to xyxy
    return Observations(rows[:, 0].astype(int), rows[:, 1].astype(int), boxes)


def _where(observations: Observations, kept: np.ndarray) -> Observations:
    return Observations(observations.frames[kept], observations.ids[kept], observations.boxes[kept])


if __name__ == "__main__":
    sys.exit(main())
